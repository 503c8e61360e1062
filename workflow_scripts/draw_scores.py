from headstart import job
from headstart.evaluate import verdict
from headstart.report import figures, scan_pictures
from headstart.report.sources import Shown

with job.running(snakemake.rule, snakemake.log[0]):
    files = snakemake.input
    scores, summary, answers = (job.read_table(path) for path in (files.scores, files.summary, files.verdict))
    headlines = {row["target"]: verdict.headline(row) for row in answers.to_dict("records")}
    figure = figures.learning_curves(scores, summary, headlines, Shown(snakemake.params.sources))
    job.write_table(snakemake.output.numbers, figures.learning_curve_numbers(scores, summary))
    scan_pictures.save_all(figure, snakemake.output.figure)
