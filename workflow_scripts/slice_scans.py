import numpy as np

from headstart import images, job
from headstart.slices import cut, store

with job.running(snakemake.rule, snakemake.log[0]):
    files, written, params = snakemake.input, snakemake.output, snakemake.params
    how = (params.size, params.discard_mm)
    shown = [cut.cut(images.read(path), *how) for path in files.image]
    store.write_index(written.index, params.subjects, [len(scan) for scan in shown])
    store.write_image(written.image, np.concatenate(shown))
    labelled = [cut.cut(images.read(path, np.uint8), *how) for path in files.labels]
    store.write_labels(written.labels, np.concatenate(labelled))
    if files.get("structures"):
        present = [
            cut.presence(
                images.read(brain, np.uint8),
                images.read(structures, np.uint8),
                params.discard_mm,
                params.presence_voxels,
            )
            for brain, structures in zip(files.brain, files.structures, strict=True)
        ]
        store.write_presence(written.presence, np.concatenate(present))
