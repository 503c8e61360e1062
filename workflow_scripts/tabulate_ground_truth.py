import pandas as pd

from headstart import job

with job.running(snakemake.rule, snakemake.log[0]):
    parts = [job.read_table(path) for path in snakemake.input]
    job.write_table(snakemake.output[0], pd.concat(parts, ignore_index=True))
