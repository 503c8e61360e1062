from headstart import job, quality

with job.running(snakemake.rule, snakemake.log[0]):
    params = snakemake.params
    losses = dict(zip(params.labelled, snakemake.input.losses, strict=True))
    rows = []
    for scan, registered, intake in zip(params.scans, snakemake.input.registered, snakemake.input.intake, strict=True):
        lost = job.read_json(losses[scan]) if scan in losses else {}
        numbers = quality.gathered(job.read_json(registered), job.read_json(intake), lost)
        rows.append({"dataset": scan[0], "subject": scan[1], **numbers})
    table = quality.tabulate(rows, params.stop, params.outlier)
    job.write_table(snakemake.output.table, table)
    job.write_text(snakemake.output.verdict, quality.verdict(table, snakemake.output.table))
