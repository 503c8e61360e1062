import pandas as pd

from headstart import job
from headstart.datasets import intake

with job.running(snakemake.rule, snakemake.log[0]):
    records = intake.read_records(snakemake.input)
    rows = []
    for about in snakemake.params.scans:
        record = records[about["dataset"], about["subject"]]
        for image in (record["scan"], *record.get("images", {}).values()):
            rows.append({**about, "file": image["file"], "sha256": image["sha256"]})
    intake.check_duplicates(rows)
    job.write_table(snakemake.output[0], pd.DataFrame([*rows, *snakemake.params.dropped]))
