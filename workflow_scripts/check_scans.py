from headstart import job
from headstart.datasets import intake

with job.running(snakemake.rule, snakemake.log[0]) as log:
    records = intake.check(snakemake.params.scans, snakemake.params.classes)
    for record in records:
        log.info("found: %s", record)
    job.write_json(snakemake.output[0], records)
