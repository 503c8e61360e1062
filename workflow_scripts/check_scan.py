from headstart import intake, job

with job.running(snakemake.rule, snakemake.log[0]) as log:
    record = intake.check_scan(snakemake.input[0])
    log.info("found: %s", record)
    job.write_json(snakemake.output[0], record)
