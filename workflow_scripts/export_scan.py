import numpy as np

from headstart import images, job
from headstart.datasets import intake
from headstart.datasets.intake import LabelFormat
from headstart.export import scan

with job.running(snakemake.rule, snakemake.log[0]) as log:
    files, params = snakemake.input, snakemake.params
    values = intake.class_numbers(params.classes)
    labels = intake.read_classes(files.labels, files.first, values, LabelFormat(**params.label_format))
    # The files of transforms lead from the image to the first.
    transforms = {
        name: np.linalg.inv(images.read_affine(path))
        for name, path in zip(params.further, files.transforms, strict=True)
    }
    named = {params.first: files.first, **dict(zip(params.further, files.further, strict=True))}
    wanted = {name: named[name] for name in params.images}
    log.info("%s", scan.write(snakemake.output[0], wanted, transforms, labels))
