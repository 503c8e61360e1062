from headstart import job
from headstart.report import answer_page

with job.running(snakemake.rule, snakemake.log[0]):
    tables = [job.read_table(path) for path in snakemake.input]
    job.write_text(snakemake.output[0], answer_page.page(snakemake.params.study, *tables))
