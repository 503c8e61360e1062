from headstart import images, job
from headstart.evaluate import archive
from headstart.external import masks
from headstart.slices import cut, store
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    grid = template.grid(params.voxel_mm)
    scans = dict(zip(params.tested, zip(files.first, files.transforms, strict=True), strict=True))

    def carried(external, resample):
        """Each test scan of a draw with the slices of its mask, as networks of the study predict them."""
        paths = external["masks"][resample]
        truths = store.find(files.index, files.labels, list(paths))
        for (scan, path), truth in zip(paths.items(), truths, strict=True):
            first, transform = scans[scan]
            mask = masks.read(path, first, params.classes, external["values"], grid)
            moved = masks.in_study(mask, grid, images.read_affine(transform))
            slices = cut.cut(moved, params.size, params.discard_mm)
            masks.check_sides(path, slices.T, store.read(truth).T)  # in the order of a file's axes: x, y, z
            yield scan, slices

    for (name, resample), path in zip(params.runs, snakemake.output.predictions, strict=True):
        archive.write(path, carried(params.external[name], resample))
