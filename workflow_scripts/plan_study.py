import sys

import torch

from headstart import job
from headstart.networks.architectures import Architecture
from headstart.training import speed
from headstart.training.trainer import Training

with job.running(snakemake.rule, snakemake.log[0]) as log:
    params = snakemake.params
    torch.set_num_threads(params.torch_threads)
    measured = speed.measure(
        Architecture.of(params.network),
        params.size,
        params.classes,
        Training(**params.training),
        together=params.together,
    )
    log.info("measured: %s", measured)
    shown = speed.plan(params.trainings, measured).to_string(index=False, na_rep="", float_format="%.2f")
    how = f"{measured['images_per_s']:.0f} images/s ({measured['device']}, {measured['precision']})"
    said = f"{shown}\n\nHours on one device, measured here: {how}, {measured['together']} at once."
    log.info("%s", said)
    print(said, file=sys.stderr)
