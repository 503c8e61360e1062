import pandas as pd

from headstart import job
from headstart.register import quality_table

with job.running(snakemake.rule, snakemake.log[0]):
    table = snakemake.input.quality
    quality_table.check_passed(pd.read_csv(table, sep="\t", dtype={"subject": str}), table)
    job.write_text(snakemake.output[0], "")
