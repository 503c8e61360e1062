from pathlib import Path

import numpy as np

from headstart import images, job
from headstart.register import quality
from headstart.register.affine import RegistrationSettings
from headstart.register.rigid import align
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]) as log:
    files, written = snakemake.input, snakemake.output
    aligned = align(
        files.image,
        files.first,
        images.read(files.brain, np.uint8),
        images.read_affine(files.transform),
        RegistrationSettings(**snakemake.params.settings),
        threads=snakemake.threads,
    )
    folder = Path(files.template).parent
    tissues = {name: template.read(folder, name) for name in ("csf", "gm", "wm")}
    measures = aligned.quality | quality.contrast(aligned.image, tissues)
    log.info("quality: %s", measures)
    images.write(written.image, aligned.image, np.float32)
    job.write_json(written.sidecar, {"SkullStripped": aligned.stripped})
    job.write_bytes(written.transform, aligned.itk)
    job.write_json(written.quality, measures)
