import pandas as pd

from headstart import job
from headstart.evaluate import native

with job.running(snakemake.rule, snakemake.log[0]):
    params = snakemake.params
    scored = pd.concat([job.read_table(path, {"scan": str}) for path in snakemake.input.scored], ignore_index=True)
    made = native.summary(scored, params.draws, params.seed, params.population)
    job.write_table(snakemake.output.table, made)
