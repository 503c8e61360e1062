from headstart import job
from headstart.report import detection_figure, scan_pictures
from headstart.report.sources import Shown

with job.running(snakemake.rule, snakemake.log[0]):
    detection, target = job.read_table(snakemake.input.detection), snakemake.wildcards.target
    shown = detection_figure.numbers(detection[detection["target"] == target])
    job.write_table(snakemake.output.numbers, shown)
    figure = detection_figure.figure(shown, target, Shown(snakemake.params.sources))
    scan_pictures.save_all(figure, snakemake.output.figure)
