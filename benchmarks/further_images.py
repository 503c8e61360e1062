"""Measure the registration of a FLAIR to the T1 of the same patient: planted movements, and images that do not belong.

    python benchmarks/further_images.py ~/scans

The patients are those of ``lesjak-ms/mni/``, whose images are aligned as they are published, up to some 0.3 mm. Each
FLAIR is moved and resampled to slices of 3 mm; the error is the distance between where the matrix found and the exact
one take the voxels of the brain. Overwrites benchmarks/further_images.tsv.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from record import keep
from scipy.spatial.transform import Rotation

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import real_scans  # noqa: E402

from headstart import images, job  # noqa: E402
from headstart.datasets import intake  # noqa: E402
from headstart.images import Grid, Volume  # noqa: E402
from headstart.register import image_quality  # noqa: E402
from headstart.register.affine import RegisteredScan, RegistrationSettings, register  # noqa: E402
from headstart.register.rigid import align  # noqa: E402
from headstart.template import atlases, template  # noqa: E402

SLICES = Grid((200, 230, 64), np.array([[0.95, 0, 0, -95], [0, 0.95, 0, -128], [0, 0, 3, -75], [0, 0, 0, 1]]))
MOVEMENTS = 4
LARGEST_DEG, LARGEST_MM = 15, 15
MIRROR = np.diag([-1.0, 1, 1, 1])


def draw_movement(rng: np.random.Generator) -> np.ndarray:
    """(4, 4) in RAS+ mm: a random rotation about the middle of the brain in MNI space, then a random shift."""
    middle = np.array([0, -18, 10])
    moved = np.eye(4)
    angles = rng.uniform(-LARGEST_DEG, LARGEST_DEG, 3)
    moved[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    moved[:3, 3] = middle + rng.uniform(-LARGEST_MM, LARGEST_MM, 3) - moved[:3, :3] @ middle
    return moved


def cases(patient: str, others: list[str]) -> Iterator[tuple[str, str, np.ndarray, bool]]:
    """Name, patient whose FLAIR it is, its movement (4, 4), and whether it belongs to the T1."""
    rng = np.random.default_rng(int(patient))
    yield "as published", patient, np.eye(4), True
    for number in range(1, MOVEMENTS + 1):
        yield f"moved {number}", patient, draw_movement(rng), True
    yield "mirrored", patient, MIRROR, False
    for other in others:
        yield f"of patient {other}", other, np.eye(4), False


def measure(image: Volume, t1w: Path, t1: RegisteredScan, settings: RegistrationSettings, threads: int) -> dict:
    """Seconds, measures and matrix of the registration of an image."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "FLAIR.nii.gz"
        images.write(path, image, np.float32)
        started = time.perf_counter()
        found = align(path, t1w, t1.brain, t1.transform, settings, threads=threads)
    return {"seconds": time.perf_counter() - started, **found.quality, "matrix": found.transform}


def errors_mm(t1: RegisteredScan, found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """(N,) distances in mm between where two matrices take the voxels of the brain."""
    points = t1.transform @ image_quality.points(t1.brain)
    return np.linalg.norm(((found - exact) @ points)[:3], axis=0)


if __name__ == "__main__":
    arguments = real_scans.parser(__doc__).parse_args()
    job.keep_freed_memory()
    settings = RegistrationSettings.of(real_scans.default_study()["register"])
    folders = real_scans.patients(arguments.scans)
    reference = atlases.build(atlases.NAMES, arguments.threads)
    flairs = {name: intake.read_image(next(path.glob("FLAIR_*")))[0] for name, path in folders.items()}
    rows = []
    for patient, path in folders.items():
        t1w = next(path.glob("T1_*"))
        t1 = register(t1w, reference.t1, reference.brain, template.grid(2), settings, threads=arguments.threads)
        for name, owner, moved, belongs in cases(patient, [other for other in folders if other != patient]):
            flair = flairs[owner]
            image = images.resample(Volume(flair.data, moved @ flair.affine), SLICES)
            found = measure(image, t1w, t1, settings, arguments.threads)
            matrix = found.pop("matrix")
            errors = errors_mm(t1, matrix, moved) if belongs else np.array([np.nan])
            shown = {"error_median_mm": np.median(errors), "error_max_mm": errors.max()}
            rows.append({"scan": f"lesjak brain {patient} FLAIR", "image": name, **shown, **found})
            print(rows[-1], flush=True)
    keep(pd.DataFrame(rows).assign(threads=arguments.threads), __file__)
