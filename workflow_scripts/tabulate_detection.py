from headstart import job
from headstart.evaluate import detection

with job.running(snakemake.rule, snakemake.log[0]):
    params = snakemake.params
    collected = detection.collect(
        snakemake.input.lesions, params.runs, params.tests, params.cutoffs["overlap"], params.cutoffs["volume_ml"]
    )
    job.write_table(snakemake.output.table, detection.summary(collected, params.draws, params.seed))
