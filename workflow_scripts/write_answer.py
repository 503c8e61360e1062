import pandas as pd

from headstart import job
from headstart.report import answer_page

with job.running(snakemake.rule, snakemake.log[0]):
    verdict, summary, shown = (pd.read_csv(path, sep="\t") for path in snakemake.input)
    job.write_text(snakemake.output[0], answer_page.page(snakemake.params.study, verdict, summary, shown))
