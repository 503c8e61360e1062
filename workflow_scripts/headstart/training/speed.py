"""How fast a study's networks train on this machine, and how long its work will take."""

import dataclasses
import resource
import time
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
import psutil
import torch

from headstart.networks.architectures import Architecture
from headstart.training import feed, loop
from headstart.training.devices import choose_device, choose_precision, deterministic_mode
from headstart.training.settings import TrainingSettings
from headstart.training.tasks import AutoEncoding, Segmentation, SourceTask
from headstart.training.trainer import Trainer

# Batches of noise: an epoch is long enough for its end to cost as small a share as in a study.
_BATCHES = 16
_TASKS = {
    "segmentation": lambda architecture, classes, seed: Segmentation(np.ones(classes)),
    "autoencoding": lambda architecture, classes, seed: AutoEncoding(architecture, seed),
}


def measure(
    architecture: Architecture,
    size: int,
    classes: int,
    settings: TrainingSettings,
    runs_per_gpu: int,
    *,
    kind: str = "segmentation",
    seconds: float = 20,
    device: str = "auto",
) -> dict:
    """Train networks on noise for a while and measure the speed.

    Parameters
    ----------
    architecture, size, classes
        The network, the side of its slices in pixels, and its number of classes.
    settings
        Those of the study's trainings; their length is ignored.
    runs_per_gpu
        Networks that train at once on a GPU; on the CPU there is one.
    kind
        Their task, "segmentation" or "autoencoding".
    seconds
        Duration of the measurement, which takes at least two steps.
    device
        See :func:`headstart.training.devices.choose_device`.

    Returns
    -------
    dict
        device, precision, runs_per_gpu, images_per_s (of all networks), start_s (duration of a job before its steps:
        imports, data, networks, recording), and the peaks of memory device_mib (of a GPU) and host_mib.
    """
    chosen = choose_device(device)
    on_gpu = chosen.type == "cuda"
    precision = choose_precision(settings.precision, chosen)
    runs = runs_per_gpu if on_gpu else 1
    rng = np.random.default_rng(0)
    shape = (settings.batch_size, size, size)
    batch = rng.integers(0, 65536, shape, np.uint16), rng.integers(0, classes, shape, np.uint8)
    noise = [np.tile(part, (_BATCHES, 1, 1)) for part in batch]
    endless = dataclasses.replace(settings, epochs=1_000_000, steps=None)
    with deterministic_mode(chosen, precision, settings.deterministic):
        slices = feed.Resident(*noise, chosen)
        running, held = [], loop.gpu_memory(chosen)
        while len(running) < runs and loop.another_fits(chosen, len(running), held):
            task = _TASKS[kind](architecture, classes, len(running))
            running.append(_after_first_step(task, architecture, size, slices, endless, len(running)))
        runs = len(running)
        first = time.time() - psutil.Process().create_time()
        steps, started = 0, time.perf_counter()
        while steps < 2 or time.perf_counter() - started < seconds:
            for trainer in running:
                next(trainer)
            steps += 1
        _synchronise(chosen)
        step = (time.perf_counter() - started) / (steps * runs)
    return {
        "device": torch.cuda.get_device_name(chosen) if on_gpu else f"{torch.get_num_threads()} threads",
        "precision": precision,
        "runs_per_gpu": runs,
        "images_per_s": settings.batch_size / step,
        "start_s": first - runs * step,
        "device_mib": torch.cuda.max_memory_reserved(chosen) / 2**20 if on_gpu else np.nan,
        "host_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def plan(work: Iterable[Mapping], speeds: Mapping[str, Mapping], start_s: float) -> pd.DataFrame:
    """Hours of each kind of work, and of all together, on one device.

    ``work``: rows with stage, target, source, size, jobs, images (seen in all epochs of all jobs), and ``speed``, the
    name of one of the measured ``speeds``; ``start_s``: duration of a job before its first step.
    """
    table = pd.DataFrame(work)
    rate = [speeds[name]["images_per_s"] for name in table.pop("speed")]
    table["hours"] = (table["images"] / rate + table["jobs"] * start_s) / 3600
    total = {"stage": "all", **table[["jobs", "images", "hours"]].sum()}
    return pd.concat([table, pd.DataFrame([total])], ignore_index=True).astype({"jobs": int, "images": int})


def _after_first_step(
    task: SourceTask, architecture: Architecture, size: int, slices: feed.Feed, settings: TrainingSettings, seed: int
) -> Iterator[None]:
    """A training that has run its first step."""
    model = task.network(architecture.make_encoder(seed), architecture, size, seed)
    steps = Trainer(model, slices, task, settings, seed).run()
    next(steps)
    _synchronise(slices.device)
    return steps


def _synchronise(device: torch.device) -> None:
    """Wait until a GPU has finished its queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
