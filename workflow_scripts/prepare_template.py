from pathlib import Path

from headstart import atlases, job, template

with job.running(snakemake.rule, snakemake.log[0]):
    built = atlases.build(snakemake.params.atlases, snakemake.threads)
    template.write(built, Path(snakemake.output[0]).parent)
