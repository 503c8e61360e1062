import sys

import torch

from headstart import job
from headstart.evaluate import design
from headstart.networks.architectures import Architecture
from headstart.training import speed
from headstart.training.settings import TrainingSettings

with job.running(snakemake.rule, snakemake.log[0]) as log:
    params = snakemake.params
    torch.set_num_threads(params.torch_threads)
    measured = speed.measure(
        Architecture.of(params.network),
        params.size,
        params.classes,
        TrainingSettings(**params.training),
        params.runs_per_gpu,
    )
    log.info("measured: %s", measured)
    table = speed.plan(params.trainings, measured).to_string(index=False, na_rep="", float_format="%.2f")
    rate = f"{measured['images_per_s']:.0f} images/s on {measured['device']} in {measured['precision']}"
    runs = measured["runs_per_gpu"]
    at_once = f"{runs} trainings at once" if runs > 1 else "one training at a time"
    summary = f"{table}\n\nHours on one device, at the speed measured here: {rate}, {at_once}."
    summary = "\n\n".join([summary, *(design.sentence(**known) for known in params.designs)])
    log.info("%s", summary)
    print(summary, file=sys.stderr)
