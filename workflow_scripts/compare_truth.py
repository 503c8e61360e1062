import numpy as np

from headstart import images, job, template, truth

with job.running(snakemake.rule, snakemake.log[0]):
    transform = images.read_affine(snakemake.input.transform)
    grid = template.grid(snakemake.params.voxel_mm)
    brain, tissue, structures, landmarks = snakemake.input.truth
    found = truth.registration_error(landmarks, transform)
    made = {"brain": (snakemake.input.brain, brain)}
    if snakemake.params.labelled:
        made["tissue"] = (snakemake.input.made_tissue, tissue)
        made["structures"] = (snakemake.input.made_structures, structures)
    for name, (ours, exact) in made.items():
        exact_map = images.resample_labels(images.read(exact, np.uint8), grid, transform)
        found |= truth.dice_by_label(images.read(ours, np.uint8), exact_map, truth.NAMES[name])
    job.write_json(snakemake.output[0], found)
