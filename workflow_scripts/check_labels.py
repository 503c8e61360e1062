from headstart import intake, job

with job.running(snakemake.rule, snakemake.log[0]) as log:
    files, params = snakemake.input, snakemake.params
    record = intake.check_labels(files.labels, files.t1w, params.classes, **params.masks)
    log.info("found: %s", record)
    job.write_json(snakemake.output[0], record)
