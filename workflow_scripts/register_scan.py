from pathlib import Path

import numpy as np

from headstart import images, job
from headstart.datasets import intake
from headstart.register import quality
from headstart.register.affine import RegistrationSettings, register
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]) as log:
    params, written = snakemake.params, snakemake.output
    folder = Path(snakemake.input.template).parent
    path, lesions = snakemake.input.first, snakemake.input.lesions
    label_format = intake.LabelFormat(**params.label_format)
    registered = register(
        path,
        template.read(folder, "t1"),
        template.read(folder, "brain"),
        template.grid(params.voxel_mm),
        RegistrationSettings(**params.settings),
        threads=snakemake.threads,
        lesion=intake.read_labels(lesions, path, label_format)[0] if lesions else None,
    )
    tissues = {name: template.read(folder, name) for name in ("csf", "gm", "wm")}
    measures = registered.quality | quality.contrast(registered.image, tissues)
    log.info("quality: %s", measures)
    images.write(written.image, registered.image, np.float32)
    job.write_json(written.sidecar, {"SkullStripped": measures["stripped"]})
    images.write(written.brain, registered.brain, np.uint8)
    job.write_bytes(written.transform, registered.itk)
    job.write_json(written.quality, measures)
