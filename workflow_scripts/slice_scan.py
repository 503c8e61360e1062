import numpy as np

from headstart import images, job, slices, store

with job.running(snakemake.rule, snakemake.log[0]):
    files, written, params = snakemake.input, snakemake.output, snakemake.params
    how = (params.size, params.discard_mm)
    store.write_image(written.image, slices.cut(images.read(files.image), *how))
    store.write_labels(written.labels, slices.cut(images.read(files.labels, np.uint8), *how))
    if files.get("structures"):
        brain, structures = (images.read(path, np.uint8) for path in (files.brain, files.structures))
        present = slices.presence(brain, structures, params.discard_mm, params.presence_voxels)
        store.write_presence(written.presence, present)
