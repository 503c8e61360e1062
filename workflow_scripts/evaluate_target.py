import torch

from headstart import job
from headstart.evaluate.model import find_lesions, score_model, write, write_rows
from headstart.metrics.distance import length_in_scan
from headstart.networks.architectures import Architecture
from headstart.slices import store

with job.running(snakemake.rule, snakemake.log[0]):
    files, params, written = snakemake.input, snakemake.params, snakemake.output
    torch.set_num_threads(params.torch_threads)
    # Distances are measured in template space.
    tolerances = {
        scan: params.tolerance_mm / length_in_scan(job.read_json(path)["determinant"])
        for scan, path in zip(params.tested, files.registered, strict=True)
    }
    lesions = written.lesions or [None] * len(files.models)
    runs = zip(params.scans, files.models, written.metrics, written.predictions, lesions, strict=True)
    for subjects, model, metrics, predictions, detected in runs:
        found = (store.find(files.index, paths, subjects) for paths in (files.images, files.labels))
        scans = dict(zip(subjects, zip(*found, strict=True), strict=True))
        scores, predicted = score_model(
            model,
            Architecture.of(params.network),
            params.classes,
            scans,
            voxel_mm=params.voxel_mm,
            tolerance_mm=tolerances,
            precision=params.precision,
        )
        write(scores, predicted, metrics, predictions)
        if detected:
            write_rows(find_lesions(predicted, scans, params.voxel_mm), detected)
