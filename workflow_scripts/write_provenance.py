from headstart import job
from headstart.provenance import record

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    record.write(
        snakemake.output[0],
        record.ROOT,
        record.Places(params.study, params.data),
        planned=params.planned,
        records=files.records,
        others=files.others,
        image_tables=dict(zip(params.natural, files.pictures, strict=True)),
        outputs=files.outputs,
    )
