from headstart import job
from headstart.evaluate import detection

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    cutoffs, own = params.cutoffs, {target: {} for target, _ in params.scans}
    for (target, scan), registered, losses in zip(params.scans, files.registered, files.losses, strict=True):
        in_scan = detection.OwnSpace.of(job.read_json(registered), job.read_json(losses))
        own[target][scan] = in_scan if cutoffs["volume"] == "scan" else in_scan.in_template()
    collected = detection.collect(
        files.lesions, params.runs, params.tests, cutoffs["overlap"], cutoffs["volume_ml"], own
    )
    job.write_table(snakemake.output.table, detection.summary(collected, params.draws, params.seed))
