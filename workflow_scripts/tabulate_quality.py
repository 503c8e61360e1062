from headstart import job
from headstart.datasets import intake
from headstart.register import quality_table

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    losses = dict(zip(params.labelled, files.losses, strict=True))
    records = intake.read_records(files.checked)
    rows = []
    for scan, registered in zip(params.scans, files.registered, strict=True):
        parts = [job.read_json(registered), records[scan]["scan"]]
        if scan in losses:
            parts += [records[scan]["labels"], job.read_json(losses[scan])]
        rows.append({"dataset": scan[0], "subject": scan[1], **quality_table.make_row(*parts)})
    job.write_table(
        snakemake.output.table,
        quality_table.tabulate(rows, params.stop, params.outlier, first_images=params.first_images),
    )
