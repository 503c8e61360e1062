from headstart import job
from headstart.report import scan_pictures, verdict_figure

with job.running(snakemake.rule, snakemake.log[0]):
    verdict, comparisons, saved = (job.read_table(path) for path in snakemake.input)
    shown = verdict_figure.numbers(verdict, comparisons, saved)
    job.write_table(snakemake.output.numbers, shown)
    sentences = dict(zip(verdict["target"], verdict["sentence"], strict=True))
    scan_pictures.save_all(verdict_figure.figure(shown, sentences), snakemake.output.figure)
