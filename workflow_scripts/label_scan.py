from pathlib import Path

import numpy as np

from headstart import images, job
from headstart.label import ants, labels
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]):
    grid = template.grid(snakemake.params.voxel_mm)
    transform = images.read_affine(snakemake.input.transform)
    made = ants.label(
        snakemake.input.t1w,
        images.read(snakemake.input.brain, np.uint8),
        transform,
        template.load(Path(snakemake.input.template).parent),
        grid,
        threads=snakemake.threads,
        **snakemake.params.settings,
    )
    paths = (snakemake.output.tissue, snakemake.output.structures, snakemake.output.brain)
    labels.write(made, paths, snakemake.output.sidecars)
