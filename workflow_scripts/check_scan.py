from headstart import intake, job

with job.running(snakemake.rule, snakemake.log[0]) as log:
    record = intake.check_scan(
        snakemake.input.t1w,
        snakemake.input.labels,
        snakemake.params.classes,
        masks=snakemake.params.masks,
        mask_above=snakemake.params.mask_above,
    )
    log.info("found: %s", record)
    job.write_json(snakemake.output[0], record)
