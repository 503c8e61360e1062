"""Synthetic subjects as a BIDS dataset: scans as raw data, the ground truth as a derivative."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from headstart import images
from headstart.bids_version import BIDS_VERSION
from headstart.job import write_json, write_text
from headstart.phantom.recipe import Recipe, subject_paths
from headstart.phantom.subject import Subject, demographics

_LANDMARK_COLUMNS = ("native_x", "native_y", "native_z", "template_x", "template_y", "template_z")
_GENERATED_BY = [{"Name": "headstart.phantom", "Description": "Simulated from the MNI152NLin2009aSym template"}]
# BIDS has no suffix for landmarks yet, nor for transforms.
_BIDSIGNORE, _BIDSIGNORE_WITH_MOVEMENT = "*_points.tsv\n", "*_points.tsv\n*_xfm.txt\n"
_LESION_DESCRIPTIONS = {
    "none": "No subject has a lesion.",
    "stroke": "Each subject has one large chronic stroke lesion, and some have one or two small ones.",
    "ms": "Each subject has many small lesions of multiple sclerosis in white matter.",
}
_SECOND_DESCRIPTION = (
    "\nLabels lie on the grid of the {0}. Each subject has a {1} too, before which the head moved a little:\n"
    "derivatives/ground_truth holds this movement, a 4 x 4 matrix from RAS+ mm of the {0} to RAS+ mm of the {1}.\n"
)
# What scanners call the images, as far as they have a longer name.
_SERIES = {"T1w": "T1-weighted scan"}


def write_subject(subject: Subject, dataset_folder: str | Path, label: str) -> dict[str, Path]:
    """Write a subject's scan, an image or two, and ground truth; returns their paths.

    ``label``: the subject's label without ``sub-``. The paths are those of
    :func:`headstart.phantom.recipe.subject_paths`.
    """
    names = subject.recipe.images
    paths = subject_paths(dataset_folder, label, names)
    images.write(paths["first"], subject.first, np.int16)
    write_json(paths["sidecar"], _sidecar(subject.first, names[0]))
    for key in ("brain", "tissue", "structures", "anatomy", "lesion"):
        images.write(paths[key], getattr(subject, key), np.uint8)
    rows = ["\t".join(_LANDMARK_COLUMNS), *("\t".join(f"{value:.6f}" for value in row) for row in subject.landmarks)]
    write_text(paths["landmarks"], "\n".join(rows) + "\n")
    if len(names) > 1:
        images.write(paths["second"], subject.second, np.int16)
        write_json(paths["second_sidecar"], _sidecar(subject.second, names[1]))
        write_text(paths["movement"], "".join(" ".join(map(repr, row)) + "\n" for row in subject.movement.tolist()))
    return paths


def _sidecar(image: images.Volume, name: str) -> dict[str, object]:
    """Metadata of an image, as a scanner would write it."""
    return {
        "Modality": "MR",
        "SeriesDescription": f"simulated {_SERIES.get(name, name)}",
        "Manufacturer": "none (simulated)",
        "ManufacturersModelName": "headstart.phantom",
        "SliceThickness": round(float(_superior_spacing(image)), 4),
    }


def _superior_spacing(volume: images.Volume) -> float:
    """Voxel size in mm along the array axis that is closest to inferior-superior."""
    axis = int(np.argmax(np.abs(volume.affine[2, :3]) / volume.grid.spacing))
    return volume.grid.spacing[axis]


def write_dataset(dataset_folder: str | Path, name: str, recipe: Recipe, seeds: Iterable[tuple[str, int]]) -> None:
    """Write the descriptions of a BIDS dataset and its table of participants, but no scans.

    ``seeds``: pairs of subject label (without ``sub-``) and seed. Age and sex depend on the seed alone, so that no scan
    needs to be generated first.
    """
    folder = Path(dataset_folder)
    about = {"BIDSVersion": BIDS_VERSION, "GeneratedBy": _GENERATED_BY}
    write_json(folder / "dataset_description.json", {"Name": name, "DatasetType": "raw", **about})
    derivative = {"Name": f"{name}: ground truth", "DatasetType": "derivative", **about}
    write_json(folder / "derivatives" / "ground_truth" / "dataset_description.json", derivative)
    ignored = _BIDSIGNORE_WITH_MOVEMENT if len(recipe.images) > 1 else _BIDSIGNORE
    write_text(folder / "derivatives" / "ground_truth" / ".bidsignore", ignored)
    rows = ["participant_id\tage\tsex"]
    for label, seed in seeds:
        drawn = demographics(recipe, seed)
        rows.append(f"sub-{label}\t{drawn['age']}\t{drawn['sex']}")
    write_text(folder / "participants.tsv", "\n".join(rows) + "\n")
    write_json(
        folder / "participants.json",
        {
            "age": {"Description": "age of the synthetic subject", "Units": "year"},
            "sex": {"Description": "sex of the synthetic subject", "Levels": {"F": "female", "M": "male"}},
        },
    )
    write_text(folder / "README", _readme(name, recipe))


def _readme(name: str, recipe: Recipe) -> str:
    """The dataset's README."""
    described = tuple(image.replace("T1w", "T1") for image in recipe.images)
    second = _SECOND_DESCRIPTION.format(*described) if len(described) > 1 else ""
    return (
        f"{name}\n\n"
        "A synthetic cohort for testing and demonstration: no scan is of a real person.\n"
        "Each subject is the MNI152NLin2009aSym template under a random smooth mapping, surrounded by a head.\n"
        f"{_LESION_DESCRIPTIONS[recipe.lesions]}\n\n"
        "derivatives/ground_truth holds, on each scan's grid, the brain mask, tissues (1 CSF, 2 GM, 3 WM),\n"
        "subcortical structures (FSL FIRST's values), coarse anatomy (1 white matter, 2 cortical grey matter, 3 basal\n"
        "ganglia and thalami, 4 ventricular CSF, 5 cerebellum, 6 brain stem), lesions, and landmarks: points in\n"
        "native and template RAS+ mm.\n"
        f"{second}"
    )
