from headstart import job
from headstart.report import scan_pictures, verdict_figure
from headstart.report.sources import Shown

with job.running(snakemake.rule, snakemake.log[0]):
    verdict, comparisons, saved = (job.read_table(path) for path in snakemake.input)
    sources = Shown(snakemake.params.sources)
    shown = verdict_figure.numbers(verdict, comparisons, saved, sources)
    job.write_table(snakemake.output.numbers, shown)
    sentences = dict(zip(verdict["target"], verdict["sentence"], strict=True))
    scan_pictures.save_all(verdict_figure.figure(shown, sentences, sources), snakemake.output.figure)
