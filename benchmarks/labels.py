"""Label real scans with the ``ants`` back end and compare with their manual labels: structures, and their presence.

    python benchmarks/labels.py ~/scans

Needs ``oasis-miccai2012/`` in the folder. At the paper's 1 mm; seconds are of the structures alone, on ``--threads``.
Overwrites benchmarks/labels.tsv.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from record import keep

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import real_scans  # noqa: E402

from headstart import atlases, intake, overlap, register, slices, template  # noqa: E402
from headstart.images import Volume  # noqa: E402
from headstart.label.structures import structures  # noqa: E402

SETTINGS = {"warp_mm": 1, "warp_iterations": (100, 60, 30)}
WHOLE = {"top": 0, "bottom": 0}


def measure(scan: real_scans.RealScan, reference: template.Template, settings: dict, threads: int) -> dict:
    """One scan's row: seconds, Dice of each structure, and F1 of what each slice is said to show."""
    grid = template.grid(1)
    found = register.register(scan.t1w, reference.t1, reference.brain, grid, threads=threads, **settings)
    native, _ = intake.read_t1(scan.t1w)
    started = time.perf_counter()
    made = structures(native, found.brain, found.transform, reference, grid, threads=threads, **SETTINGS)
    row = {"scan": scan.name, "seconds": time.perf_counter() - started}
    _, manual = register.target_labels([scan.labels], scan.t1w, found.transform, grid, atlases.NEUROMORPHOMETRICS)
    dice = {name: overlap.dice(made.data == value, manual.data == value) for value, name in template.STRUCTURES.items()}
    shown, exact = (present(labels, found.brain) for labels in (made, manual))
    return row | {"mean_dice": np.mean(list(dice.values())), "presence_f1": overlap.dice(shown, exact)} | dice


def present(labels: Volume, brain: Volume) -> np.ndarray:
    """Which of the 15 structures each axial slice shows, boolean (slices, 15)."""
    return slices.presence(brain, labels, WHOLE, 1)[:, 1:] > 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scans", type=Path, help="folder of the real scans")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--atlases", nargs="+", default=list(atlases.NAMES), choices=atlases.NAMES)
    asked = parser.parse_args()
    settings = yaml.safe_load((ROOT / "config.yaml").read_text())["register"]
    del settings["threads"]
    reference = atlases.build(asked.atlases, asked.threads)
    rows = []
    for scan in real_scans.scans(asked.scans):
        if scan.labels:
            rows.append(measure(scan, reference, settings, asked.threads))
            print(scan.name, round(rows[-1]["mean_dice"], 3), round(rows[-1]["presence_f1"], 3), flush=True)
    if not rows:
        raise SystemExit(f"headstart: {asked.scans} holds no scans with manual labels; see docs/data.md.")
    table = pd.DataFrame(rows)
    means = {"scan": "mean", **table.mean(numeric_only=True)}
    keep(pd.DataFrame([*rows, means]).assign(threads=asked.threads, atlases=" ".join(asked.atlases)), __file__)
