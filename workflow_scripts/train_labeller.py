import torch

from headstart import job, labeller
from headstart.networks import model_files
from headstart.networks.architectures import Architecture
from headstart.training.checkpoint import of_training
from headstart.training.settings import TrainingSettings

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    torch.set_num_threads(params.torch_threads)
    settings = labeller.LabellerSettings(
        architecture=Architecture.of(params.network),
        training=TrainingSettings(**params.training),
        expects=params.expects,
        resident_gb=params.resident_gb,
    )
    scans = labeller.LabelledScans(files.t1w, files.tissue, files.structures)
    metadata = labeller.metadata(settings, scans, params.seed, {"scans": params.scans, "backend": params.backend})
    precision = settings.training.precision
    checkpoint = of_training(params.state, params.minutes, precision, "auto", metadata, params.code)
    network, history = labeller.train(scans, settings, params.seed, checkpoint=checkpoint)
    model_files.save(network, snakemake.output.model, metadata, history)
    checkpoint.remove()
