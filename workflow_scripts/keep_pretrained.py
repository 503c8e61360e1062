from headstart import as_pretrained, job
from headstart.networks import model_files
from headstart.networks.architectures import Architecture

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    model, metadata = as_pretrained.make(
        files.encoder[0], files.decoder[0], Architecture.of(params.network), params.classes, params.expects
    )
    model_files.save(model, snakemake.output.models, metadata | params.about)
