from headstart import job
from headstart.datasets import intake
from headstart.register import image_table

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    records = intake.read_records(files.checked)
    rows = []
    for (dataset, subject, image), registered in zip(params.images, files.registered, strict=True):
        row = image_table.make_row(job.read_json(registered), records[dataset, subject]["images"][image])
        rows.append({"dataset": dataset, "subject": subject, "image": image, **row})
    job.write_table(snakemake.output.table, image_table.tabulate(rows, params.stop))
