import torch

from headstart import job, labeller
from headstart.label import labels
from headstart.networks.architectures import Architecture

with job.running(snakemake.rule, snakemake.log[0]):
    params, written = snakemake.params, snakemake.output
    torch.set_num_threads(params.torch_threads)
    made = labeller.label(
        snakemake.input.t1w,
        snakemake.input.model,
        Architecture.of(params.network),
        params.expects,
        params.precision,
    )
    labels.write(made, (written.tissue, written.structures, written.brain), written.sidecars)
