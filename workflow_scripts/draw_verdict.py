import pandas as pd

from headstart import answer, job, pictures

with job.running(snakemake.rule, snakemake.log[0]):
    verdict, comparisons, saved = (pd.read_csv(path, sep="\t") for path in snakemake.input)
    shown = answer.numbers(verdict, comparisons, saved)
    job.write_table(snakemake.output.numbers, shown)
    sentences = dict(zip(verdict["target"], verdict["sentence"], strict=True))
    pictures.save_all(answer.figure(shown, sentences), snakemake.output.figure)
