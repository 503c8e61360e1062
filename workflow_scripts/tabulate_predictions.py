from headstart import job
from headstart.datasets import derivatives
from headstart.predict import request, segment

with job.running(snakemake.rule, snakemake.log[0]):
    params, written = snakemake.params, snakemake.output
    records = {
        subject: job.read_json(f"{folder}/anat/sub-{subject}_desc-qc_{params.first}.json")
        for subject, folder in zip(params.subjects, snakemake.input, strict=True)
    }
    job.write_table(written.table, segment.tabulate(records, params.stop, params.outlier, params.first))
    job.write_json(written.description, derivatives.derivative_description(params.name))
    job.write_text(written.ignore, request.bidsignore(params.first))
