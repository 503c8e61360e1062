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
    shown = list(chosen.values())
    predictions = {source: {scan: archive.read(path, scan) for scan in shown} for source, _, path in runs}
    found = list(map(store.read, store.find_images(files.index, files.images, shown)))
    images = {scan: found[number :: len(shown)] for number, scan in enumerate(shown)}
    labels = dict(zip(shown, map(store.read, store.find(files.index, files.labels, shown)), strict=True))
    examples = figures.examples(chosen, params.images, images, labels, predictions, params.classes)
    numbers = figures.examples_numbers(chosen, labels, metrics, params.metric, params.empty)
    job.write_table(snakemake.output.numbers, numbers)
    scan_pictures.save_all(examples, snakemake.output.figure)
