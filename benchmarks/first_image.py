"""Measure brain extraction and registration of scans whose first image is a T1 or a FLAIR, of the same people.

    python benchmarks/first_image.py ~/scans

Of synthetic subjects, brain and position are known: ``deepbet_dice`` is the overlap of the extracted brain with the
true one, ``registration_mm`` the root mean square error of the affine at landmarks, and ``best_affine_mm`` what the
best affine leaves of the subject's warp. Of real patients (``lesjak-ms/mni/``, without skull), T1 and FLAIR are aligned
as published: ``from_t1_mm`` is the median distance in the brain between where the affines of the two lead, and
``deepbet_dice`` the overlap of deepbet's mask with all that is not air. Overwrites benchmarks/first_image.tsv.
"""

import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from record import keep

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import real_scans  # noqa: E402

from headstart import images, job  # noqa: E402
from headstart.label import validation  # noqa: E402
from headstart.metrics.overlap import dice  # noqa: E402
from headstart.phantom.dataset import write_subject  # noqa: E402
from headstart.phantom.recipe import IMAGES, Recipe  # noqa: E402
from headstart.phantom.subject import make_subject  # noqa: E402
from headstart.register import brain_extraction, image_quality, quality  # noqa: E402
from headstart.register.affine import RegisteredScan, RegistrationSettings, read_scan, register  # noqa: E402
from headstart.template import atlases, template  # noqa: E402

# Lesions of the synthetic subjects, and the thickness of their slices in mm.
SUBJECTS = (("none", None), ("ms", None), ("stroke", (3.0, 3.0)), ("ms", (5.0, 5.0)))
VOXEL_MM = (0.9, 1.1)


def registered(
    path: Path, reference: template.Template, settings: RegistrationSettings, threads: int
) -> tuple[RegisteredScan, dict]:
    """The registered scan, and measures of its quality."""
    found = register(path, reference.t1, reference.brain, template.grid(1), settings, threads=threads)
    tissues = {name: getattr(reference, name) for name in ("csf", "gm", "wm")}
    measures = {name: found.quality[name] for name in ("template_correlation", "brain_dice")}
    return found, {**measures, **quality.contrast(found.image, tissues)}


def synthetic(reference: template.Template, settings: RegistrationSettings, threads: int) -> Iterator[dict]:
    """A row for each image of each synthetic subject, alone and thus the first."""
    for seed, (lesions, slice_mm) in enumerate(SUBJECTS):
        for image in IMAGES:
            recipe = Recipe(lesions=lesions, voxel_mm=VOXEL_MM, slice_mm=slice_mm, images=(image,))
            with tempfile.TemporaryDirectory() as folder:
                paths = write_subject(make_subject(reference, recipe, seed), folder, "01")
                found, row = registered(paths["first"], reference, settings, threads)
                error = validation.registration_error(paths["landmarks"], found.transform)
                brain, _ = brain_extraction.extract(read_scan(paths["first"]), threads)
                truth = images.read(paths["brain"], np.uint8).data > 0
            thick = f", slices of {slice_mm[0]:g} mm" if slice_mm else ""
            name = {"scan": f"synthetic {seed} ({lesions}{thick})", "image": image}
            yield name | {"deepbet_dice": dice(brain.data > 0, truth, "skip"), **error, **row}


def real(folder: Path, reference: template.Template, settings: RegistrationSettings, threads: int) -> Iterator[dict]:
    """A row for T1 and FLAIR of each patient."""
    for number, patient in real_scans.patients(folder).items():
        t1: RegisteredScan | None = None
        for image, prefix in zip(IMAGES, ("T1", "FLAIR"), strict=True):
            path = next(patient.glob(f"{prefix}_*"))
            found, row = registered(path, reference, settings, threads)
            scan = read_scan(path)
            not_air, _ = brain_extraction.extract(scan, threads)
            overlap = dice(brain_extraction.deepbet(scan, threads), not_air.data > 0, "skip")
            t1 = t1 or found
            apart = (found.transform - t1.transform) @ image_quality.points(t1.brain)
            name = {"scan": f"lesjak brain {number}", "image": image}
            away = {} if found is t1 else {"from_t1_mm": np.median(np.linalg.norm(apart[:3], axis=0))}
            yield name | {"deepbet_dice": overlap, **away, **row}


if __name__ == "__main__":
    arguments = real_scans.parser(__doc__).parse_args()
    job.keep_freed_memory()
    settings = RegistrationSettings.of(real_scans.default_study()["register"])
    reference = atlases.build(atlases.NAMES, arguments.threads)
    rows = []
    measured = (reference, settings, arguments.threads)
    for row in chain(synthetic(*measured), real(arguments.scans, *measured)):
        rows.append(row)
        print(row, flush=True)
    keep(pd.DataFrame(rows).assign(threads=arguments.threads), __file__)
