import numpy as np

from headstart import images, job
from headstart.slices import cut, store

with job.running(snakemake.rule, snakemake.log[0]):
    files, written, params = snakemake.input, snakemake.output, snakemake.params
    if files.get("image"):
        image_slices = [cut.cut(images.read(path), params.size, params.discard_mm) for path in files.image]
        if index := written.get("index"):
            store.write_index(index, params.subjects, [len(slices) for slices in image_slices])
        store.write_image(written.image, np.concatenate(image_slices))
    if files.get("labels"):
        label_slices = [cut.cut(images.read(path, np.uint8), params.size, params.discard_mm) for path in files.labels]
        store.write_labels(written.labels, np.concatenate(label_slices))
    if files.get("structures"):
        presence = [
            cut.presence(
                images.read(brain, np.uint8),
                images.read(structures, np.uint8),
                params.discard_mm,
                params.presence_voxels,
            )
            for brain, structures in zip(files.brain, files.structures, strict=True)
        ]
        store.write_presence(written.presence, np.concatenate(presence))
