from headstart import job, provenance

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    provenance.write(
        snakemake.output[0],
        provenance.ROOT,
        provenance.Places(params.study, params.data),
        planned=params.planned,
        records=files.records,
        others=files.others,
        pictures=dict(zip(params.natural, files.pictures, strict=True)),
        outputs=files.outputs,
    )
