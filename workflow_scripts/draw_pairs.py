import pandas as pd

from headstart import job
from headstart.report import paired_figure, scan_pictures
from headstart.report.sources import Shown

with job.running(snakemake.rule, snakemake.log[0]):
    target = snakemake.wildcards.target
    scores = pd.read_parquet(snakemake.input.scans)
    pairs = paired_figure.numbers(scores[scores["target"] == target])
    job.write_table(snakemake.output.numbers, pairs)
    figure = paired_figure.figure(pairs, target, snakemake.params.metric, Shown(snakemake.params.sources))
    scan_pictures.save_all(figure, snakemake.output.figure)
