import torch

from headstart import evaluate, job
from headstart.networks import Architecture

with job.running(snakemake.rule, snakemake.log[0]):
    torch.set_num_threads(snakemake.params.torch_threads)
    files = zip(snakemake.input.images, snakemake.input.labels, strict=True)
    table, predictions = evaluate.score_model(
        snakemake.input.model,
        Architecture.of(snakemake.params.network),
        snakemake.params.classes,
        dict(zip(snakemake.params.scans, files, strict=True)),
        precision=snakemake.params.precision,
    )
    evaluate.write(table, predictions, snakemake.output.metrics, snakemake.output.predictions)
