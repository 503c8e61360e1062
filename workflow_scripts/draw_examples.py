import numpy as np
import pandas as pd

from headstart import job
from headstart.evaluate import archive
from headstart.report import figures, scan_pictures
from headstart.slices import store

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    runs = list(zip(params.sources, files.metrics, files.predictions, strict=True))
    metrics = {source: pd.read_parquet(path) for source, path, _ in runs}
    chosen = figures.choose_examples(metrics, params.metric, params.empty)
    predictions = {source: {scan: archive.read(path, scan) for scan in chosen.values()} for source, _, path in runs}

    def by_scan(paths: list[str]) -> dict[str, np.ndarray]:
        """The slices of each scan, in files in the order of their indices."""
        found = store.find(files.index, paths, params.scans)
        return dict(zip(params.scans, map(store.read, found), strict=True))

    parts = len(files.index)
    images = {title: by_scan(files.images[k * parts : (k + 1) * parts]) for k, title in enumerate(params.images)}
    labels = by_scan(files.labels)
    examples = figures.examples(chosen, images, labels, predictions, params.classes)
    numbers = figures.examples_numbers(chosen, labels, metrics, params.metric, params.empty)
    job.write_table(snakemake.output.numbers, numbers)
    scan_pictures.save_all(examples, snakemake.output.figure)
