import pandas as pd

from headstart import job
from headstart.evaluate import needed, tables

with job.running(snakemake.rule, snakemake.log[0]):
    params = snakemake.params
    collected = tables.of_fine_tuned(pd.read_parquet(snakemake.input.scans))
    cells = list(tables.cells(collected[collected["level"] == needed.LEVEL], params.draws, params.seed))
    job.write_table(snakemake.output.needed, needed.needed(cells, params.aims, params.seed))
    job.write_table(snakemake.output.backtest, needed.backtest(cells, params.seed))
