import numpy as np
import pandas as pd

from headstart import images, job
from headstart.label import validation
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    grid = template.grid(params.voxel_mm)
    rows = []
    for number, (dataset, subject) in enumerate(params.scans):
        transform = images.read_affine(files.transforms[number])
        measures = validation.registration_error(files.landmarks[number], transform)
        for name in validation.NAMES:
            if made := files[f"made_{name}"]:
                exact = images.resample_labels(images.read(files[name][number], np.uint8), grid, transform)
                measures |= validation.dice_by_label(images.read(made[number], np.uint8), exact, validation.NAMES[name])
        rows.append({"dataset": dataset, "subject": subject, **measures})
    job.write_table(snakemake.output[0], pd.DataFrame(rows))
