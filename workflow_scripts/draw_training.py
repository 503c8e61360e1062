import pandas as pd

from headstart import job
from headstart.report import figures, scan_pictures
from headstart.report.sources import Shown

with job.running(snakemake.rule, snakemake.log[0]):
    sources = snakemake.params.sources
    curves = {source: job.read_table(path) for source, path in zip(sources, snakemake.input.training, strict=True)}
    metadata = {source: job.read_json(path) for source, path in zip(sources, snakemake.input.metadata, strict=True)}
    measures = {source: known["measure"] for source, known in metadata.items() if "measure" in known}
    empty = [pd.DataFrame({"source": []})]
    trained = [table.assign(source=source) for source, table in curves.items() if len(table)]
    numbers = pd.concat(trained or empty, ignore_index=True)
    job.write_table(snakemake.output.numbers, numbers.assign(measure=numbers["source"].map(measures)))
    scan_pictures.save_all(figures.training_curves(curves, measures, Shown(sources)), snakemake.output.figure)
