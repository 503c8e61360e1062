"""How fast a study's networks train here, and how long its trainings will therefore take."""

import resource
import time
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import psutil
import torch

from headstart.networks.architectures import Architecture
from headstart.training import feed
from headstart.training.devices import choose_device, choose_precision, deterministic_mode
from headstart.training.tasks import Segmentation
from headstart.training.trainer import Trainer, Training

# Slices of the made-up scans, in batches: an epoch is long enough for its end to weigh as little as in a study.
_BATCHES = 16


def measure(
    architecture: Architecture,
    size: int,
    classes: int,
    training: Training,
    *,
    together: int = 1,
    seconds: float = 20,
    device: str = "auto",
) -> dict:
    """Fine-tune networks on noise for a while, ``together`` of them on a GPU, and say how fast that goes.

    Returns device, precision, together, images_per_s (of all networks), start_s (what a job takes before its
    steps: imports, data, networks, recording) and the peaks of memory, device_mib (a GPU's), host_mib.
    """
    where = choose_device(device)
    precision = choose_precision(training.precision, where)
    together = together if where.type == "cuda" else 1
    rng = np.random.default_rng(0)
    shape = (training.batch_size, size, size)
    batch = rng.integers(0, 65536, shape, np.uint16), rng.integers(0, classes, shape, np.uint8)
    noise = [np.tile(part, (_BATCHES, 1, 1)) for part in batch]
    endless = Training(**{**vars(training), "epochs": 1_000_000})
    with deterministic_mode(where, precision, training.deterministic):
        slices = feed.load(*noise, where)
        running = [_begun(architecture, size, classes, slices, endless, seed) for seed in range(together)]
        first = time.time() - psutil.Process().create_time()
        steps, started = 0, time.perf_counter()
        while steps < 2 or time.perf_counter() - started < seconds:
            for trainer in running:
                next(trainer)
            steps += 1
        _wait(where)
        step = (time.perf_counter() - started) / (steps * together)
    return {
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else f"{torch.get_num_threads()} threads",
        "precision": precision,
        "together": together,
        "images_per_s": training.batch_size / step,
        "start_s": first - together * step,
        "device_mib": torch.cuda.max_memory_allocated(where) / 2**20 if where.type == "cuda" else np.nan,
        "host_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def plan(trainings: Iterable[Mapping], speed: Mapping) -> pd.DataFrame:
    """Hours of each kind of training on one device of the measured ``speed``, and of all.

    ``trainings``: rows with stage, target, source, size, jobs, and images (of all epochs of all jobs' networks).
    """
    table = pd.DataFrame(trainings)
    table["hours"] = (table["images"] / speed["images_per_s"] + table["jobs"] * speed["start_s"]) / 3600
    whole = {"stage": "all", **table[["jobs", "images", "hours"]].sum()}
    return pd.concat([table, pd.DataFrame([whole])], ignore_index=True).astype({"jobs": int, "images": int})


def _begun(architecture: Architecture, size: int, classes: int, slices: feed.Feed, training: Training, seed: int):
    """A training that has done its first step."""
    task = Segmentation(np.ones(classes))
    model = task.network(architecture.make_encoder(seed), architecture, size, seed)
    run = Trainer(model, slices, task, training, seed).run()
    next(run)
    _wait(slices.device)
    return run


def _wait(device: torch.device) -> None:
    """Let a GPU end what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
