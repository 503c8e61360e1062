"""Raw BIDS datasets with labels in a derivative (Brain Imaging Data Structure 1.10, bids-specification.readthedocs.io).

ATLAS R2.0 and R3 (Liew 2022, doi 10.1038/s41597-022-01401-7) have this layout, in the training set of the challenge
with a folder for each site around the subjects: ``R001/sub-r001s001/ses-1/anat/``.
"""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from headstart.datasets import participants
from headstart.datasets.scan import Scan, find_files, find_folders, labels_folder, only_t1, subject_label
from headstart.job import UserError

# The table of participants that BIDS prescribes.
PARTICIPANTS = {"file": "participants.tsv", "subject": "participant_id"}
_NOT_SITES = {"derivatives", "sourcedata", "code", "phenotype"}
# Entities that distinguish the images of a session; where labels name one, the T1 must have the same value.
_IMAGE_ENTITIES = ("acq", "ce", "rec", "run")


def scans(name: str, folder: Path, entry: Mapping) -> list[Scan]:
    """One scan per session that has a T1: ``sub-*/[ses-*/]anat/*_T1w.nii[.gz]``."""
    table = participants.read(folder, entry, PARTICIPANTS)
    derivatives = _derivatives(name, folder, entry)
    found = []
    for subject in _subjects(folder):
        about = table.of(subject.name.removeprefix("sub-"))
        if about["site"] is None and subject.parent != folder:
            about = about | {"site": subject.parent.name}
        for place in find_folders(subject, "ses-.+") or [subject]:
            if t1w := _t1w(name, place / "anat", entry):
                session = place.name.removeprefix("ses-") if place != subject else None
                labels = _labels(name, t1w, derivatives, folder, entry)
                found.append(
                    Scan(
                        name,
                        subject_label(subject.name.removeprefix("sub-"), session),
                        str(subject.resolve()),
                        t1w,
                        labels,
                        masks=bool(labels) and all(_stem(path).endswith("_mask") for path in labels),
                        session=session,
                        **about,
                    )
                )
    if found and "labels_suffix" in entry and not any(scan.target for scan in found):
        raise UserError(
            f"datasets.{name}: no scan has labels *_{entry['labels_suffix']}.nii[.gz] in "
            f"{folder / entry.get('labels', 'derivatives/*')}; check labels and labels_suffix."
        )
    return found


def _subjects(folder: Path) -> list[Path]:
    """The subjects' folders, directly in the dataset or in a folder for each site."""
    return find_folders(folder, "sub-.+") or [
        subject
        for site in find_folders(folder)
        if site.name not in _NOT_SITES
        for subject in find_folders(site, "sub-.+")
    ]


def _t1w(name: str, anat: Path, entry: Mapping) -> Path | None:
    """The session's T1: that of the acquisition asked for; of several, the first by name if the entry says so."""
    paths = [path for path, _ in find_files(anat, r".+_T1w\.nii(\.gz)?")]
    if "acquisition" in entry:
        paths = [path for path in paths if _entities(path).get("acq") == entry["acquisition"]]
    if not paths:
        return None
    if entry.get("several") == "first":
        return min(paths, key=_natural_order)
    return only_t1(paths, f"name one with datasets.{name}.acquisition, or take the first with several: first")


def _derivatives(name: str, folder: Path, entry: Mapping) -> list[Path]:
    """The folders that may hold labels, organised like the dataset; none if no labels are asked for."""
    named = labels_folder(name, folder, entry, "labels_suffix")
    if "labels_suffix" not in entry:
        return []
    return [named] if named else find_folders(folder / "derivatives")


def _labels(name: str, t1w: Path, derivatives: list[Path], folder: Path, entry: Mapping) -> tuple[Path, ...]:
    """The labels of a T1 in one of the derivatives: a label map, or any number of masks."""
    place = t1w.parent.relative_to(folder)
    by_derivative = []
    for derivative in derivatives:
        paths = [path for path, _ in find_files(derivative / place, r".+\.nii(\.gz)?")]
        matching = [path for path in paths if fnmatchcase(_stem(path), f"*_{entry['labels_suffix']}")]
        if kept := [path for path in matching if _same_image(path, t1w)]:
            by_derivative.append(kept)
    if len(by_derivative) > 1:
        raise UserError(
            f"{by_derivative[0][0]} and {by_derivative[1][0]} both label one scan; say which derivative with "
            f"datasets.{name}.labels."
        )
    labels = tuple(by_derivative[0]) if by_derivative else ()
    if len(labels) > 1 and not all(_stem(path).endswith("_mask") for path in labels):
        raise UserError(
            f"{labels[0]} and {labels[1].name} both label one scan; narrow datasets.{name}.labels_suffix (only masks, "
            "named *_mask, are united)."
        )
    return labels


def _same_image(labels: Path, t1w: Path) -> bool:
    """Whether the names of a label file and a T1 can be of the same image."""
    of_labels, of_t1w = _entities(labels), _entities(t1w)
    return all(of_labels[key] == of_t1w.get(key) for key in _IMAGE_ENTITIES if key in of_labels)


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


def _entities(path: Path) -> dict[str, str]:
    return dict(part.split("-", 1) for part in _stem(path).split("_") if "-" in part)


def _natural_order(path: Path) -> list:
    """Key that sorts run-2 before run-10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]
