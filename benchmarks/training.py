"""Train the paper's network on noise, with headstart and with a plain loop in PyTorch, and compare their speed.

    python benchmarks/training.py

Runs on a GPU if there is one. The plain loop: float32, no channels_last, Adam with its defaults, float32 slices on the
device. Each row is measured in its own process. ``start_s``: time from its start to its first step, with the recording
of CUDA graphs; ``ratio``: speed relative to the plain loop at the same size. Overwrites benchmarks/training.tsv.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from record import keep

if TYPE_CHECKING:
    from headstart.training.settings import TrainingSettings

ROOT = Path(__file__).parents[1]
SIZES = (64, 128, 256)
CLASSES = 2


def paper() -> dict:
    """The configuration of the paper's study."""
    import yaml

    from headstart.settings import resolve

    study = yaml.safe_load((ROOT / "studies/paper.yaml").read_text())
    return resolve(ROOT / "config.yaml", ROOT / "rules/schemas/config.schema.yaml", study)


def plain(size: int, batch: int, seconds: float) -> dict:
    """Images per second of the plain loop."""
    import torch
    from torch.nn import functional

    from headstart.networks.architectures import Architecture
    from headstart.training.devices import choose_device

    device = choose_device()
    architecture = Architecture.of(paper()["network"])
    model = architecture.make_segmenter(CLASSES, 0).to(device).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=2e-4)
    images = torch.rand(4 * batch, 1, size, size, device=device)
    labels = torch.randint(0, CLASSES, (4 * batch, size, size), device=device)
    weights = torch.ones(CLASSES, device=device)

    def step() -> None:
        index = torch.randperm(len(images), device=device)[:batch]
        loss = functional.cross_entropy(model(images[index]), labels[index], weights)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()

    step()
    steps, started = 0, time.perf_counter()
    while steps < 2 or time.perf_counter() - started < seconds:
        step()
        steps += 1
    return {"images_per_s": steps * batch / (time.perf_counter() - started), "precision": "float32", "runs_per_gpu": 1}


def settings(batch: int, precision: str, *, deterministic: bool = True) -> "TrainingSettings":
    """The paper's settings of a training, with another batch and precision."""
    from headstart.training.settings import TrainingSettings

    known = {field.name for field in dataclasses.fields(TrainingSettings)}
    changes = {"epochs": 1000, "batch_size": batch, "precision": precision, "deterministic": deterministic}
    given = paper()["training"] | changes
    return TrainingSettings(**{"steps": None, "encoder_factor": 1} | {key: given[key] for key in given if key in known})


def ours(
    size: int,
    batch: int,
    seconds: float,
    precision: str,
    runs_per_gpu: int,
    kind: str = "segmentation",
    deterministic: bool = True,
) -> dict:
    """The result of :func:`headstart.training.speed.measure`."""
    from headstart.networks.architectures import Architecture
    from headstart.training import speed

    network = (Architecture.of(paper()["network"]), size, CLASSES)
    given = settings(batch, precision, deterministic=deterministic)
    return speed.measure(*network, given, runs_per_gpu, kind=kind, seconds=seconds)


def planned_rows(on_gpu: bool, threads: int) -> list[dict]:
    """The rows to measure, as arguments of the two functions; for each size the plain loop comes first."""
    rows = []
    for size in SIZES:
        rows.append({"loop": "plain", "size": size})
        precisions = ("float32", "bfloat16")
        rows += [{"loop": "headstart", "size": size, "precision": name, "runs_per_gpu": 1} for name in precisions]
        several = [("bfloat16", n) for n in (2, 5, 10)] if on_gpu else [("float32", threads)]
        rows += [{"loop": "headstart", "size": size, "precision": p, "runs_per_gpu": n} for p, n in several]
    return rows


def measure(row: dict, batch: int, seconds: float, threads: int, on_gpu: bool) -> dict:
    """Measure one row. Trainings share one process on a GPU; on a CPU each has its own and a share of the threads."""
    return side_by_side(row, batch, seconds, threads, 1 if on_gpu else row.get("runs_per_gpu", 1))


def side_by_side(row: dict, batch: int, seconds: float, threads: int, count: int) -> dict:
    """Measure one row in ``count`` processes at once, each with a share of the threads, and add up their speeds."""
    own = {"OMP_NUM_THREADS": str(max(1, threads // count)), "PYTHONPATH": str(ROOT / "workflow_scripts")}
    started = [sys.executable, __file__, "--row", json.dumps({**row, "batch": batch, "seconds": seconds})]
    running = [subprocess.Popen(started, env=os.environ | own, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    found = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
    whole = {key: sum(one[key] for one in found) for key in ("images_per_s", "host_mib") if key in found[0]}
    return {**found[0], **whole, **row}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=20, help="time per row, which takes at least two steps")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        row = json.loads(options.row)
        kind = row.pop("loop")
        print(json.dumps((plain if kind == "plain" else ours)(**row)))
        sys.exit()
    import torch

    rows = []
    on_gpu = torch.cuda.is_available()
    for row in planned_rows(on_gpu, options.threads):
        rows.append(measure(row, options.batch, options.seconds, options.threads, on_gpu))
        base = next(one for one in reversed(rows) if one["loop"] == "plain")
        rows[-1]["ratio"] = rows[-1]["images_per_s"] / base["images_per_s"]
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    keep(table.assign(batch=options.batch, threads=options.threads), __file__)
