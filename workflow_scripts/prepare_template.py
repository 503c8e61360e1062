from pathlib import Path

from headstart import job
from headstart.template import atlases, template

with job.running(snakemake.rule, snakemake.log[0]):
    built = atlases.build(snakemake.params.atlases, snakemake.threads)
    template.write(built, Path(snakemake.output[0]).parent)
