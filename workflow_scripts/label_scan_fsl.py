from headstart import images, intake, job, label, pictures, template
from headstart.label import fsl

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
    label.write(made, paths, snakemake.output.sidecars)
    t1 = images.resample(intake.read_t1(snakemake.input.t1w)[0], grid, transform)
    pictures.labels(snakemake.output.picture, t1, [made.tissue, made.structures])
