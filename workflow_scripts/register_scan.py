from pathlib import Path

import numpy as np

from headstart import images, intake, job, pictures, quality, template
from headstart.register import register

with job.running(snakemake.rule, snakemake.log[0]) as log:
    grid = template.grid(snakemake.params.voxel_mm)
    folder = Path(snakemake.input.template).parent
    brain = template.read(folder, "brain")
    path, lesions = snakemake.input.t1w, snakemake.input.lesions
    found = register(
        path,
        template.read(folder, "t1"),
        brain,
        grid,
        lesion=intake.read_labels(lesions, path, **snakemake.params.masks)[0] if lesions else None,
        percentiles=tuple(snakemake.params.percentiles),
        threads=snakemake.threads,
        **snakemake.params.settings,
    )
    tissues = {name: template.read(folder, name) for name in ("csf", "gm", "wm")}
    numbers = found.quality | quality.contrast(found.t1, tissues)
    log.info("quality: %s", numbers)
    images.write(snakemake.output.t1w, found.t1, np.float32)
    job.write_json(snakemake.output.sidecar, {"SkullStripped": numbers["stripped"]})
    images.write(snakemake.output.brain, found.brain, np.uint8)
    job.write_bytes(snakemake.output.transform, found.itk)
    job.write_json(snakemake.output.quality, numbers)
    pictures.registration(snakemake.output.picture, found.t1, images.resample_labels(brain, grid))
