from headstart import job
from headstart.datasets import intake
from headstart.external import masks
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    grid = template.grid(params.voxel_mm)
    values = intake.class_numbers(params.classes)

    def read():
        """Each mask with the manual labels of its scan, None if it is not on the scan's grid."""
        labels = intake.labels_of_scans(files.labels, params.label_files)
        for first, (listed, label_format), paths in zip(files.first, labels, params.masks, strict=True):
            own = intake.read_classes(listed, first, values, label_format)
            for path in paths:
                mask = masks.read(path, first, len(params.classes), params.values, grid)
                yield path, mask.data, own.data if mask.grid.matches(own.grid) else None

    masks.check(params.key, read())
    job.write_json(snakemake.output[0], [{"files": intake.checksums(files.masks)}])
