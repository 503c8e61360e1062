"""The table of layouts, and from a dataset's entry in the configuration to its list of scans.

Only names and paths are examined here, so that a workflow is planned quickly.
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
# The keys that not every layout accepts.
_LAYOUT_KEYS = frozenset().union(*(layout.keys for layout in LAYOUTS.values()))


def scans(name: str, entry: Mapping, phantoms: str | os.PathLike, data: str | os.PathLike | None) -> list[Scan]:
    """The scans of a dataset, ordered by subject.

    ``entry``: the dataset's part of the configuration; ``phantoms``: folder in which synthetic datasets are generated;
    ``data``: folder of the real ones. Raises :class:`UserError` if a folder is missing, nothing is found, two scans
    have the same name, or a file cannot be read; files of scans that the entry excludes are not examined.
    """
    _check_keys(name, entry)
    real = entry["layout"] != "phantom"
    folder = _folder(name, entry, data) if real else Path(phantoms) / name
    found = LAYOUTS[entry["layout"]].find(name, folder, entry)
    _check_names(name, found)
    _check_participants(name, entry, found)
    kept = _select(name, entry, found)
    if entry.get("mask_lesions") and (unmarked := [scan for scan in kept if not scan.target]):
        raise UserError(
            f"datasets.{name}.mask_lesions: {unmarked[0].t1w} has no lesion mask; exclude it, or remove mask_lesions."
        )
    if real:
        for scan in kept:
            for path in (scan.t1w, *scan.target):
                check_file(path)
    # Persons identified by their folder are named relative to the data folder, so that a study is the same anywhere.
    root = f"{Path(data).resolve()}{os.sep}" if data else ""
    return [dataclasses.replace(scan, person=scan.person.removeprefix(root)) for scan in kept]


def natural_folder(name: str, entry: Mapping, data: str | os.PathLike | None) -> Path | None:
    """The folder of a dataset of natural images, None if these are synthetic.

    Raises :class:`UserError` for a mistake that shows in its entry.
    """
    _check_keys(name, entry)
    if "pictures" not in entry:
        raise UserError(f"datasets.{name} has no pictures; say how many to use.")
    return None if entry["layout"] == "scenes" else _folder(name, entry, data)


def _check_keys(name: str, entry: Mapping) -> None:
    """Raise :class:`UserError` for a key that the entry's layout does not use."""
    layout = LAYOUTS[entry["layout"]]
    for key in entry:
        if key in _LAYOUT_KEYS - layout.keys:
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
    """Raise :class:`UserError` unless each scan has a name, and no other scan has the same."""
    named: dict[str, Scan] = {}
    for scan in found:
        if not scan.subject:
            raise UserError(f"datasets.{name}: {scan.t1w} has no letter or digit in its subject; rename it.")
        if named.setdefault(scan.subject, scan) is not scan:
            raise UserError(
                f"datasets.{name}: {named[scan.subject].t1w} and {scan.t1w} are both subject {scan.subject!r} (only "
                "the letters A to Z and digits count); rename one, or move it away."
            )


def _check_participants(name: str, entry: Mapping, found: list[Scan]) -> None:
    """Raise :class:`UserError` for a table of participants that fits no scan: all ages would pass for unknown."""
    named = entry.get("participants", {})
    if "file" in named and "site" not in named and all(scan.age is None and scan.sex is None for scan in found):
        raise UserError(
            f"datasets.{name}.participants: {named['file']} has neither age nor sex of any participant, such as "
            f"{Path(found[0].person).name!r}; check its columns, and that names there are those of the files."
        )


def _select(name: str, entry: Mapping, found: list[Scan]) -> list[Scan]:
    """The scans that ``include`` and ``exclude`` of a dataset's entry leave, ordered by subject."""
    known = {scan.subject for scan in found}
    wanted = set(entry.get("include", known))
    for key, given in (("include", wanted), ("exclude", set(entry["exclude"]))):
        if unknown := sorted(given - known):
            raise UserError(f"datasets.{name}.{key} names {', '.join(unknown)}, which the folder lacks; correct it.")
    kept = [scan for scan in found if scan.subject in wanted and scan.subject not in entry["exclude"]]
    if not kept:
        raise UserError(f"datasets.{name} has no scans; check its folder, include and exclude.")
    return sorted(kept, key=lambda scan: scan.subject)
