from headstart import datasets, job

with job.running(snakemake.rule, snakemake.log[0]):
    job.write_json(snakemake.output.description, datasets.derivative_description(snakemake.wildcards.dataset))
    job.write_text(snakemake.output.participants, datasets.participants_table(snakemake.params.subjects))
