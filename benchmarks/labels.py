"""Label real scans with the ``ants`` back end and compare with manual labels, and with FAST's where there are any.

    python benchmarks/labels.py ~/scans

Needs ``oasis-miccai2012/`` in the folder; FAST's tissues (``fast -t 1 -n 3``) in its ``fast/``. At the paper's 1 mm.
``seconds`` are of the whole stage, on ``--threads``. Structures, and whether each axial slice shows them, are compared
on the template's grid; tissues on the scan's own. White matter and cortex against manual labels: within both of these,
since the labels leave CSF in the sulci to the cortex. Overwrites benchmarks/labels.tsv.
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

from headstart import images, job  # noqa: E402
from headstart.datasets import intake  # noqa: E402
from headstart.images import Volume  # noqa: E402
from headstart.label import ants  # noqa: E402
from headstart.label.tissue import tissue  # noqa: E402
from headstart.metrics import overlap  # noqa: E402
from headstart.register import affine  # noqa: E402
from headstart.settings import label_values  # noqa: E402
from headstart.slices import cut  # noqa: E402
from headstart.template import atlases, template  # noqa: E402

GRID = template.grid(1)
SETTINGS = {"warp_mm": 1, "warp_iterations": (100, 60, 30)}
WHOLE = {"top": 0, "bottom": 0}
# The third atlas, neuromorphometrics, is made of the very people measured here.
OTHER_PEOPLE = ["desikan-killiany", "ibsr"]
GM, WM = 2, 3
# The challenge's own label numbers.
MANUAL_WM, MANUAL_CORTEX = label_values([44, 45]), label_values(["100-207"])


def measure(scan: real_scans.RealScan, reference: template.Template, settings: dict, threads: int) -> dict:
    """One scan's row: seconds, agreement of its tissues, F1 of what each slice is said to show, Dice of structures."""
    found = affine.register(scan.t1w, reference.t1, reference.brain, GRID, threads=threads, **settings)
    row = measure_structures(scan, found, reference, threads, SETTINGS)
    return {"scan": scan.name, "seconds": row.pop("seconds"), **compare_tissues(scan, found), **row}


def measure_structures(
    scan: real_scans.RealScan, found: affine.Registered, reference: template.Template, threads: int, settings: dict
) -> dict:
    """Seconds of the whole stage, mean Dice of the structures and of each, F1 of which of them each slice shows."""
    started = time.perf_counter()
    made = ants.label(scan.t1w, found.brain, found.transform, reference, GRID, threads=threads, **settings).structures
    row = {"seconds": time.perf_counter() - started}
    _, manual = affine.target_labels([scan.labels], scan.t1w, found.transform, GRID, atlases.NEUROMORPHOMETRICS)
    dice = {name: overlap.dice(made.data == value, manual.data == value) for value, name in template.STRUCTURES.items()}
    shown, exact = (present(labels, found.brain) for labels in (made, manual))
    return row | {"mean_dice": np.mean(list(dice.values())), "presence_f1": overlap.dice(shown, exact)} | dice


def compare_tissues(scan: real_scans.RealScan, found: affine.Registered) -> dict:
    """Dice of white matter and cortex with the manual labels, and of GM and WM with FAST's; FAST's own with manual."""
    t1, _ = intake.read_t1(scan.t1w)
    brain = images.resample_labels(found.brain, t1.grid, np.linalg.inv(found.transform))
    made, manual = tissue(t1, brain).data, images.read(scan.labels, None).data
    row = dict(zip(("wm", "cortex"), against_manual(made, manual), strict=True))
    if scan.fast:
        fast = images.read(scan.fast, None).data
        row |= {f"fast_{name}": overlap.dice(made == k, fast == k) for name, k in (("gm", GM), ("wm", WM))}
        row |= dict(zip(("wm_of_fast", "cortex_of_fast"), against_manual(fast, manual), strict=True))
    return row


def against_manual(tissues: np.ndarray, manual: np.ndarray) -> tuple[float, float]:
    """Dice of cerebral white matter and of cortex, among the voxels that are either by hand."""
    wm, cortex = np.isin(manual, MANUAL_WM), np.isin(manual, MANUAL_CORTEX)
    either = wm | cortex
    return overlap.dice((tissues == WM) & either, wm), overlap.dice((tissues == GM) & either, cortex)


def present(labels: Volume, brain: Volume) -> np.ndarray:
    """Which of the 15 structures each axial slice shows, boolean (slices, 15)."""
    return cut.presence(brain, labels, WHOLE, 1)[:, 1:] > 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scans", type=Path, help="folder of the real scans")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--atlases", nargs="+", default=OTHER_PEOPLE, choices=atlases.NAMES)
    asked = parser.parse_args()
    job.keep_freed_memory()
    settings = yaml.safe_load((ROOT / "config.yaml").read_text())["register"]
    del settings["threads"]
    reference = atlases.build(asked.atlases, asked.threads)
    rows = []
    for scan in real_scans.scans(asked.scans):
        if scan.labels:
            rows.append(measure(scan, reference, settings, asked.threads))
            print({key: round(x, 3) if isinstance(x, float) else x for key, x in rows[-1].items()}, flush=True)
    if not rows:
        raise SystemExit(f"headstart: {asked.scans} holds no scans with manual labels; see docs/data.md.")
    table = pd.DataFrame(rows)
    summary = [{"scan": name, **getattr(table, name)(numeric_only=True)} for name in ("mean", "min")]
    keep(pd.DataFrame([*rows, *summary]).assign(threads=asked.threads, atlases=" ".join(asked.atlases)), __file__)
