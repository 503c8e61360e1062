import pandas as pd

from headstart import job

with job.running(snakemake.rule, snakemake.log[0]):
    tables = zip(snakemake.params.runs, map(job.read_table, snakemake.input), strict=True)
    table = pd.concat([rows.assign(target=target, source=source) for (target, source), rows in tables])
    columns = ["target", "source", "learning_rate", "score", "chosen"]
    job.write_table(snakemake.output[0], table[columns])
