import torch

from headstart import images, job, label, pictures
from headstart.label import learnt
from headstart.networks import Architecture

with job.running(snakemake.rule, snakemake.log[0]):
    params, written = snakemake.params, snakemake.output
    torch.set_num_threads(params.torch_threads)
    made = learnt.label(
        snakemake.input.t1w,
        snakemake.input.model,
        Architecture.of(params.network),
        params.expects["size"][0],
        expect=params.expects,
        precision=params.precision,
    )
    label.write(made, (written.tissue, written.structures, written.brain), written.sidecars)
    pictures.labels(written.picture, images.read(snakemake.input.t1w), [made.tissue, made.structures])
