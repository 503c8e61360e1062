"""The table of layouts, and from a dataset's entry in the configuration to its list of scans.

Only names and paths are examined here, so that a workflow is planned quickly.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from headstart.datasets import bids, derivatives, flat, natural, participants, phantom, released, synthetic
from headstart.datasets.scan import Layout, Scan, check_file, image_names, image_word, in_data, some_file
from headstart.job import UserError, logger, shown

# Keys of several layouts of scans.
_OF_A_FOLDER, _OF_IMAGES = frozenset({"folder", "set"}), frozenset({"images", "missing"})
_OF_BIDS = frozenset(
    {"image_entities", "labels", "labels_suffix", "acquisition", "entities", "several", "participants"}
)

LAYOUTS = {
    "phantom": Layout(phantom.scans, "people", frozenset({"people", "target", "slice_mm", "images"})),
    "bids": Layout(
        bids.scans,
        "sub-*/anat/*_{first}.nii.gz",
        _OF_A_FOLDER | _OF_IMAGES | _OF_BIDS,
        bids.PARTICIPANTS,
        bids.unread,
        "people or sessions without a {first} that is read",
        bids.session_tables,
    ),
    "flat": Layout(
        flat.scans,
        "files that match its pattern",
        _OF_A_FOLDER | _OF_IMAGES | {"pattern", "patterns", "labels", "labels_pattern", "masks", "participants"},
        {"subject": "participant_id"},
        flat.unread,
        "images that match no pattern and are not read",
    ),
    "atlas-r1": Layout(
        released.atlas_r1,
        "*_t1w*.nii.gz",
        _OF_A_FOLDER,
        unread=released.atlas_r1_unread,
        unread_are="images that are neither a T1 nor its lesions by their names and are not read",
    ),
    "lesjak": Layout(
        released.lesjak,
        "patient01/*{first}.nii.gz",
        _OF_A_FOLDER | _OF_IMAGES | {"participants"},
        released.LESJAK_TABLE,
        released.lesjak_unread,
    ),
    "miccai2012": Layout(
        released.miccai2012,
        "1000_SS.nii.gz or 1000_3.nii.gz",
        _OF_A_FOLDER,
        unread=released.miccai2012_unread,
    ),
    "oasis1": Layout(
        released.oasis1,
        "OAS1_0001_MR1/",
        _OF_A_FOLDER | {"image", "participants"},
        released.OASIS1_TABLE,
        released.oasis1_unread,
        "visits without the image asked for",
    ),
    **natural.LAYOUTS,
    **synthetic.LAYOUTS,
}
# The keys that not every layout accepts.
_LAYOUT_KEYS = frozenset().union(*(layout.keys for layout in LAYOUTS.values()))
# People and images that a message names.
_NAMED = 5


def scans(
    name: str,
    entry: Mapping,
    phantoms: str | os.PathLike,
    data: str | os.PathLike | None,
    say: Callable[[str], None] = logger.warning,
    drop: Callable[[Scan, str], None] = lambda scan, image: None,
) -> list[Scan]:
    """The scans of a dataset, ordered by subject.

    ``entry``: the dataset's part of the configuration; ``phantoms``: folder in which synthetic datasets are generated;
    ``data``: folder of the real ones; ``say`` is called with a sentence about people and images that are not read or
    scans that are left out, and one about each thing in the table of participants that is not clear; ``drop`` with each
    scan that is left out and the image that it lacks. Raises :class:`UserError` if a folder is missing, nothing is
    found, two scans have the same name, a scan lacks one of the entry's images, or a file cannot be read; files of
    scans that the entry excludes are not examined.
    """
    _check_keys(name, entry)
    layout = LAYOUTS[entry["layout"]]
    real = entry["layout"] != "phantom"
    folder = _folder(name, entry, data) if real else Path(phantoms) / name
    found = layout.find(name, folder, entry)
    table = None if layout.table is None else participants.read(folder, entry, layout.table)
    _check_names(name, found)
    if layout.unread and "include" not in entry and (unread := layout.unread(folder, entry, found)):
        what = layout.unread_are.format(first=image_word(image_names(entry)[0]))
        say(f"datasets.{name}: {what}: {_named(folder, unread)}; docs/data.md has the names that are read.")
    kept = _with_images(name, entry, _select(name, entry, found), say, drop)
    if layout.session_tables:
        table.add_sessions(*participants.read_sessions(layout.session_tables(kept), entry))
    if table is not None:
        kept = _with_demographics(name, entry, table, kept, say)
    if entry.get("mask_lesions") and (unmarked := [scan for scan in kept if not scan.target]):
        raise UserError(
            f"datasets.{name}.mask_lesions: {unmarked[0].first} has no lesion mask; exclude it, or remove mask_lesions."
        )
    if real:
        for scan in kept:
            derivatives.check_subject(scan, phantoms)
            for path in scan.files:
                check_file(path)
    # Persons identified by their folder are named relative to the data folder, so that a study is the same anywhere.
    if not data:
        return kept
    root = f"{Path(data).resolve()}{os.sep}"
    return [dataclasses.replace(scan, person=scan.person.removeprefix(root)) for scan in kept]


def natural_folder(name: str, entry: Mapping, data: str | os.PathLike | None) -> Path | None:
    """The folder of a dataset of natural images, None if these are synthetic.

    Raises :class:`UserError` for a mistake that shows in its entry.
    """
    _check_keys(name, entry)
    if "pictures" not in entry:
        raise UserError(f"datasets.{name} has no pictures; say how many to use.")
    return None if entry["layout"] == "scenes" else _folder(name, entry, data)


def heads(name: str, entry: Mapping) -> list[str]:
    """The names of the drawn heads of a dataset that has nothing but their label maps.

    Raises :class:`UserError` for a mistake that shows in its entry.
    """
    _check_keys(name, entry)
    if "include" in entry or entry["exclude"]:
        raise UserError(f"datasets.{name}: synthetic heads are not chosen by name; give their number, people.")
    return synthetic.heads(name, entry)


def _check_keys(name: str, entry: Mapping) -> None:
    """Raise :class:`UserError` for a key that the entry's layout does not use."""
    layout = LAYOUTS[entry["layout"]]
    for key in entry:
        if key in _LAYOUT_KEYS - layout.keys:
            takers = [other for other, candidate in LAYOUTS.items() if key in candidate.keys]
            raise UserError(
                f"datasets.{name}.{key} is for the layout {' or '.join(takers)}, not {entry['layout']}; remove it."
            )
    if entry["layout"] == "flat" and "mask_above" in entry and not entry.get("masks"):
        raise UserError(
            f"datasets.{name}.mask_above is for masks, and without masks: true the labels of the layout flat are label "
            "maps; add masks: true, or remove it."
        )


def _folder(name: str, entry: Mapping, data: str | os.PathLike | None) -> Path:
    if "folder" not in entry:
        raise UserError(f"datasets.{name} has no folder; give the one with its scans.")
    folder = in_data(f"datasets.{name}.folder", entry["folder"], data)
    if not folder.is_dir():
        raise UserError(f"datasets.{name}: the folder {folder} does not exist; check datasets.{name}.folder.")
    return folder


def _check_names(name: str, found: list[Scan]) -> None:
    """Raise :class:`UserError` unless each scan has a name, and no other scan has the same."""
    named: dict[str, Scan] = {}
    for scan in found:
        if not scan.subject:
            raise UserError(f"datasets.{name}: {scan.first} has no letter or digit in its subject; rename it.")
        if named.setdefault(scan.subject, scan) is not scan:
            raise UserError(
                f"datasets.{name}: {named[scan.subject].first} and {scan.first} are both subject {scan.subject!r} "
                "(only the letters A to Z and digits count); rename one, or move it away."
            )


def _named(folder: Path, unread: Sequence[Path]) -> str:
    """How many paths there are, the first of them, and for folders an image that each has."""
    named = []
    for path in unread[:_NAMED]:
        there = some_file(path) if path.is_dir() else None
        named.append(f"{path.relative_to(folder)}" + (f" with {there.relative_to(path)}" if there else ""))
    return f"{len(unread)} ({shown([*named, *unread[_NAMED:]], _NAMED)})"


def _with_demographics(
    name: str, entry: Mapping, table: participants.Demographics, kept: list[Scan], say: Callable[[str], None]
) -> list[Scan]:
    """The scans with what the table of participants tells about them, where their layout does not.

    Raises :class:`UserError` for a table that fits no scan: all ages would pass for unknown.
    """
    told = [
        dataclasses.replace(
            scan,
            **{
                key: value
                for key, value in table.of(scan.listed_as, scan.session).items()
                if getattr(scan, key) is None
            },
        )
        for scan in kept
    ]
    remarks = table.remarks(kept)
    details = f" ({'; '.join(remarks)})" if remarks else ""
    named = entry.get("participants", {})
    if "file" in named and "site" not in named and all(scan.age is None and scan.sex is None for scan in told):
        raise UserError(
            f"datasets.{name}.participants: {named['file']} has neither age nor sex of any participant, such as "
            f"{told[0].listed_as!r}; check its columns, and that names there are those of the files"
            f"{details}."
        )
    for sentence in remarks:
        say(f"datasets.{name}: {sentence}.")
    return told


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


def _with_images(
    name: str, entry: Mapping, kept: list[Scan], say: Callable[[str], None], drop: Callable[[Scan, str], None]
) -> list[Scan]:
    """The scans that have all images of the entry; raises :class:`UserError` unless the others may be left out."""
    lacking = {}
    for scan in kept:
        if missing := [image for image in image_names(entry) if image not in scan.images]:
            lacking[scan.subject] = missing[0]
    if not lacking:
        return kept
    named = shown(f"{subject} ({image})" for subject, image in lacking.items())
    some = f"{len(lacking)} of {len(kept)} scans lack an image: {named}"
    if entry.get("missing") != "drop" or len(lacking) == len(kept):
        raise UserError(
            f"datasets.{name}: {some}; check the names of the files against datasets.{name}.images (image_entities, "
            "patterns), add them, or leave such scans out with missing: drop."
        )
    say(f"datasets.{name}: {some}; left out (missing: drop).")
    for scan in kept:
        if scan.subject in lacking:
            drop(scan, lacking[scan.subject])
    return [scan for scan in kept if scan.subject not in lacking]
