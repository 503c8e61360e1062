from pathlib import Path

from headstart import job, template

with job.running(snakemake.rule, snakemake.log[0]):
    template.write(template.build(threads=snakemake.threads), Path(snakemake.output[0]).parent)
