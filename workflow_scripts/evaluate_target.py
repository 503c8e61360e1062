import torch

from headstart import evaluate, job, store
from headstart.networks import Architecture

with job.running(snakemake.rule, snakemake.log[0]):
    files, params, written = snakemake.input, snakemake.params, snakemake.output
    torch.set_num_threads(params.torch_threads)
    runs = zip(params.scans, files.models, written.metrics, written.predictions, strict=True)
    for subjects, model, metrics, predictions in runs:
        found = (store.find(files.index, paths, subjects) for paths in (files.images, files.labels))
        scores, predicted = evaluate.score_model(
            model,
            Architecture.of(params.network),
            params.classes,
            dict(zip(subjects, zip(*found, strict=True), strict=True)),
            precision=params.precision,
        )
        evaluate.write(scores, predicted, metrics, predictions)
