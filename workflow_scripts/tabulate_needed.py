import pandas as pd

from headstart import job
from headstart.evaluate import answer, tables

with job.running(snakemake.rule, snakemake.log[0]):
    params = snakemake.params
    collected = tables.of_fine_tuned(pd.read_parquet(snakemake.input.scans))
    of_volumes = collected[collected["level"] == tables.LEVEL]
    roles = tables.Roles(untrained=frozenset(params.untrained))
    cells = list(tables.cells(of_volumes, params.draws, params.seed, params.population, roles))
    for name, table in answer.forecasts(cells, params.aims, params.seed).items():
        job.write_table(getattr(snakemake.output, name), table)
