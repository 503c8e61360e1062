from pathlib import Path

import numpy as np

from headstart import images, job
from headstart.label import ants, labels
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]):
    made = ants.label(
        snakemake.input.t1w,
        images.read(snakemake.input.brain, np.uint8),
        images.read_affine(snakemake.input.transform),
        template.load(Path(snakemake.input.template).parent),
        template.grid(snakemake.params.voxel_mm),
        ants.AntsLabelSettings(**snakemake.params.settings),
        threads=snakemake.threads,
    )
    paths = (snakemake.output.tissue, snakemake.output.structures, snakemake.output.brain)
    labels.write(made, paths, snakemake.output.sidecars)
