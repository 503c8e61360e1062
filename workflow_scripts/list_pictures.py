from headstart import datasets, job, natural

with job.running(snakemake.rule, snakemake.log[0]) as log:
    params = snakemake.params
    drawn = datasets.pictures(snakemake.wildcards.dataset, params.entry, params.folder, params.seed)
    log.info("%d pictures of %d groups", len(drawn), len({picture.group for picture in drawn}))
    job.write_table(snakemake.output[0], natural.tabulate(drawn))
