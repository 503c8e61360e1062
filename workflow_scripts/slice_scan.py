import numpy as np

from headstart import images, job, slices, store

with job.running(snakemake.rule, snakemake.log[0]):
    files, how = snakemake.input, (snakemake.params.size, snakemake.params.discard_mm)
    store.write_image(snakemake.output.image, slices.cut(images.read(files.image), *how))
    store.write_labels(snakemake.output.labels, slices.cut(images.read(files.labels, np.uint8), *how))
