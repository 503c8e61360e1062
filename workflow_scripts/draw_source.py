import numpy as np

from headstart import job
from headstart.report import figures, scan_pictures

with job.running(snakemake.rule, snakemake.log[0]):
    metadata = job.read_json(snakemake.input.metadata)
    with np.load(snakemake.input.examples, allow_pickle=False) as kept:
        examples = {name: kept.get(name) for name in ("images", "outputs", "targets")}
    figure = figures.source_examples(metadata, **examples)
    scan_pictures.save_all(figure, snakemake.output)
