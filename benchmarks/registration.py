"""Register real scans as headstart does and by antspyx's stock ``Affine``, side by side, in one run.

    python benchmarks/registration.py ~/scans

Both register the same brain; stock ANTs gets it at the scan's own resolution and is timed for the affine alone,
headstart from reading the file to the last number. Overwrites benchmarks/registration.tsv.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import ants
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
from headstart.register import brain_extraction  # noqa: E402
from headstart.register.affine import register, target_labels  # noqa: E402
from headstart.register.ants import to_ants  # noqa: E402
from headstart.report import scan_pictures  # noqa: E402
from headstart.template import atlases, template  # noqa: E402


def stock(scan: Volume, reference: template.Template) -> np.ndarray:
    """The affine that antspyx finds with its own settings, as (4, 4) from RAS+ mm of the template to the scan's."""
    with tempfile.TemporaryDirectory() as scratch:
        fixed, moving = to_ants(reference.t1), to_ants(scan)
        found = ants.registration(fixed, moving, type_of_transform="Affine", outprefix=f"{scratch}/")
        return images.read_affine(found["fwdtransforms"][0])


def agreement(scan: Volume, mask: Volume, transform: np.ndarray, manual: Path | None, reference: template.Template):
    """How a scan lies on the template by an affine: correlation, Dice of the brain, mean Dice of the 15 structures."""
    grid = reference.t1.grid
    moved = images.resample(Volume(scan.data * mask.data, scan.affine), grid, transform).data
    inside = images.resample_labels(mask, grid, transform).data > 0
    numbers = {
        "correlation": np.corrcoef((moved * inside).ravel(), reference.t1.data.ravel())[0, 1],
        "brain_dice": dice(inside, reference.brain.data > 0),
    }
    if manual is not None:
        values = atlases.NEUROMORPHOMETRICS
        _, labels = target_labels([manual], manual, transform, grid, values)
        scores = [dice(labels.data == v, reference.structures.data == v) for v in template.STRUCTURES]
        numbers["structures_dice"] = np.mean(scores)
    return numbers


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Dice of two masks."""
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def measure(scan: real_scans.RealScan, reference: template.Template, settings: dict, folder: Path | None) -> dict:
    """One scan's row: seconds and agreement of both."""
    started = time.perf_counter()
    ours = register(scan.t1w, reference.t1, reference.brain, template.grid(1), **settings)
    seconds = time.perf_counter() - started
    if folder:
        scan_pictures.registration(folder / f"{scan.name}.png", ours.t1, reference.brain)
    head, _ = intake.read_t1(scan.t1w)
    mask, _ = brain_extraction.extract(head, settings["threads"])
    started = time.perf_counter()
    transform = stock(Volume(head.data * mask.data, head.affine), reference)
    row = {"scan": scan.name, "seconds": seconds, "stock_seconds": time.perf_counter() - started}
    for prefix, affine in (("", ours.transform), ("stock_", transform)):
        found = agreement(head, mask, affine, scan.labels, reference)
        row |= {f"{prefix}{name}": value for name, value in found.items()}
    return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scans", type=Path, help="folder of the real scans")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pictures", type=Path, help="folder to keep each scan's picture in")
    asked = parser.parse_args()
    if asked.pictures:
        asked.pictures.mkdir(parents=True, exist_ok=True)
    job.keep_freed_memory()
    settings = yaml.safe_load((ROOT / "config.yaml").read_text())["register"] | {"threads": asked.threads}
    reference = atlases.build(atlases.NAMES, asked.threads)
    rows = []
    for scan in real_scans.scans(asked.scans):
        rows.append(measure(scan, reference, settings, asked.pictures))
        print(
            *(value if isinstance(value, str) else f"{key} {value:.4g}" for key, value in rows[-1].items()), flush=True
        )
    if not rows:
        raise SystemExit(f"headstart: {asked.scans} holds none of the real scans; see docs/data.md.")
    medians = pd.DataFrame(rows).median(numeric_only=True)
    keep(pd.DataFrame([*rows, {"scan": "median", **medians}]).assign(threads=asked.threads), __file__)
