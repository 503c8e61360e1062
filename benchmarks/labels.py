"""Compare the labels of the ``ants`` back end in real scans with manual labels and, if there are any, FAST's tissues.

    python benchmarks/labels.py ~/scans

Needs ``oasis-miccai2012/`` in the folder, with FAST's tissues (``fast -t 1 -n 3``) in its ``fast/``. At the paper's
1 mm. ``seconds`` is the time of the whole stage with ``--threads``. Structures, and their presence in each axial slice,
are compared on the template's grid, tissues on the scan's grid. White matter and cortex are compared with manual labels
only in voxels that are either, since these labels count CSF in the sulci as cortex. Overwrites benchmarks/labels.tsv.
"""

import dataclasses
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from record import keep

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow_scripts"))

import real_scans  # noqa: E402

from headstart import images, job  # noqa: E402
from headstart.consistency import label_values  # noqa: E402
from headstart.datasets import intake  # noqa: E402
from headstart.images import Volume  # noqa: E402
from headstart.label import ants  # noqa: E402
from headstart.label.ants import AntsLabelSettings  # noqa: E402
from headstart.label.tissue import tissue  # noqa: E402
from headstart.metrics import overlap  # noqa: E402
from headstart.register import affine, manual_labels  # noqa: E402
from headstart.register.affine import RegisteredScan, RegistrationSettings  # noqa: E402
from headstart.slices import cut  # noqa: E402
from headstart.template import atlases, template  # noqa: E402

GRID = template.grid(1)
REGISTRATION = RegistrationSettings.of(real_scans.default_study()["register"])
LABELS = dataclasses.replace(AntsLabelSettings.of(real_scans.default_study()["label"]), warp_mm=1)
LABEL_MAP = intake.LabelFormat(masks=False, mask_above=None)
WHOLE = {"top": 0, "bottom": 0}
# The third atlas, neuromorphometrics, is made from the labels of these scans.
INDEPENDENT_ATLASES = ["desikan-killiany", "ibsr"]
GM, WM = 2, 3
# Values of the challenge's labels.
MANUAL_WM, MANUAL_CORTEX = label_values([44, 45]), label_values(["100-207"])


def measure(scan: real_scans.RealScan, reference: template.Template, threads: int) -> dict:
    """One scan's row: time, agreement of its tissues, and of its structures."""
    registered = affine.register(scan.t1w, reference.t1, reference.brain, GRID, REGISTRATION, threads=threads)
    row = measure_structures(scan, registered, reference, LABELS, threads)
    return {"scan": scan.name, "seconds": row.pop("seconds"), **compare_tissues(scan, registered), **row}


def measure_structures(
    scan: real_scans.RealScan,
    registered: RegisteredScan,
    reference: template.Template,
    settings: AntsLabelSettings,
    threads: int,
) -> dict:
    """Time of the whole stage, mean Dice of the structures, F1 of presence labels, and Dice of each structure."""
    brain, transform = registered.brain, registered.transform
    started = time.perf_counter()
    made = ants.label(scan.t1w, brain, transform, reference, GRID, settings, threads=threads).structures
    row = {"seconds": time.perf_counter() - started}
    values = atlases.NEUROMORPHOMETRICS
    _, manual = manual_labels.target_labels([scan.labels], scan.t1w, transform, GRID, values, LABEL_MAP)
    dice = {
        name: overlap.dice(made.data == value, manual.data == value, "skip")
        for value, name in template.STRUCTURES.items()
    }
    predicted, exact = (presence(labels, brain) for labels in (made, manual))
    return (
        row | {"mean_dice": np.mean(list(dice.values())), "presence_f1": overlap.dice(predicted, exact, "skip")} | dice
    )


def compare_tissues(scan: real_scans.RealScan, registered: RegisteredScan) -> dict:
    """Dice of white matter and cortex with manual labels, of GM and WM with FAST's; of FAST's with manual labels."""
    t1, _ = intake.read_image(scan.t1w)
    brain = images.resample_labels(registered.brain, t1.grid, np.linalg.inv(registered.transform))
    made = tissue(t1, brain, bias_mm=LABELS.bias_mm, smoothness=LABELS.smoothness, steps=LABELS.steps).data
    manual = images.read(scan.labels, None).data
    row = dict(zip(("wm", "cortex"), compare_with_manual(made, manual), strict=True))
    if scan.fast:
        fast = images.read(scan.fast, None).data
        row |= {f"fast_{name}": overlap.dice(made == k, fast == k, "skip") for name, k in (("gm", GM), ("wm", WM))}
        row |= dict(zip(("wm_of_fast", "cortex_of_fast"), compare_with_manual(fast, manual), strict=True))
    return row


def compare_with_manual(tissues: np.ndarray, manual: np.ndarray) -> tuple[float, float]:
    """Dice of cerebral white matter and of cortex, in voxels that are either in the manual labels."""
    wm, cortex = np.isin(manual, MANUAL_WM), np.isin(manual, MANUAL_CORTEX)
    either = wm | cortex
    return overlap.dice((tissues == WM) & either, wm, "skip"), overlap.dice((tissues == GM) & either, cortex, "skip")


def presence(labels: Volume, brain: Volume) -> np.ndarray:
    """Presence labels of the 15 structures, boolean (slices, 15)."""
    return cut.presence(brain, labels, WHOLE, 1)[:, 1:] > 0


if __name__ == "__main__":
    parser = real_scans.parser(__doc__)
    parser.add_argument("--atlases", nargs="+", default=INDEPENDENT_ATLASES, choices=atlases.NAMES)
    arguments = parser.parse_args()
    job.keep_freed_memory()
    reference = atlases.build(arguments.atlases, arguments.threads)
    rows = []
    for scan in real_scans.scans(arguments.scans):
        if scan.labels:
            rows.append(measure(scan, reference, arguments.threads))
            print({key: round(x, 3) if isinstance(x, float) else x for key, x in rows[-1].items()}, flush=True)
    if not rows:
        raise SystemExit(f"headstart: {arguments.scans} has no scans with manual labels; see docs/data.md.")
    table = pd.DataFrame(rows)
    summary = [{"scan": name, **getattr(table, name)(numeric_only=True)} for name in ("mean", "min")]
    keep(
        pd.DataFrame([*rows, *summary]).assign(threads=arguments.threads, atlases=" ".join(arguments.atlases)), __file__
    )
