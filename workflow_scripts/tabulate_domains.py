from headstart import job
from headstart.report import paper
from headstart.report.sources import Shown

with job.running(snakemake.rule, snakemake.log[0]):
    target = snakemake.wildcards.target
    summary = job.read_table(snakemake.input[0])
    params = snakemake.params
    made = paper.table(summary[summary["target"] == target], params.paper, Shown(params.sources))
    job.write_table(snakemake.output.table, made)
    job.write_text(snakemake.output.page, paper.page(made, target))
