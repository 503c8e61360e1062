from headstart import job
from headstart.register import quality_table

with job.running(snakemake.rule, snakemake.log[0]):
    table = snakemake.input.quality
    quality_table.check_passed(job.read_table(table), table)
    job.write_text(snakemake.output[0], "")
