import pandas as pd

from headstart import figures, job, pictures

with job.running(snakemake.rule, snakemake.log[0]):
    pictures.save_all(figures.truth_by_name(pd.read_csv(snakemake.input[0], sep="\t")), snakemake.output)
