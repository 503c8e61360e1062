from itertools import islice

import pandas as pd

from headstart import images, job
from headstart.datasets.intake import LabelFormat
from headstart.evaluate import archive, native
from headstart.register.affine import target_labels
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    grid = template.grid(params.voxel_mm)
    values = {value: number for number, listed in enumerate(params.classes.values(), 1) for value in listed}
    labels, rows = iter(files.labels), []
    scans = zip(params.tested, params.label_files, files.t1w, files.transforms, strict=True)
    for scan, (count, label_format), t1w, transform in scans:
        place = native.Place(grid, images.read_affine(transform), params.size, params.discard_mm)
        listed = list(islice(labels, count))
        own, moved = target_labels(listed, t1w, place.transform, grid, values, LabelFormat(**label_format))
        runs = [
            ({"source": source, "resample": resample}, path)
            for (source, resample, tests), path in zip(params.runs, files.predictions, strict=True)
            if scan in tests
        ]
        predictions = (archive.read(path, scan) for _, path in runs)
        scored = native.score(predictions, own, moved, place, len(params.classes) + 1)
        rows += [{**run, "scan": scan, **found} for (run, _), found in zip(runs, scored, strict=True)]
    job.write_table(snakemake.output[0], pd.DataFrame(rows).assign(**params.about))
