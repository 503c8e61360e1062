from pathlib import Path

import numpy as np

from headstart import images, job
from headstart.datasets import intake
from headstart.register import quality
from headstart.register.affine import register
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]) as log:
    grid = template.grid(snakemake.params.voxel_mm)
    folder = Path(snakemake.input.template).parent
    path, lesions = snakemake.input.t1w, snakemake.input.lesions
    found = register(
        path,
        template.read(folder, "t1"),
        template.read(folder, "brain"),
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
