import pandas as pd

from headstart import figures, job, pictures

with job.running(snakemake.rule, snakemake.log[0]):
    tables = [pd.read_csv(path, sep="\t") for path in snakemake.input]
    curves = dict(zip(snakemake.params.sources, tables, strict=True))
    pictures.save_all(figures.training_curves(curves), snakemake.output)
