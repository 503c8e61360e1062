import pandas as pd

from headstart import job
from headstart.evaluate import comparisons, learning_curves, tables, verdict

with job.running(snakemake.rule, snakemake.log[0]):
    written, params = snakemake.output, snakemake.params
    collected = tables.of_fine_tuned(pd.read_parquet(snakemake.input.scans))
    cells = list(tables.cells(collected, params.draws, params.seed, params.population))
    compared, saved = comparisons.compare(cells), learning_curves.saved(cells)
    found = verdict.verdict(cells, compared, saved, params.margin, params.pools, params.training_scans)
    job.write_table(written.comparisons, compared)
    job.write_table(written.gains, comparisons.gains(compared))
    job.write_table(written.curves, learning_curves.laws(cells))
    job.write_table(written.saved, learning_curves.of_several_sizes(saved))
    job.write_table(written.verdict, found)
