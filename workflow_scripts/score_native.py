import pandas as pd

from headstart import images, job
from headstart.datasets import intake
from headstart.evaluate import archive, native, run
from headstart.external import masks
from headstart.register.manual_labels import target_labels
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]):
    files, params, written = snakemake.input, snakemake.params, snakemake.output
    grid = template.grid(params.voxel_mm)
    values = intake.class_numbers(params.classes)
    runs = list(zip(params.runs, files.predictions, strict=True))

    def on_own_grid(source, resample, scan, first, slices, truth):
        """A prediction of a scan as a mask on its own grid: as it was made elsewhere, or carried back."""
        own, place = truth.own.grid, truth.place
        if source not in params.external:
            return place.carried_back(slices, own)
        external = params.external[source]
        path = external["masks"][resample][scan]
        mask = masks.read(path, first, len(params.classes), external["values"], grid)
        return masks.in_scan(mask, own, grid, place.transform)

    scores, lesions = [], []
    labels = intake.labels_of_scans(files.labels, params.label_files)
    scans = zip(params.tested, labels, files.first, files.transforms, strict=True)
    for scan, (listed, label_format), first, transform in scans:
        place = native.Place(grid, images.read_affine(transform), params.size, params.discard_mm)
        own, moved = target_labels(listed, first, place.transform, grid, values, label_format)
        truth = native.Truth(own, moved, place, len(params.classes) + 1, params.metric, params.empty)
        for (source, resample, tests), path in runs:
            if scan not in tests:
                continue
            slices = archive.read(path, scan)
            found = on_own_grid(source, resample, scan, first, slices, truth)
            about = {"source": source, "resample": resample}
            scores.append({**about, "scan": scan, **truth.score(slices, found)})
            if written.lesions:
                lesions.append(truth.lesions(found, scan).assign(**about))
    job.write_table(written.scores, pd.DataFrame(scores).assign(**params.about))
    if written.lesions:
        run.write(pd.concat(lesions, ignore_index=True).assign(**params.about), written.lesions)
