from headstart import job
from headstart.register import image_table, quality_table

with job.running(snakemake.rule, snakemake.log[0]):
    table, images = snakemake.input.quality, snakemake.input.aligned
    quality_table.check_passed(job.read_table(table), table)
    if images:
        image_table.check_passed(job.read_table(images), images)
    job.write_text(snakemake.output[0], "")
