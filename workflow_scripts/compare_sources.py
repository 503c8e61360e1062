import pandas as pd

from headstart import job
from headstart.evaluate import answer, tables

with job.running(snakemake.rule, snakemake.log[0]):
    params = snakemake.params
    collected = tables.of_fine_tuned(pd.read_parquet(snakemake.input.scans))
    roles = tables.Roles(untrained=frozenset(params.untrained))
    cells = list(tables.cells(collected, params.draws, params.seed, params.population, roles))
    found = answer.compared(cells, params.margin, params.pools, params.training_scans)
    for name, table in found.items():
        job.write_table(getattr(snakemake.output, name), table)
