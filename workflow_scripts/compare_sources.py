import pandas as pd

from headstart import comparisons, curves, job, mixed, tables, verdict

with job.running(snakemake.rule, snakemake.log[0]):
    written, params = snakemake.output, snakemake.params
    collected = pd.read_parquet(snakemake.input.scans)
    cells = list(tables.cells(collected, params.draws, params.seed))
    compared, saved = comparisons.compare(cells), curves.saved(cells)
    job.write_table(written.comparisons, compared)
    job.write_table(written.curves, curves.laws(cells))
    job.write_table(written.saved, saved)
    job.write_table(written.mixed, mixed.model(collected))
    job.write_table(written.verdict, verdict.verdict(tables.summary(cells), compared, saved))
