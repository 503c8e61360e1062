import pandas as pd

from headstart import images, job
from headstart.datasets import intake
from headstart.evaluate import archive, native
from headstart.external import masks
from headstart.register.manual_labels import target_labels
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    grid = template.grid(params.voxel_mm)
    values = intake.class_numbers(params.classes)
    runs = list(zip(params.runs, files.predictions, strict=True))

    def on_own_grid(source, resample, scan, first, slices, place, own):
        """A prediction of a scan as a mask on its own grid: as it was made elsewhere, or carried back."""
        if source not in params.external:
            return place.carried_back(slices, own)
        external = params.external[source]
        path = external["masks"][resample][scan]
        mask = masks.read(path, first, len(params.classes), external["values"], grid)
        return masks.in_scan(mask, own, grid, place.transform)

    rows = []
    labels = intake.labels_of_scans(files.labels, params.label_files)
    scans = zip(params.tested, labels, files.first, files.transforms, strict=True)
    for scan, (listed, label_format), first, transform in scans:
        place = native.Place(grid, images.read_affine(transform), params.size, params.discard_mm)
        own, moved = target_labels(listed, first, place.transform, grid, values, label_format)
        of_scan = [(source, resample, path) for (source, resample, tests), path in runs if scan in tests]
        slices = ((source, resample, archive.read(path, scan)) for source, resample, path in of_scan)
        predictions = (
            (found, on_own_grid(source, resample, scan, first, found, place, own.grid))
            for source, resample, found in slices
        )
        scored = native.score(predictions, own, moved, place, len(params.classes) + 1, params.metric, params.empty)
        rows += [
            {"source": source, "resample": resample, "scan": scan, **found}
            for (source, resample, _), found in zip(of_scan, scored, strict=True)
        ]
    job.write_table(snakemake.output[0], pd.DataFrame(rows).assign(**params.about))
