"""Which scans and labels a folder holds, as the layouts ``bids`` and ``flat`` read them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from headstart import settings
from headstart.begin import flat_names, label_names
from headstart.datasets import bids, layouts
from headstart.datasets.scan import Scan, find_files, is_image, walk_files
from headstart.job import UserError

# Name of the dataset in the study.
DATASET = "scans"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """The scans of a folder, and how a study has to name them.

    entry: the keys of the dataset's entry that find them; scans: all of them, with labels or without.
    """

    entry: Mapping[str, object]
    scans: tuple[Scan, ...]

    @property
    def labelled(self) -> list[Scan]:
        """The scans that have label files."""
        return [scan for scan in self.scans if scan.target]


def look(study: str, folder: Path, given: Mapping, labels: str | None, say: Say) -> Found:
    """The scans of a folder and the entry of the dataset that reads them in a study.

    ``given``: keys of the entry that the user sets; ``labels``: which of several kinds of label files, by a part of
    their names; ``say`` is called with a sentence about each thing that was passed over or decided. Raises
    :class:`UserError` if there is no such folder, or it has no scans or no labels.
    """
    if not folder.is_dir():
        remedy = "give the folder that holds it" if folder.exists() else "correct FOLDER"
        raise UserError(f"the folder {folder} {'is a file' if folder.exists() else 'does not exist'}; {remedy}.")
    if "layout" in given or "folder" in given:
        raise UserError("ENTRY names a layout or a folder; leave these two out, they are found by themselves.")
    scans = [] if "pattern" in given else _bids_scans(study, folder, given)
    if "labels_suffix" in given and not scans and not {"pattern", "images"} & given.keys():
        raise UserError(
            f"ENTRY names labels_suffix, which is for BIDS, and {folder} has no sub-*/anat/*_T1w.nii.gz; give pattern "
            "and labels_pattern in its place (docs/data.md), or leave it out and say with LABELS=... what is in the "
            "names of label files."
        )
    of_bids = _bids_labels(folder, scans, given, labels, say)
    entry = {"layout": "bids" if of_bids else "flat", "folder": str(folder), **of_bids}
    if not of_bids and "labels_pattern" not in given:
        entry |= _flat_names(folder, scans, labels)
    found = _with_flair(study, Found(*_read(study, {**entry, **given}, say)), say)
    if not found.labelled:
        raise UserError(f"{folder} has {len(found.scans)} T1 scans and no labels of them; {_expected(found.scans[0])}.")
    return found


def completed(study: str, entry: Mapping) -> dict:
    """An entry with the defaults of all keys; raises :class:`UserError` for what no entry, or study's name, can be."""
    target = {"classes": {"lesion": [1]}, "metric": "dice", "test": 1, "sizes": [1], "resamples": 1, "steps": 1}
    smallest = {
        "study": study,
        "datasets": {DATASET: entry},
        "pretrain": {"sources": {"scratch": {}}},
        "targets": {"lesion": {"dataset": DATASET, **target}},
    }
    return settings.resolve("config.yaml", "rules/schemas/config.schema.yaml", smallest)["datasets"][DATASET]


def _bids_scans(study: str, folder: Path, given: Mapping) -> list[Scan]:
    """The scans of a folder by the layout ``bids``, without their labels; none if it is not BIDS."""
    entry = {"layout": "bids", "folder": str(folder), "several": "first"}
    kept = {key: given[key] for key in ("entities", "acquisition", "exclude") if key in given}
    return bids.scans(DATASET, folder, completed(study, entry | kept))


def _bids_labels(folder: Path, scans: list[Scan], given: Mapping, chosen: str | None, say: Say) -> dict[str, str]:
    """``labels_suffix`` and, if they are not in derivatives, ``labels`` of an entry; empty if there are no labels."""
    if "labels_suffix" in given:
        return {"labels_suffix": given["labels_suffix"]}
    for place in (given["labels"],) if "labels" in given else (None, "."):
        found = label_names.suffixes(DATASET, folder, scans, place)
        if chosen:
            exact = [suffix for suffix in found if suffix.casefold() == chosen.casefold()]
            alike = [suffix for suffix in found if chosen.casefold() in suffix.casefold()]
            found = {suffix: found[suffix] for suffix in exact or alike}
        # What only single scans have is no labelling.
        most = max(map(len, found.values()), default=0)
        kept = [suffix for suffix, of in found.items() if 10 * len(of) > most]
        if len(kept) > 1:
            raise UserError(
                f"{folder} has several kinds of label files ({_counted(found, kept)}); say which to use with "
                f"LABELS={min(kept)}, for instance."
            )
        if kept:
            # A suffix reads whatever ends in it, in any case.
            if dropped := [end for end in found if not f"_{end}".casefold().endswith(f"_{kept[0]}".casefold())]:
                united = label_names.united(DATASET, folder, scans, place, [*kept, *dropped])
                both = f"unite them with *_{kept[0]} by ENTRY='labels_suffix: {united}', or " if united else ""
                say(
                    f"label files of few scans were passed over: {_counted(found, dropped)}; {both}use them instead "
                    f"with LABELS={min(dropped)}."
                )
            return {"labels_suffix": kept[0]} | ({"labels": place} if place else {})
    return {}


def _counted(found: Mapping[str, list[Scan]], suffixes: Collection[str]) -> str:
    return ", ".join(f"*_{suffix} of {len(found[suffix])} scans" for suffix in suffixes)


def _flat_names(folder: Path, scans: list[Scan], chosen: str | None) -> dict[str, str]:
    """The patterns of a folder by its names; ``scans``: those that BIDS knows in it, without labels."""
    images = [path for path in walk_files(folder) if is_image(path)]
    try:
        return flat_names.patterns(folder, images, chosen)
    except UserError as error:
        # Else the names that BIDS has for labels are the better remedy.
        if not scans or isinstance(error, flat_names.SeveralLabelsError):
            raise
    named = f" with {chosen!r} in their names" if chosen else ""
    raise UserError(f"{folder} has {len(scans)} T1 scans and no label files{named}; {_expected(scans[0])}.")


def _with_flair(study: str, found: Found, say: Say) -> Found:
    """The same scans with their FLAIR images, if all of them have one and the user does not say which images to use.

    If only some have one that can be used, ``say`` is called with the reason for which none is.
    """
    if found.entry["layout"] != "bids" or "images" in found.entry:
        return found
    entry = {**found.entry, "images": ["T1w", "FLAIR"]}
    if not any(find_files(scan.first.parent, r".+_FLAIR\.nii(\.gz)?") for scan in found.scans):
        return found
    try:
        scans = layouts.scans(DATASET, completed(study, entry), f"results/{study}/datasets", None, lambda _: None)
    except UserError as error:
        say(f"T1 scans alone are used, without FLAIR: {error}")
        return found
    return Found(entry, tuple(scans))


def _expected(scan: Scan) -> str:
    """What label files have to be named like."""
    name = scan.first.name.partition("_T1w")[0] if "_T1w" in scan.first.name else f"sub-{scan.subject}"
    return (
        f"add them under names such as derivatives/labels/sub-.../anat/{name}_label-lesion_mask.nii.gz "
        "(0 and 1) or ..._dseg.nii.gz (a value for each class), or name them with ENTRY='labels_suffix: ...' "
        "(docs/data.md)"
    )


def _read(study: str, entry: Mapping, say: Say) -> tuple[Mapping, tuple[Scan, ...]]:
    """The entry that reads the scans, and these; of several T1 of a session the first is taken, and said."""
    tried: Collection[dict] = ({}, {"several": "first"}) if entry["layout"] == "bids" else ({},)
    errors = []
    for more in tried:
        notes: list[str] = []
        try:
            complete = completed(study, {**entry, **more})
            scans = layouts.scans(DATASET, complete, f"results/{study}/datasets", None, notes.append)
        except UserError as error:
            errors.append(error)
            continue
        if more:
            say(str(errors[0]).rstrip(".") + "; the first was taken.")
        for note in notes:
            say(note)
        return {**entry, **more}, tuple(scans)
    raise errors[0]
