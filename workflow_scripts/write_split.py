from headstart import job

with job.running(snakemake.rule, snakemake.log[0]):
    job.write_text(snakemake.output[0], snakemake.params.split)
