from headstart import job
from headstart.datasets.natural import pictures
from headstart.slices import natural

with job.running(snakemake.rule, snakemake.log[0]) as log:
    params = snakemake.params
    drawn = pictures(snakemake.wildcards.dataset, params.entry, params.folder, params.seed)
    log.info("%d pictures of %d groups", len(drawn), len({picture.group for picture in drawn}))
    job.write_table(snakemake.output[0], natural.tabulate(drawn))
