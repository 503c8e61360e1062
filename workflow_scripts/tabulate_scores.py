from headstart import job, tables

with job.running(snakemake.rule, snakemake.log[0]):
    params = snakemake.params
    collected = tables.collect(snakemake.input.metrics, params.runs, params.metrics, params.tests, params.empty)
    job.write_table(snakemake.output.scores, tables.scores(collected))
    job.write_table(snakemake.output.summary, tables.summary(collected, params.draws, params.seed))
    job.write_table(snakemake.output.gains, tables.gains(collected, params.draws, params.seed))
