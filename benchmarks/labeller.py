"""Train a study's own labeller on the ants back end's labels of ten real scans, and compare both on other scans.

    python benchmarks/labeller.py ~/scans

Needs ``oasis-miccai2012/`` in the folder. ``seconds`` and ``ants_seconds``: time per scan, with reading; ``dice``: Dice
of the labeller's structures with those of ants; ``manual`` and ``ants_manual``: Dice of either with manual labels.
Overwrites benchmarks/labeller.tsv.
"""

import dataclasses
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from labels import INDEPENDENT_ATLASES, LABEL_MAP, LABELS
from record import keep

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import real_scans  # noqa: E402

from headstart import images, job, labeller  # noqa: E402
from headstart.images import Grid  # noqa: E402
from headstart.label import ants, validation  # noqa: E402
from headstart.label.labels import Labels  # noqa: E402
from headstart.networks import model_files  # noqa: E402
from headstart.networks.architectures import Architecture  # noqa: E402
from headstart.register import affine, manual_labels  # noqa: E402
from headstart.register.affine import RegistrationSettings  # noqa: E402
from headstart.settings import resolve  # noqa: E402
from headstart.template import atlases, template  # noqa: E402
from headstart.training.settings import TrainingSettings  # noqa: E402

# Scans to train on.
TRAINING_SCANS = 10


def prepare(
    scan: real_scans.RealScan,
    reference: template.Template,
    grid: Grid,
    folder: Path,
    settings: RegistrationSettings,
    threads: int,
) -> dict:
    """Register a scan and label it with ants; returns its files and the time of the labelling."""
    found = affine.register(scan.t1w, reference.t1, reference.brain, grid, settings, threads=threads)
    started = time.perf_counter()
    labelling = dataclasses.replace(LABELS, warp_mm=max(1, grid.spacing[0]))
    made = ants.label(scan.t1w, found.brain, found.transform, reference, grid, labelling, threads=threads)
    row = {"scan": scan.name, "ants_seconds": time.perf_counter() - started}
    values = atlases.NEUROMORPHOMETRICS
    _, manual = manual_labels.target_labels([scan.labels], scan.t1w, found.transform, grid, values, LABEL_MAP)
    for name, volume in {
        "t1w": found.image,
        "tissue": made.tissue,
        "structures": made.structures,
        "manual": manual,
    }.items():
        row[name] = folder / f"{scan.name}_{name}.nii.gz"
        images.write(row[name], volume, volume.data.dtype)
    return row


def compare(row: dict, made: Labels) -> dict:
    """Dice of a labeller's labels with those of ants, by label, and of the structures of both with manual labels."""
    known = {name: images.read(row[name], np.uint8) for name in ("tissue", "structures", "manual")}
    tissue = validation.dice_by_label(made.tissue, known["tissue"], validation.NAMES["tissue"])
    names = validation.NAMES["structures"]
    structures = validation.dice_by_label(made.structures, known["structures"], names)
    manual = validation.dice_by_label(made.structures, known["manual"], names)
    ants_manual = validation.dice_by_label(known["structures"], known["manual"], names)
    return {
        "dice": np.mean(list(structures.values())),
        "manual": np.mean(list(manual.values())),
        "ants_manual": np.mean(list(ants_manual.values())),
        **tissue,
        **structures,
    }


if __name__ == "__main__":
    parser = real_scans.parser(__doc__)
    parser.add_argument("--voxel-mm", type=float, default=2)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=24)
    options = parser.parse_args()
    job.keep_freed_memory()
    torch.set_num_threads(options.threads)
    learn = {"scans": TRAINING_SCANS, "held_out": 1, "epochs": options.epochs}
    files = (ROOT / "config.yaml", ROOT / "rules/schemas/config.schema.yaml")
    config = resolve(*files, {"label": {"learn": learn}})
    registration = RegistrationSettings.of(config["register"])
    known = {field.name for field in dataclasses.fields(TrainingSettings)}
    training = {key: value for key, value in (config["training"] | config["label"]["learn"]).items() if key in known}
    settings = labeller.LabellerSettings(
        architecture=Architecture.of(config["network"]),
        training=TrainingSettings(**training),
        expects={"size": [options.size] * 2},
        resident_gb=config["training"]["resident_gb"],
    )
    reference, grid = atlases.build(INDEPENDENT_ATLASES, options.threads), template.grid(options.voxel_mm)
    with tempfile.TemporaryDirectory() as scratch:
        labelled = [scan for scan in real_scans.scans(options.scans) if scan.labels]
        if len(labelled) <= TRAINING_SCANS:
            raise SystemExit(f"headstart: {options.scans} has too few scans with manual labels; see docs/data.md.")
        rows = [prepare(scan, reference, grid, Path(scratch), registration, options.threads) for scan in labelled]
        paths = ([row[name] for row in rows[:TRAINING_SCANS]] for name in ("t1w", "tissue", "structures"))
        scans = labeller.LabelledScans(*paths)
        started = time.perf_counter()
        network, history = labeller.train(scans, settings, seed=1)
        training_seconds = time.perf_counter() - started
        weights = Path(scratch) / "labeller.safetensors"
        trained_on = {"scans": [row["scan"] for row in rows[:TRAINING_SCANS]], "backend": "ants"}
        model_files.save(network, weights, labeller.metadata(settings, scans, 1, trained_on), history)
        table = []
        for row in rows[TRAINING_SCANS:]:
            started = time.perf_counter()
            precision = settings.training.precision
            made = labeller.label(row["t1w"], weights, settings.architecture, settings.expects, precision)
            seconds = time.perf_counter() - started
            table.append(
                {"scan": row["scan"], "seconds": seconds, "ants_seconds": row["ants_seconds"], **compare(row, made)}
            )
            print({key: round(x, 3) if isinstance(x, float) else x for key, x in table[-1].items()}, flush=True)
    found = pd.DataFrame([*table, {"scan": "mean", **pd.DataFrame(table).mean(numeric_only=True)}])
    conditions = {"voxel_mm": options.voxel_mm, "epochs": options.epochs, "threads": options.threads}
    keep(found.assign(**conditions, training_seconds=training_seconds), __file__)
