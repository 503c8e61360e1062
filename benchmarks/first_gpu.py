"""All that a GPU has to show of headstart's engine, in one command of about half an hour.

    python benchmarks/first_gpu.py

Runs the tests that need a GPU; then trains the paper's network (ResNet-50) on noise of 256 pixels: speed of one
training and of several that share the GPU, in each precision, with and without deterministic kernels, of auto-encoding
with its discriminator, and of two processes at once. Finally it adds up in which kernels a step spends its time.
Each row is measured in its own process. ``to_reach`` is what is aimed at, where a number is. Overwrites
benchmarks/first_gpu.tsv. Without a GPU it takes the processor; ``--size 64 --seconds 1`` is a quick try.
"""

import argparse
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import training
from record import keep

ROOT = Path(__file__).parents[1]
# Steps that are profiled, and the kernels that are added up, by parts of their names; the first match counts.
STEPS = 10
KERNELS = {
    "batch norm": ("batch_norm", "bn_", "batchnorm"),
    "convolution": ("conv", "gemm", "cudnn", "cutlass", "implicit", "wgrad", "dgrad", "xmma", "nchw", "nhwc"),
    "optimiser": ("adam", "multi_tensor"),
    "loss": ("nll", "softmax"),
}
ROWS = [
    ({"precision": "auto", "runs_per_gpu": 1}, 3000),
    ({"precision": "auto", "runs_per_gpu": 5}, None),
    ({"precision": "auto", "runs_per_gpu": 10}, None),
    ({"precision": "tf32", "runs_per_gpu": 1}, None),
    ({"precision": "float32", "runs_per_gpu": 1}, None),
    ({"precision": "auto", "runs_per_gpu": 1, "deterministic": False}, None),
    ({"precision": "auto", "runs_per_gpu": 1, "kind": "autoencoding"}, 1900),
]


def tests() -> dict:
    """Whether the tests that need a GPU pass here."""
    command = [sys.executable, "-m", "pytest", "-k", "gpu", "tests/training"]
    reached = "failed" if subprocess.run(command, cwd=ROOT).returncode else "passed"
    return {"what": "tests that need a GPU", "reached": reached, "to_reach": "passed"}


def speeds(size: int, batch: int, seconds: float, on_gpu: bool) -> list[dict]:
    """Images per second of each row, and of two processes at once; a processor has no trainings that share it."""
    given, threads, rows = {"loop": "headstart", "size": size}, os.cpu_count(), []
    for row, aim in ROWS:
        if row["runs_per_gpu"] > 1 and not on_gpu:
            continue
        found = training.measure(given | row, batch, seconds, threads, on_gpu)
        rows.append({"what": ", ".join(map(str, row.values())), "reached": found["images_per_s"], "to_reach": aim})
        rows[-1] |= {key: found[key] for key in ("start_s", "device_mib", "host_mib", "device")}
        print(rows[-1], flush=True)
    found = training.side_by_side(given | ROWS[0][0], batch, seconds, threads, 2)
    return [*rows, {"what": "two processes, one training each", "reached": found["images_per_s"]}]


def profile(size: int, batch: int) -> list[dict]:
    """Shares of the time of a step that its kernels take, in percent."""
    sys.path.insert(0, str(ROOT / "workflow_scripts"))
    import numpy as np
    import torch

    from headstart.networks.architectures import Architecture
    from headstart.training import devices, feed
    from headstart.training.tasks import Segmentation
    from headstart.training.trainer import Trainer

    device = devices.choose_device()
    architecture, settings = Architecture.of(training.paper()["network"]), training.settings(batch, "auto")
    noise = np.random.default_rng(0).integers(0, 65536, (2 * batch, size, size), np.uint16)
    kind = torch.profiler.ProfilerActivity.CUDA if device.type == "cuda" else torch.profiler.ProfilerActivity.CPU
    with devices.deterministic_mode(device, "auto", deterministic=True):
        task = Segmentation(np.ones(training.CLASSES))
        model = task.network(architecture.make_encoder(0), architecture, size, 0)
        slices = feed.Resident(noise, (noise > 32767).astype(np.uint8), device)
        steps = Trainer(model, slices, task, settings, 0).run()
        next(steps)
        with torch.profiler.profile(activities=[kind]) as profiled:
            for _ in range(STEPS):
                next(steps)
            if device.type == "cuda":
                torch.cuda.synchronize()
    times = Counter()
    for event in profiled.key_averages():
        name = event.key.lower()
        part = next((part for part, names in KERNELS.items() if any(one in name for one in names)), "others")
        times[part] += event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
    return [
        {"what": f"share of {part} in a step, %", "reached": 100 * time / times.total()}
        for part, time in times.most_common()
    ]


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement")
    options = parser.parse_args()
    sizes = (options.size, options.batch)
    rows = [tests()]
    print(rows[0], flush=True)
    rows += speeds(*sizes, options.seconds, torch.cuda.is_available())
    rows += profile(*sizes)
    keep(pd.DataFrame(rows).assign(size=options.size, batch=options.batch), __file__)


if __name__ == "__main__":
    main()
