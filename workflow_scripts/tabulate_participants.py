import pandas as pd

from headstart import job
from headstart.datasets import participants

with job.running(snakemake.rule, snakemake.log[0]):
    job.write_table(
        snakemake.output.table, pd.DataFrame(participants.summary(snakemake.params.datasets, snakemake.input))
    )
