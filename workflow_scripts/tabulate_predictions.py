from headstart import datasets, job, newscans, predict

with job.running(snakemake.rule, snakemake.log[0]):
    params, written = snakemake.params, snakemake.output
    records = {
        subject: job.read_json(f"{folder}/anat/sub-{subject}_desc-qc_T1w.json")
        for subject, folder in zip(params.subjects, snakemake.input, strict=True)
    }
    job.write_table(written.table, predict.tabulate(records, params.stop, params.outlier))
    job.write_json(written.description, datasets.derivative_description(params.name))
    job.write_text(written.ignore, newscans.BEYOND_BIDS)
