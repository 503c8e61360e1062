import pandas as pd

from headstart import job
from headstart.datasets import people

with job.running(snakemake.rule, snakemake.log[0]):
    job.write_table(snakemake.output.table, pd.DataFrame(people.summary(snakemake.params.datasets, snakemake.input)))
