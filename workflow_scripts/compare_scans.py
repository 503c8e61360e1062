import pandas as pd

from headstart import intake, job

with job.running(snakemake.rule, snakemake.log[0]):
    records = [job.read_json(path) for path in snakemake.input]
    rows = [
        {**about, "file": record["file"], "sha256": record["sha256"]}
        for about, record in zip(snakemake.params.scans, records, strict=True)
    ]
    intake.check_twins(rows)
    job.write_table(snakemake.output[0], pd.DataFrame(rows))
