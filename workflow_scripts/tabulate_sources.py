import pandas as pd

from headstart import job

with job.running(snakemake.rule, snakemake.log[0]):
    job.write_table(snakemake.output.table, pd.DataFrame(snakemake.params.rows))
