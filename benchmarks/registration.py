"""Compare headstart's registration of real scans with antspyx's ``Affine`` with its default settings.

    python benchmarks/registration.py ~/scans

Both register the same brain. The time of ANTs is that of the affine alone, at the scan's resolution; the time of
headstart includes reading the file and computing the quality measures. Overwrites benchmarks/registration.tsv.
"""

import sys
import tempfile
import time
from pathlib import Path

import ants
import numpy as np
import pandas as pd
from record import keep

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import real_scans  # noqa: E402

from headstart import images, job  # noqa: E402
from headstart.datasets import intake  # noqa: E402
from headstart.images import Volume  # noqa: E402
from headstart.metrics.overlap import dice  # noqa: E402
from headstart.register import brain_extraction  # noqa: E402
from headstart.register.affine import RegistrationSettings, register  # noqa: E402
from headstart.register.ants import to_ants  # noqa: E402
from headstart.register.manual_labels import target_labels  # noqa: E402
from headstart.report import scan_pictures  # noqa: E402
from headstart.template import atlases, template  # noqa: E402


def stock(scan: Volume, reference: template.Template) -> np.ndarray:
    """The affine from antspyx with its default settings: (4, 4) from RAS+ mm of the template to the scan's."""
    with tempfile.TemporaryDirectory() as scratch:
        fixed, moving = to_ants(reference.t1), to_ants(scan)
        found = ants.registration(fixed, moving, type_of_transform="Affine", outprefix=f"{scratch}/")
        return images.read_affine(found["fwdtransforms"][0])


def agreement(scan: Volume, mask: Volume, transform: np.ndarray, manual: Path | None, reference: template.Template):
    """Agreement of a scan and the template under an affine: correlation, and Dice of brain and mean of structures."""
    grid = reference.t1.grid
    moved = images.resample(Volume(scan.data * mask.data, scan.affine), grid, transform).data
    inside = images.resample_labels(mask, grid, transform).data > 0
    numbers = {
        "correlation": np.corrcoef((moved * inside).ravel(), reference.t1.data.ravel())[0, 1],
        "brain_dice": dice(inside, reference.brain.data > 0),
    }
    if manual is not None:
        label_map = intake.LabelFormat(masks=False, mask_above=None)
        _, labels = target_labels([manual], manual, transform, grid, atlases.NEUROMORPHOMETRICS, label_map)
        scores = [dice(labels.data == v, reference.structures.data == v) for v in template.STRUCTURES]
        numbers["structures_dice"] = np.mean(scores)
    return numbers


def measure(
    scan: real_scans.RealScan,
    reference: template.Template,
    settings: RegistrationSettings,
    threads: int,
    folder: Path | None,
) -> dict:
    """One scan's row: time and agreement of both; a picture of the registration goes to ``folder``."""
    started = time.perf_counter()
    ours = register(scan.t1w, reference.t1, reference.brain, template.grid(1), settings, threads=threads)
    seconds = time.perf_counter() - started
    if folder:
        scan_pictures.registration(folder / f"{scan.name}.png", ours.image, reference.brain)
    head, _ = intake.read_image(scan.t1w)
    mask, _ = brain_extraction.extract(head, threads)
    started = time.perf_counter()
    transform = stock(Volume(head.data * mask.data, head.affine), reference)
    row = {"scan": scan.name, "seconds": seconds, "stock_seconds": time.perf_counter() - started}
    for prefix, affine in (("", ours.transform), ("stock_", transform)):
        found = agreement(head, mask, affine, scan.labels, reference)
        row |= {f"{prefix}{name}": value for name, value in found.items()}
    return row


if __name__ == "__main__":
    parser = real_scans.parser(__doc__)
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each scan")
    arguments = parser.parse_args()
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
    job.keep_freed_memory()
    settings = RegistrationSettings.of(real_scans.default_study()["register"])
    reference = atlases.build(atlases.NAMES, arguments.threads)
    rows = []
    for scan in real_scans.scans(arguments.scans):
        rows.append(measure(scan, reference, settings, arguments.threads, arguments.pictures))
        print(
            *(value if isinstance(value, str) else f"{key} {value:.4g}" for key, value in rows[-1].items()), flush=True
        )
    if not rows:
        raise SystemExit(f"headstart: {arguments.scans} has none of the real scans; see docs/data.md.")
    medians = pd.DataFrame(rows).median(numeric_only=True)
    keep(pd.DataFrame([*rows, {"scan": "median", **medians}]).assign(threads=arguments.threads), __file__)
