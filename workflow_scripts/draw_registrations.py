from pathlib import Path

from headstart import images, job
from headstart.report import scan_pictures
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]):
    brain = template.read(Path(snakemake.input.template).parent, "brain")
    outline = images.resample_labels(brain, template.grid(snakemake.params.voxel_mm))
    further = list(zip(snakemake.input.get("images", ()), snakemake.input.get("brains", ()), strict=True))
    for subject, path in zip(snakemake.params.subjects, snakemake.input.first, strict=True):
        folder = Path(path).parent
        own = [(images.read(image), images.read(mask)) for image, mask in further if Path(image).parent == folder]
        scan_pictures.registration(f"{snakemake.output.pictures}/sub-{subject}.png", images.read(path), outline, own)
