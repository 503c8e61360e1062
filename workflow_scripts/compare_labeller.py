import numpy as np
import torch

from headstart import images, job, labeller
from headstart.label import validation
from headstart.networks.architectures import Architecture

with job.running(snakemake.rule, snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    torch.set_num_threads(params.torch_threads)
    made = labeller.label(
        files.t1w,
        files.model,
        Architecture.of(params.network),
        params.expects,
        params.precision,
    )
    dice = {}
    for name in ("tissue", "structures"):
        reference = images.read(files[name], np.uint8)
        dice |= validation.dice_by_label(getattr(made, name), reference, validation.NAMES[name])
    job.write_json(snakemake.output[0], dice)
