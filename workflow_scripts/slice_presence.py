import numpy as np

from headstart import images, job, slices, store

with job.running(snakemake.rule, snakemake.log[0]):
    brain, structures = (images.read(path, np.uint8) for path in (snakemake.input.brain, snakemake.input.structures))
    params = snakemake.params
    present = slices.presence(brain, structures, params.discard_mm, params.least_voxels)
    store.write_presence(snakemake.output[0], present)
