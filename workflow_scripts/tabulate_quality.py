from headstart import job, quality

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    of_labels = dict(zip(params.labelled, zip(files.labels, files.losses, strict=True), strict=True))
    rows = []
    for scan, registered, checked in zip(params.scans, files.registered, files.scans, strict=True):
        records = [job.read_json(path) for path in (registered, checked, *of_labels.get(scan, ()))]
        rows.append({"dataset": scan[0], "subject": scan[1], **quality.gathered(*records)})
    job.write_table(snakemake.output.table, quality.tabulate(rows, params.stop, params.outlier))
