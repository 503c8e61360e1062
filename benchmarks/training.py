"""Train the paper's network on noise as headstart does and by a plain loop of PyTorch, side by side, in one run.

    python benchmarks/training.py

On whatever device is found. The plain loop: float32, no channels_last, Adam as it comes, float32 slices on the device.
Each row is a process of its own; ``start_s`` is from its start to its first step, recording included, ``ratio`` to the
plain loop of that size. Overwrites benchmarks/training.tsv.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from record import keep

ROOT = Path(__file__).parents[1]
SIZES = (64, 128, 256)
CLASSES = 2


def plain(size: int, batch: int, seconds: float) -> dict:
    """Images a second of the plain loop."""
    import torch
    from torch.nn import functional

    from headstart.networks.architectures import Architecture, Segmenter
    from headstart.training.devices import choose_device

    device = choose_device()
    architecture = Architecture()
    model = Segmenter(architecture.make_encoder(0), architecture.make_decoder(CLASSES, 0)).to(device).train()
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
    return {"images_per_s": steps * batch / (time.perf_counter() - started), "precision": "float32", "together": 1}


def ours(size: int, batch: int, seconds: float, precision: str, together: int) -> dict:
    """What :func:`headstart.training.speed.measure` says."""
    from headstart.networks.architectures import Architecture
    from headstart.training import speed
    from headstart.training.trainer import Training

    training = Training(1, batch_size=batch, precision=precision)
    return speed.measure(Architecture(), size, CLASSES, training, together=together, seconds=seconds)


def asked_for(on_gpu: bool, threads: int) -> list[dict]:
    """The rows to measure, as arguments of the two functions; the plain loop first of each size."""
    rows = []
    for size in SIZES:
        rows.append({"loop": "plain", "size": size})
        rows += [{"loop": "headstart", "size": size, "precision": p, "together": 1} for p in ("float32", "bfloat16")]
        several = [("bfloat16", n) for n in (2, 5, 10)] if on_gpu else [("float32", threads)]
        rows += [{"loop": "headstart", "size": size, "precision": p, "together": n} for p, n in several]
    return rows


def measure(row: dict, batch: int, seconds: float, threads: int, on_gpu: bool) -> dict:
    """One row. One process has all trainings of a GPU; on a processor each has its own, and a share of the threads."""
    count = 1 if on_gpu else row.get("together", 1)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads // count), "PYTHONPATH": str(ROOT / "workflow_scripts")}
    asked = json.dumps({**row, "batch": batch, "seconds": seconds})
    command = [sys.executable, __file__, "--row", asked]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    found = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
    whole = {key: sum(one[key] for one in found) for key in ("images_per_s", "host_mib") if key in found[0]}
    return {**found[0], **whole, **row}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=20, help="of each row, and two steps at least")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--row", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.row:
        row = json.loads(asked.row)
        kind = row.pop("loop")
        print(json.dumps((plain if kind == "plain" else ours)(**row)))
        sys.exit()
    import torch

    rows = []
    on_gpu = torch.cuda.is_available()
    for row in asked_for(on_gpu, asked.threads):
        rows.append(measure(row, asked.batch, asked.seconds, asked.threads, on_gpu))
        base = next(one for one in reversed(rows) if one["loop"] == "plain")
        rows[-1]["ratio"] = rows[-1]["images_per_s"] / base["images_per_s"]
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    keep(table.assign(batch=asked.batch, threads=asked.threads), __file__)
