import numpy as np

from headstart import images, job, template
from headstart.register import target_labels

with job.running(snakemake.rule, snakemake.log[0]):
    classes = snakemake.params.classes
    _, labels = target_labels(
        snakemake.input.labels,
        snakemake.input.t1w,
        images.read_affine(snakemake.input.transform),
        template.grid(snakemake.params.voxel_mm),
        {value: number for number, values in enumerate(classes.values(), start=1) for value in values},
        masks=snakemake.params.masks,
    )
    images.write(snakemake.output[0], labels, np.uint8)
