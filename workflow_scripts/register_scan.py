from pathlib import Path

import numpy as np

from headstart import images, job, pictures, template
from headstart.register import register

with job.running(snakemake.rule, snakemake.log[0]) as log:
    grid = template.grid(snakemake.params.voxel_mm)
    folder = Path(snakemake.input.template[0]).parent
    brain = template.read(folder, "brain")
    found = register(
        snakemake.input.t1w,
        template.read(folder, "t1"),
        brain,
        grid,
        percentiles=tuple(snakemake.params.percentiles),
        threads=snakemake.threads,
        **snakemake.params.settings,
    )
    log.info("quality: %s", found.quality)
    images.write(snakemake.output.t1w, found.t1, np.float32)
    images.write(snakemake.output.brain, found.brain, np.uint8)
    job.write_bytes(snakemake.output.transform, found.itk)
    job.write_json(snakemake.output.quality, found.quality)
    pictures.registration(snakemake.output.picture, found.t1, images.resample_labels(brain, grid))
