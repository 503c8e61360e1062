import pandas as pd

from headstart import job

with job.running(snakemake.rule, snakemake.log[0]):
    rows = [
        {"dataset": dataset, "subject": subject, **job.read_json(path)}
        for (dataset, subject), path in zip(snakemake.params.scans, snakemake.input, strict=True)
    ]
    job.write_table(snakemake.output[0], pd.DataFrame(rows))
