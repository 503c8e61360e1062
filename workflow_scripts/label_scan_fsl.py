from headstart import images, job
from headstart.label import fsl, labels
from headstart.template import template

with job.running(snakemake.rule, snakemake.log[0]):
    made = fsl.label(
        snakemake.input.t1w,
        images.read_affine(snakemake.input.transform),
        template.grid(snakemake.params.voxel_mm),
        fsl.FslLabelSettings(**snakemake.params.settings),
        stripped=job.read_json(snakemake.input.quality)["stripped"],
        threads=snakemake.threads,
    )
    paths = (snakemake.output.tissue, snakemake.output.structures, snakemake.output.brain)
    labels.write(made, paths, snakemake.output.sidecars)
