"""Paint real stroke lesions into real healthy brains: scans on which benchmarks/simulated_strokes.yaml is run.

    python benchmarks/simulated_strokes.py ~/scans

Each scan of ``oasis-miccai2012/`` in that folder is given one lesion of ``soop-lesions/`` (masks in MNI space), drawn
at random among those of at least 1 mL. Its voxels lose 25 to 60 % of their intensity, another share in each scan, less
so at the border and unevenly inside. The results are a BIDS dataset, ``results/simulated-strokes/bids``. Scores on
these scans tell sources apart; those on scans of patients may be lower.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

import real_scans  # noqa: E402

from headstart import images, job, seeds  # noqa: E402
from headstart.images import Volume  # noqa: E402
from headstart.register.affine import RegistrationSettings, register  # noqa: E402
from headstart.template import atlases, template  # noqa: E402

SEED = 2022
SMALLEST_ML = 1
DARKER = (0.25, 0.60)
BORDER_MM = 1.0
UNEVEN, UNEVEN_MM = 0.2, 4.0


def lesions(folder: Path, count: int, rng: np.random.Generator) -> list[Volume]:
    """``count`` lesion masks in MNI space, drawn at random among those that are large enough."""
    masks = [images.read(path) for path in sorted((folder / "soop-lesions").glob("*.nii.gz"))]
    large = [mask for mask in masks if (mask.data > 0.5).sum() * mask.grid.voxel_ml >= SMALLEST_ML]
    return [large[index] for index in rng.choice(len(large), count, replace=False)]


def paint(scan: Volume, lesion: np.ndarray, rng: np.random.Generator) -> Volume:
    """The scan with a darker ``lesion``, (X, Y, Z) in [0, 1] on its grid."""
    spacing = scan.grid.spacing
    noise = ndimage.gaussian_filter(rng.standard_normal(scan.data.shape), UNEVEN_MM / spacing)
    share = ndimage.gaussian_filter(lesion, BORDER_MM / spacing) * rng.uniform(*DARKER)
    share *= 1 + UNEVEN * noise / noise.std()
    return Volume(scan.data * (1 - np.clip(share, 0, 1)), scan.affine)


def write_scan(bids: Path, subject: str, scan: Volume, lesion: np.ndarray) -> None:
    """One person's T1 scan and lesion mask."""
    folder = Path(f"sub-{subject}", "anat")
    labels = bids / "derivatives" / "lesions" / folder
    for made in (bids / folder, labels):
        made.mkdir(parents=True, exist_ok=True)
    images.write(bids / folder / f"sub-{subject}_T1w.nii.gz", scan, np.float32)
    mask = Volume((lesion > 0.5).astype(np.uint8), scan.affine)
    images.write(labels / f"sub-{subject}_label-L_mask.nii.gz", mask, np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the real scans; docs/data.md says where to get them")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "simulated-strokes" / "bids")
    arguments = parser.parse_args()
    found = [scan for scan in real_scans.scans(arguments.folder) if scan.name.startswith("oasis")]
    rng = seeds.generator(SEED, "simulated strokes")
    settings = RegistrationSettings.of(
        {key: value for key, value in real_scans.default_study()["register"].items() if key != "threads"}
    )
    reference = atlases.build(["desikan-killiany"], 1)
    for scan, mask in zip(found, lesions(arguments.folder, len(found), rng), strict=True):
        to_scan = register(scan.t1w, reference.t1, reference.brain, template.grid(1), settings, threads=1).transform
        image = images.read(scan.t1w)
        lesion = images.resample(mask, image.grid, np.linalg.inv(to_scan)).data * (image.data > 0)
        subject = scan.name.split()[1]
        write_scan(arguments.output, subject, paint(image, lesion, rng), lesion)
        print(f"{subject}: {(lesion > 0.5).sum() * image.grid.voxel_ml:.1f} mL")
    job.write_json(
        arguments.output / "dataset_description.json", {"Name": "Simulated strokes", "BIDSVersion": "1.10.0"}
    )


if __name__ == "__main__":
    main()
