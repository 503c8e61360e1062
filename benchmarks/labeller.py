"""Train a study's own labeller on labels made for ten real scans, and compare it with the slow path on the others.

    python benchmarks/labeller.py ~/scans

Needs ``oasis-miccai2012/`` in the folder. ``seconds`` are of one scan, reading and all, by either; ``dice`` is with
the slow path's labels, ``manual`` and ``slow_manual`` are the Dice of either's structures with manual ones. Overwrites
benchmarks/labeller.tsv.
"""

import argparse
import dataclasses
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from labels import OTHER_PEOPLE
from record import keep

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import real_scans  # noqa: E402

from headstart import (  # noqa: E402
    images,
    job,
    labeller,  # noqa: E402
)
from headstart.images import Grid  # noqa: E402
from headstart.label import ants, validation  # noqa: E402
from headstart.label.labels import Labels  # noqa: E402
from headstart.networks import model_files  # noqa: E402
from headstart.networks.architectures import Architecture  # noqa: E402
from headstart.register import affine  # noqa: E402
from headstart.settings import resolve  # noqa: E402
from headstart.template import atlases, template  # noqa: E402
from headstart.training.trainer import Training  # noqa: E402

TEACHERS = 10


def prepare(
    scan: real_scans.RealScan, reference: template.Template, grid: Grid, folder: Path, settings: dict, threads: int
) -> dict:
    """Register a scan and label it the slow way; its files, and what the slow path's labels are worth."""
    found = affine.register(scan.t1w, reference.t1, reference.brain, grid, threads=threads, **settings)
    started = time.perf_counter()
    warp_mm = max(1, grid.spacing[0])
    made = ants.label(scan.t1w, found.brain, found.transform, reference, grid, warp_mm=warp_mm, threads=threads)
    row = {"scan": scan.name, "slow_seconds": time.perf_counter() - started}
    _, manual = affine.target_labels([scan.labels], scan.t1w, found.transform, grid, atlases.NEUROMORPHOMETRICS)
    for name, volume in {
        "t1w": found.t1,
        "tissue": made.tissue,
        "structures": made.structures,
        "manual": manual,
    }.items():
        row[name] = folder / f"{scan.name}_{name}.nii.gz"
        images.write(row[name], volume, volume.data.dtype)
    return row


def compare(row: dict, made: Labels) -> dict:
    """Dice of a labeller's labels with the slow path's, by label, and of both with manual structures."""
    slow = {name: images.read(row[name], np.uint8) for name in ("tissue", "structures", "manual")}
    tissue = validation.dice_by_label(made.tissue, slow["tissue"], validation.NAMES["tissue"])
    names = validation.NAMES["structures"]
    structures = validation.dice_by_label(made.structures, slow["structures"], names)
    manual = validation.dice_by_label(made.structures, slow["manual"], names)
    slow_manual = validation.dice_by_label(slow["structures"], slow["manual"], names)
    return {
        "dice": np.mean(list(structures.values())),
        "manual": np.mean(list(manual.values())),
        "slow_manual": np.mean(list(slow_manual.values())),
        **tissue,
        **structures,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scans", type=Path, help="folder of the real scans")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--voxel-mm", type=float, default=2)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=24)
    asked = parser.parse_args()
    job.keep_freed_memory()
    torch.set_num_threads(asked.threads)
    learn = {"scans": TEACHERS, "held_out": 1, "epochs": asked.epochs}
    files = (ROOT / "config.yaml", ROOT / "rules/schemas/config.schema.yaml")
    config = resolve(*files, {"label": {"learn": learn}})
    settings = {key: value for key, value in config["register"].items() if key != "threads"}
    known = {field.name for field in dataclasses.fields(Training)}
    asked_of = config["training"] | config["label"]["learn"]
    architecture, training = (
        Architecture.of(config["network"]),
        Training(**{key: value for key, value in asked_of.items() if key in known}),
    )
    reference, grid = atlases.build(OTHER_PEOPLE, asked.threads), template.grid(asked.voxel_mm)
    with tempfile.TemporaryDirectory() as scratch:
        labelled = [scan for scan in real_scans.scans(asked.scans) if scan.labels]
        if len(labelled) <= TEACHERS:
            raise SystemExit(f"headstart: {asked.scans} holds too few scans with manual labels; see docs/data.md.")
        rows = [prepare(scan, reference, grid, Path(scratch), settings, asked.threads) for scan in labelled]
        taught = [[row[name] for row in rows[:TEACHERS]] for name in ("t1w", "tissue", "structures")]
        started = time.perf_counter()
        network, history = labeller.learn(*taught, architecture, training, asked.size, seed=1)
        learning = time.perf_counter() - started
        weights = Path(scratch) / "labeller.safetensors"
        model_files.save(network, weights, {"encoder": architecture.encoder}, history)
        table = []
        for row in rows[TEACHERS:]:
            started = time.perf_counter()
            made = labeller.label(row["t1w"], weights, architecture, asked.size, precision=training.precision)
            seconds = time.perf_counter() - started
            table.append(
                {"scan": row["scan"], "seconds": seconds, "slow_seconds": row["slow_seconds"], **compare(row, made)}
            )
            print({key: round(x, 3) if isinstance(x, float) else x for key, x in table[-1].items()}, flush=True)
    found = pd.DataFrame([*table, {"scan": "mean", **pd.DataFrame(table).mean(numeric_only=True)}])
    how = {"voxel_mm": asked.voxel_mm, "epochs": asked.epochs, "learning_seconds": learning, "threads": asked.threads}
    keep(found.assign(**how), __file__)
