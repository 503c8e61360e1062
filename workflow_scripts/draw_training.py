import pandas as pd

from headstart import figures, job, pictures

with job.running(snakemake.rule, snakemake.log[0]):
    curves = {name: pd.read_csv(path, sep="\t") for name, path in zip(snakemake.params.sources, snakemake.input)}
    pictures.save_all(figures.training_curves(curves), snakemake.output)
