import pandas as pd

from headstart import figures, job, pictures, store

with job.running(snakemake.rule, snakemake.log[0]):
    params = snakemake.params
    images = dict(zip(params.scans, snakemake.input.images, strict=True))
    labels = dict(zip(params.scans, snakemake.input.labels, strict=True))
    runs = list(zip(params.sources, snakemake.input.metrics, snakemake.input.predictions, strict=True))
    metrics = {source: pd.read_parquet(path) for source, path, _ in runs}
    chosen = figures.choose_examples(metrics, params.metric)
    predictions = {source: figures.predicted(path, chosen.values()) for source, _, path in runs}
    examples = figures.examples(
        chosen,
        {scan: store.read(images[scan]) for scan in chosen.values()},
        {scan: store.read(labels[scan]) for scan in chosen.values()},
        predictions,
        params.classes,
    )
    pictures.save_all(examples, snakemake.output)
