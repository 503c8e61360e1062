from headstart import images, job
from headstart.label import fsl, labels
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]):
    grid = template.grid(snakemake.params.voxel_mm)
    transform = images.read_affine(snakemake.input.transform)
    made = fsl.label(
        snakemake.input.t1w,
        transform,
        grid,
        stripped=job.read_json(snakemake.input.quality)["stripped"],
        threads=snakemake.threads,
        **snakemake.params.settings,
    )
    paths = (snakemake.output.tissue, snakemake.output.structures, snakemake.output.brain)
    labels.write(made, paths, snakemake.output.sidecars)
