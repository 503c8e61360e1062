from headstart import job
from headstart.evaluate import run
from headstart.metrics.distance import length_in_scan
from headstart.slices import store

with job.running(snakemake.rule, snakemake.log[0]), run.processes(snakemake.threads) as apply:
    files, params, written = snakemake.input, snakemake.params, snakemake.output
    # Distances are measured in template space.
    tolerances = {
        scan: params.tolerance_mm / length_in_scan(job.read_json(path)["determinant"])
        for scan, path in zip(params.tested, files.registered, strict=True)
    }
    scoring = run.Scoring(params.classes, params.voxel_mm, tolerances, lesions=bool(written.lesions))
    lesions = written.lesions or [None] * len(files.predictions)
    runs = zip(params.scans, files.predictions, written.metrics, lesions, strict=True)
    for subjects, predictions, metrics, detected in runs:
        labels = dict(zip(subjects, store.find(files.index, files.labels, subjects), strict=True))
        scores, found = run.score(predictions, labels, scoring, apply)
        run.write(scores, metrics)
        if detected:
            run.write(found, detected)
