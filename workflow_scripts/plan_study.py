import os
import sys

import torch

from headstart import job
from headstart.evaluate import design
from headstart.evaluate import speed as evaluation
from headstart.networks.architectures import Architecture
from headstart.training import speed
from headstart.training.settings import TrainingSettings

with job.running(snakemake.rule, snakemake.log[0]) as log:
    params = snakemake.params
    torch.set_num_threads(params.torch_threads)
    network = (Architecture.of(params.network), params.size, params.classes)
    training = TrainingSettings(**params.training)
    tuned = speed.measure(*network, training, params.runs_per_gpu)
    runs, kinds = tuned["runs_per_gpu"], {row["speed"] for row in params.work}
    # Networks are pre-trained one at a time, and fine-tuned several at a time on a GPU.
    alone = speed.measure(*network, training, 1, seconds=10) if runs > 1 and "pretrain" in kinds else tuned
    speeds = {"finetune": tuned, "pretrain": alone}
    if "autoencoding" in kinds:
        speeds["autoencoding"] = speed.measure(*network, training, 1, kind="autoencoding", seconds=10)
    processes = min(params.score_processes, os.cpu_count())
    speeds["evaluate"] = evaluation.measure(*network, training.precision, params.voxel_mm, processes)
    log.info("measured: %s", speeds)
    table = speed.plan(params.work, speeds, tuned["start_s"]).to_string(index=False, na_rep="", float_format="%.2f")
    rates = ", ".join(f"{name} {speeds[name]['images_per_s']:.0f}" for name in speeds if name in kinds)
    at_once = f"{runs} fine-tunings at once" if runs > 1 else "one training at a time"
    where = f"images/s on {tuned['device']} in {tuned['precision']}, {at_once}"
    summary = f"{table}\n\nHours on one device, at the speeds measured here: {rates} {where}."
    summary = "\n\n".join([summary, *(design.sentence(**known) for known in params.designs)])
    log.info("%s", summary)
    print(summary, file=sys.stderr)
