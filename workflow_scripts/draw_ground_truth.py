from headstart import job
from headstart.report import figures, scan_pictures

with job.running(snakemake.rule, snakemake.log[0]):
    truth = job.read_table(snakemake.input[0])
    job.write_table(snakemake.output.numbers, truth.melt(["dataset", "subject"], var_name="measure"))
    scan_pictures.save_all(figures.ground_truth_by_name(truth), snakemake.output.figure)
