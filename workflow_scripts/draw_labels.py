import numpy as np

from headstart import images, job
from headstart.report import scan_pictures

with job.running(snakemake.rule, snakemake.log[0]):
    files = snakemake.input
    scans = zip(snakemake.params.subjects, files.t1w, files.tissue, files.structures, strict=True)
    for subject, t1w, *labelled in scans:
        maps = [images.read(path, np.uint8) for path in labelled]
        scan_pictures.labels(f"{snakemake.output.pictures}/sub-{subject}.png", images.read(t1w), maps)
