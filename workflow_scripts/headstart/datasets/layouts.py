"""The layouts of datasets: a dataset's entry in the configuration becomes a list of scans.

Only names and paths are looked at here, so that a workflow can plan from it in no time.
"""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from headstart.datasets import bids, flat, natural, phantom, released
from headstart.datasets.scan import Layout, Scan, check_file
from headstart.job import UserError

LAYOUTS = {
    "phantom": Layout(phantom.scans, "people", frozenset({"people", "target", "slice_mm"})),
    "bids": Layout(
        bids.scans,
        "sub-*/anat/*_T1w.nii.gz",
        frozenset({"folder", "labels", "labels_suffix", "acquisition", "several", "participants"}),
    ),
    "flat": Layout(
        flat.scans,
        "files that match its pattern",
        frozenset({"folder", "pattern", "labels", "labels_pattern", "masks", "participants"}),
    ),
    "atlas-r1": Layout(released.atlas_r1, "*_t1w*.nii.gz", frozenset({"folder"})),
    "lesjak": Layout(released.lesjak, "patient01/*T1W.nii.gz", frozenset({"folder", "participants"})),
    "miccai2012": Layout(released.miccai2012, "1000_SS.nii.gz", frozenset({"folder"})),
    "oasis1": Layout(released.oasis1, "OAS1_0001_MR1/", frozenset({"folder", "image", "participants"})),
    **natural.LAYOUTS,
}
_PARTICULAR = frozenset().union(*(layout.keys for layout in LAYOUTS.values()))


def scans(name: str, entry: Mapping, made: str | os.PathLike, data: str | os.PathLike | None) -> list[Scan]:
    """The scans of a dataset, ordered by subject.

    ``entry``: the dataset's part of the configuration; ``made``: folder in which made-up datasets appear; ``data``:
    folder that holds the real ones. Raises :class:`UserError` when a folder is missing, nothing is found, two scans
    have one name, or a file cannot be read; files of scans that the entry excludes are not looked at.
    """
    _check_keys(name, entry)
    real = entry["layout"] != "phantom"
    folder = _folder(name, entry, data) if real else Path(made) / name
    found = LAYOUTS[entry["layout"]].found(name, folder, entry)
    _check_names(name, found)
    _check_people(name, entry, found)
    kept = _selected(name, entry, found)
    if entry.get("mask_lesions") and (unmarked := [scan for scan in kept if not scan.target]):
        raise UserError(
            f"datasets.{name}.mask_lesions: {unmarked[0].t1w} has no lesion mask; exclude it, or remove mask_lesions."
        )
    if real:
        for scan in kept:
            for path in (scan.t1w, *scan.target):
                check_file(path)
    # Persons known by their folder are named from the data folder on, so that studies read the same on any machine.
    root = f"{Path(data).resolve()}{os.sep}" if data else ""
    return [dataclasses.replace(scan, person=scan.person.removeprefix(root)) for scan in kept]


def natural_folder(name: str, entry: Mapping, data: str | os.PathLike | None) -> Path | None:
    """The folder of a dataset of natural images, None for made-up ones.

    Raises :class:`UserError` for a mistake that shows from its entry.
    """
    _check_keys(name, entry)
    if "pictures" not in entry:
        raise UserError(f"datasets.{name} has no pictures; say how many to use.")
    return None if entry["layout"] == "scenes" else _folder(name, entry, data)


def _check_keys(name: str, entry: Mapping) -> None:
    """A key that the entry's layout would not look at is a mistake."""
    layout = LAYOUTS[entry["layout"]]
    for key in entry:
        if key in _PARTICULAR - layout.keys:
            takers = [other for other, candidate in LAYOUTS.items() if key in candidate.keys]
            raise UserError(
                f"datasets.{name}.{key} is for the layout {' or '.join(takers)}, not {entry['layout']}; remove it."
            )


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


def _check_names(name: str, found: list[Scan]) -> None:
    """Each scan needs a name of its own, of letters and digits."""
    named: dict[str, Scan] = {}
    for scan in found:
        if not scan.subject:
            raise UserError(f"datasets.{name}: {scan.t1w} has no letter or digit in its subject; rename it.")
        if named.setdefault(scan.subject, scan) is not scan:
            raise UserError(
                f"datasets.{name}: {named[scan.subject].t1w} and {scan.t1w} are both subject {scan.subject!r} (letters "
                "A to Z and digits alone count); rename one, or move it away."
            )


def _check_people(name: str, entry: Mapping, found: list[Scan]) -> None:
    """A table that the entry names must tell something: a name that does not fit would pass for an unknown age."""
    named = entry.get("participants", {})
    if "file" in named and "site" not in named and all(scan.age is None and scan.sex is None for scan in found):
        raise UserError(
            f"datasets.{name}.participants: {named['file']} tells neither age nor sex of any person, such as "
            f"{Path(found[0].person).name!r}; check its columns, and that names there are those of the files."
        )


def _selected(name: str, entry: Mapping, found: list[Scan]) -> list[Scan]:
    known = {scan.subject for scan in found}
    wanted = set(entry.get("include", known))
    for key, given in (("include", wanted), ("exclude", set(entry["exclude"]))):
        if unknown := sorted(given - known):
            raise UserError(f"datasets.{name}.{key} names {', '.join(unknown)}, which the folder lacks; correct it.")
    kept = [scan for scan in found if scan.subject in wanted and scan.subject not in entry["exclude"]]
    if not kept:
        raise UserError(f"datasets.{name} has no scans; check its folder, include and exclude.")
    return sorted(kept, key=lambda scan: scan.subject)
