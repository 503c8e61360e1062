"""Compare the two layouts of a network's weights and maps in training steps on a processor, at several sizes.

    python benchmarks/layout.py

Channels last is quicker to convolve large maps, but copies all weights in each step (their gradients are computed
contiguous). The rule of :func:`headstart.training.devices.memory_format` is from this table with a U-Net of five steps:
in float32, contiguous took 0.67 and 0.78 of the time at 64 pixels in batches of 2 and 4. With the four steps of the
default study it hardly matters for such batches, and the rule stands, so that results stay the same. Times are
processor time of one thread, in float32 and, where ``precision: auto`` chooses it, in bfloat16; the two layouts are
measured by turns. Overwrites benchmarks/layout.tsv.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pandas as pd
import real_scans
import torch
from record import keep
from torch.nn import functional

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from headstart.networks.architectures import Architecture  # noqa: E402
from headstart.training import devices  # noqa: E402

CLASSES = 7
ROUNDS = 5
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
NETWORKS = [
    *(("resnet18", "unet", 64, batch) for batch in (2, 4, 8, 16, 32)),
    *(("resnet18", "unet", 96, batch) for batch in (4, 8, 32)),
    *(("resnet50", "unet", 64, batch) for batch in (4, 8)),
    *(("resnet50", "paper", size, 8) for size in (64, 128)),
]


def stepper(
    architecture: Architecture, size: int, batch: int, layout: torch.memory_format, precision: str
) -> Callable[[], None]:
    """A function that makes one training step, as :class:`headstart.training.trainer.Trainer` does."""
    model = architecture.make_segmenter(CLASSES, 0).train().to(memory_format=layout)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=2e-4, fused=True)
    noise = torch.Generator().manual_seed(0)
    images = torch.rand(batch, 1, size, size, generator=noise)
    labels = torch.randint(0, CLASSES, (batch, size, size), generator=noise)
    cpu = torch.device("cpu")

    def step() -> None:
        with devices.autocast(cpu, precision):
            output = model(images)
        loss = functional.cross_entropy(output.float(), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


def milliseconds(step: Callable[[], None], seconds: float) -> float:
    """Processor time of a step: the mean of those that fit into some seconds, two at least."""
    started, steps = time.process_time(), 0
    while steps < 2 or time.process_time() - started < seconds:
        step()
        steps += 1
    return 1000 * (time.process_time() - started) / steps


def measure(encoder: str, decoder: str, size: int, batch: int, precision: str, seconds: float) -> dict:
    """The row of one network, size, batch and precision."""
    section = real_scans.default_study()["network"] | {"encoder": encoder, "decoder": decoder}
    architecture = Architecture.of(section)
    steps = {name: stepper(architecture, size, batch, layout, precision) for name, layout in LAYOUTS.items()}
    times = {name: [] for name in steps}
    with devices.deterministic_mode(torch.device("cpu"), precision, True):
        for step in steps.values():
            step()
        for _ in range(ROUNDS):
            for name, step in steps.items():
                times[name].append(milliseconds(step, seconds))
    found = {f"{name}_ms": median(rounds) for name, rounds in times.items()}
    chosen = devices.memory_format(torch.device("cpu"), batch * size**2)
    return {
        "encoder": encoder,
        "decoder": decoder,
        "size": size,
        "batch": batch,
        "precision": precision,
        **found,
        "ratio": found["contiguous_ms"] / found["channels_last_ms"],
        "chosen": next(name for name, layout in LAYOUTS.items() if layout == chosen),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2, help="of each of five rounds of a row and layout")
    seconds = parser.parse_args().seconds
    torch.set_num_threads(1)
    precisions = dict.fromkeys(("float32", devices.choose_precision("auto", torch.device("cpu"))))
    rows = [measure(*network, precision, seconds) for precision in precisions for network in NETWORKS]
    keep(pd.DataFrame(rows), __file__)


if __name__ == "__main__":
    main()
