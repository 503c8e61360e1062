import numpy as np

from headstart import images, job
from headstart.datasets import intake
from headstart.register import quality
from headstart.register.manual_labels import target_labels
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]):
    classes = snakemake.params.classes
    transform = images.read_affine(snakemake.input.transform)
    native, labels = target_labels(
        snakemake.input.labels,
        snakemake.input.first,
        transform,
        template.grid(snakemake.params.voxel_mm),
        intake.class_numbers(classes),
        intake.LabelFormat(**snakemake.params.label_format),
    )
    images.write(snakemake.output.labels, labels, np.uint8)
    job.write_json(snakemake.output.losses, quality.label_losses(native, labels, transform, list(classes)))
