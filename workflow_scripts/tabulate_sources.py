import pandas as pd

from headstart import job

with job.running(snakemake.rule, snakemake.log[0]) as log:
    table = pd.DataFrame(snakemake.params.rows)
    for source, reason in table.loc[table["left_out"] != "", ["source", "left_out"]].itertuples(index=False):
        log.info("%s is left out: %s", source, reason)
    job.write_table(snakemake.output.table, table)
