from headstart import job
from headstart.evaluate import tables

with job.running(snakemake.rule, snakemake.log[0]):
    params, written = snakemake.params, snakemake.output
    collected = tables.collect(snakemake.input.metrics, params.runs, params.metrics, params.tests, params.empty)
    cells = list(tables.cells(collected, params.draws, params.seed))
    with job.atomic(written.scans) as partial:
        collected.to_parquet(partial, index=False)
    job.write_table(written.scores, tables.scores(collected))
    job.write_table(written.summary, tables.summary(cells))
