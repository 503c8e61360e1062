"""People as a BIDS dataset: scans as raw data, the truth as a derivative."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from headstart import images
from headstart.job import write_json, write_text
from headstart.phantom.recipe import Recipe, subject_paths
from headstart.phantom.subject import Subject, demographics

BIDS_VERSION = "1.10.0"
_LANDMARK_COLUMNS = ("native_x", "native_y", "native_z", "template_x", "template_y", "template_z")
_GENERATED_BY = [{"Name": "headstart.phantom", "Description": "Simulated from the MNI152NLin2009aSym template"}]
# BIDS has no suffix for landmarks yet; the validator is told so.
_NOT_BIDS = "*_points.tsv\n"
_LESION_WORDS = {
    "none": "Nobody has a lesion.",
    "stroke": "Everybody has one large old stroke, and some one or two small ones.",
    "ms": "Everybody has many small lesions of multiple sclerosis in white matter.",
}


def write_subject(person: Subject, dataset_folder: str | Path, subject: str) -> dict[str, Path]:
    """Write one person's scan and truth; returns the paths as :func:`recipe.subject_paths` names them."""
    paths = subject_paths(dataset_folder, subject)
    images.write(paths["t1w"], person.t1w, np.int16)
    write_json(paths["sidecar"], _sidecar(person))
    for key in ("brain", "tissue", "structures", "anatomy", "lesion"):
        images.write(paths[key], getattr(person, key), np.uint8)
    rows = ["\t".join(_LANDMARK_COLUMNS), *("\t".join(f"{value:.6f}" for value in row) for row in person.landmarks)]
    write_text(paths["landmarks"], "\n".join(rows) + "\n")
    return paths


def _sidecar(person: Subject) -> dict[str, object]:
    """What a scanner would say of the scan."""
    return {
        "Modality": "MR",
        "SeriesDescription": "simulated T1-weighted scan",
        "Manufacturer": "none (simulated)",
        "ManufacturersModelName": "headstart.phantom",
        "SliceThickness": round(float(_superior_spacing(person.t1w)), 4),
    }


def _superior_spacing(volume: images.Volume) -> float:
    """Voxel size in mm along the array axis nearest inferior-superior."""
    axis = int(np.argmax(np.abs(volume.affine[2, :3]) / volume.grid.spacing))
    return volume.grid.spacing[axis]


def write_dataset(dataset_folder: str | Path, name: str, recipe: Recipe, people: Iterable[tuple[str, int]]) -> None:
    """Write what a BIDS dataset says of itself and its participants, but no scans.

    ``people`` are pairs of subject label (without ``sub-``) and seed; age and sex follow from the seed alone, so that
    this file needs no scan to be made first.
    """
    folder = Path(dataset_folder)
    about = {"BIDSVersion": BIDS_VERSION, "GeneratedBy": _GENERATED_BY}
    write_json(folder / "dataset_description.json", {"Name": name, "DatasetType": "raw", **about})
    truth = {"Name": f"{name}: truth", "DatasetType": "derivative", **about}
    write_json(folder / "derivatives" / "ground_truth" / "dataset_description.json", truth)
    write_text(folder / "derivatives" / "ground_truth" / ".bidsignore", _NOT_BIDS)
    rows = ["participant_id\tage\tsex"]
    for subject, seed in people:
        who = demographics(recipe, seed)
        rows.append(f"sub-{subject}\t{who['age']}\t{who['sex']}")
    write_text(folder / "participants.tsv", "\n".join(rows) + "\n")
    write_json(
        folder / "participants.json",
        {
            "age": {"Description": "age of the made-up person", "Units": "year"},
            "sex": {"Description": "sex of the made-up person", "Levels": {"F": "female", "M": "male"}},
        },
    )
    write_text(folder / "README", _readme(name, recipe))


def _readme(name: str, recipe: Recipe) -> str:
    """The dataset's README."""
    return (
        f"{name}\n\n"
        "A made-up cohort for testing and demonstration: no scan here is of a real person.\n"
        "Each person is the MNI152NLin2009aSym template under a random smooth mapping, put into a head and scanned.\n"
        f"{_LESION_WORDS[recipe.lesions]}\n\n"
        "derivatives/ground_truth holds, on each scan's grid, the brain mask, tissues (1 CSF, 2 GM, 3 WM), subcortical\n"
        "structures (FSL FIRST's values), coarse anatomy (1 white matter, 2 cortical grey matter, 3 basal ganglia and\n"
        "thalami, 4 ventricular CSF, 5 cerebellum, 6 brain stem), lesions, and landmarks: points in\n"
        "native and template RAS+ mm.\n"
    )
