import numpy as np

from headstart import images, job
from headstart.register import brain_extraction
from headstart.slices import cut, scan_maps, store

with job.running(snakemake.rule, snakemake.log[0]):
    files, params, written = snakemake.input, snakemake.params, snakemake.output
    clusters = scan_maps.Clusters(**params.clusters)
    maps, sums = [], np.zeros((256, 3))
    for image_path, brain_path, labels_path in zip(files.images, files.brain, files.labels, strict=True):
        image, brain = images.read(image_path), images.read(brain_path, np.uint8)
        manual = images.read(labels_path, np.uint8).data
        head = brain_extraction.head(image, brain)
        made = scan_maps.draw(image.data, brain.data > 0, head, manual, len(params.classes), clusters)
        sums += scan_maps.measure(made, image.data, brain.data > 0)
        maps.append(cut.cut(images.Volume(made, image.affine), params.size, params.discard_mm))
    store.write_index(written.index, params.subjects, [len(slices) for slices in maps])
    store.write_labels(written.labels, np.concatenate(maps))
    job.write_table(written.measured, scan_maps.tabulated(scan_maps.labels_of(params.classes, clusters), sums))
