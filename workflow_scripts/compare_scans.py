import pandas as pd

from headstart import job
from headstart.datasets import intake

with job.running(snakemake.rule, snakemake.log[0]):
    records = intake.read_records(snakemake.input)
    rows = []
    for about in snakemake.params.scans:
        found = records[about["dataset"], about["subject"]]["scan"]
        rows.append({**about, "file": found["file"], "sha256": found["sha256"]})
    intake.check_twins(rows)
    job.write_table(snakemake.output[0], pd.DataFrame(rows))
