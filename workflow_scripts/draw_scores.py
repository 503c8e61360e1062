import pandas as pd

from headstart import job
from headstart.report import figures, scan_pictures

with job.running(snakemake.rule, snakemake.log[0]):
    scores, summary, gains = (pd.read_csv(path, sep="\t") for path in snakemake.input)
    figure = figures.scores_by_size(scores, summary, gains)
    job.write_table(snakemake.output.numbers, figures.scores_numbers(scores, summary))
    scan_pictures.save_all(figure, snakemake.output.figure)
