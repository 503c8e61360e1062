"""Stage 1, datasets: which scans there are, whose they are, and where their files lie.

Only names and paths are looked at here, so that a workflow can plan from it in no time.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headstart import __version__
from headstart.job import UserError
from headstart.phantom import Recipe, person_paths


@dataclass(frozen=True)
class Scan:
    """One T1 scan. ``target``: its manual label map; ``truth``: exact truths by name, of made-up people only."""

    dataset: str
    subject: str
    person: str
    t1w: Path
    target: Path | None
    truth: Mapping[str, Path]


def scans(name: str, entry: Mapping, made: str | os.PathLike, data: str | os.PathLike | None) -> list[Scan]:
    """The scans of a dataset, ordered by subject.

    ``entry``: the dataset's part of the configuration; ``made``: folder in which made-up datasets appear; ``data``:
    folder that holds the real ones. Raises :class:`UserError` when a folder is missing or nothing is found.
    """
    found = (
        phantom_scans(name, entry, Path(made))
        if entry["layout"] == "phantom"
        else _LAYOUTS[entry["layout"]](name, _folder(name, entry, data))
    )
    return _selected(name, entry, found)


def phantom_recipe(entry: Mapping) -> Recipe:
    """The recipe of a made-up dataset."""
    slice_mm = entry.get("slice_mm")
    return Recipe(
        lesions=entry["lesions"],
        voxel_mm=tuple(entry["voxel_mm"]),
        slice_mm=None if slice_mm is None else tuple(slice_mm),
    )


def phantom_scans(name: str, entry: Mapping, made: Path) -> list[Scan]:
    """The made-up people of a dataset, before any of them is made."""
    if "people" not in entry:
        raise UserError(f"datasets.{name} has the layout phantom but no people; say how many.")
    found = []
    for number in range(1, entry["people"] + 1):
        subject = f"{number:0{max(2, len(str(entry['people'])))}d}"
        truth = person_paths(made / name, subject)
        t1w, _ = truth.pop("t1w"), truth.pop("sidecar")
        found.append(Scan(name, subject, f"{name}-{subject}", t1w, truth.get(entry.get("target")), truth))
    return found


def miccai2012_scans(name: str, folder: Path) -> list[Scan]:
    """MICCAI 2012 multi-atlas labelling (OASIS): ``1000_SS.nii.gz``, labels ``1000_glm.nii.gz`` beside it.

    Numbers of 10xx are first scans; 11xx are a second scan of the person 10xx.
    """
    found = []
    for t1w in sorted(folder.glob("*_SS.nii.gz")):
        match = re.fullmatch(r"(1[01])(\d\d)_SS\.nii\.gz", t1w.name)
        if match is None:
            raise UserError(f"{t1w} is not named like 1000_SS.nii.gz; rename or remove it.")
        subject = match[1] + match[2]
        labels = folder / f"{subject}_glm.nii.gz"
        found.append(Scan(name, subject, f"oasis-10{match[2]}", t1w, labels if labels.exists() else None, {}))
    return found


_LAYOUTS = {"miccai2012": miccai2012_scans}


def _folder(name: str, entry: Mapping, data: str | os.PathLike | None) -> Path:
    if "folder" not in entry:
        raise UserError(f"datasets.{name} has no folder; give the one with its scans.")
    folder = Path(entry["folder"])
    if not folder.is_absolute():
        if not data:
            raise UserError(f"datasets.{name}.folder is relative; set data in the configuration, or HEADSTART_DATA.")
        folder = Path(data) / folder
    if not folder.is_dir():
        raise UserError(f"datasets.{name}: the folder {folder} does not exist; check datasets.{name}.folder.")
    return folder


def _selected(name: str, entry: Mapping, found: list[Scan]) -> list[Scan]:
    known = {scan.subject for scan in found}
    wanted = set(entry.get("include", known))
    for key, listed in (("include", wanted), ("exclude", set(entry["exclude"]))):
        if unknown := sorted(listed - known):
            raise UserError(f"datasets.{name}.{key} names {', '.join(unknown)}, which the folder lacks; correct it.")
    kept = [scan for scan in found if scan.subject in wanted and scan.subject not in entry["exclude"]]
    if not kept:
        raise UserError(f"datasets.{name} has no scans; check its folder, include and exclude.")
    return sorted(kept, key=lambda scan: scan.subject)


def derivative_description(name: str) -> dict:
    """``dataset_description.json`` of a dataset's derivatives (BIDS 1.10)."""
    return {
        "Name": f"{name}: registered, labelled and segmented by headstart",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "headstart", "Version": __version__}],
    }


def participants_table(persons: Mapping[str, str]) -> str:
    """``participants.tsv`` of a dataset's derivatives, from subjects to the persons they are."""
    return "participant_id\tperson\n" + "".join(f"sub-{subject}\t{person}\n" for subject, person in persons.items())
