import pandas as pd

from headstart import job
from headstart.datasets import intake

with job.running(snakemake.rule, snakemake.log[0]):
    records = intake.read_records(snakemake.input)
    rows = []
    for about in snakemake.params.scans:
        scan = records[about["dataset"], about["subject"]]["scan"]
        rows.append({**about, "file": scan["file"], "sha256": scan["sha256"]})
    intake.check_duplicates(rows)
    job.write_table(snakemake.output[0], pd.DataFrame(rows))
