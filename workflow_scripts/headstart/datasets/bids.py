"""Raw BIDS datasets with labels in a derivative (Brain Imaging Data Structure 1.10, bids-specification.readthedocs.io).

ATLAS R2.0 and R3 (Liew 2022, doi 10.1038/s41597-022-01401-7) have this layout, in the training set of the challenge
with a folder for each site around the subjects: ``R001/sub-r001s001/ses-1/anat/``.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from headstart.datasets import bids_labels
from headstart.datasets.bids_names import agree, entities, stem
from headstart.datasets.scan import Scan, find_files, find_folders, only_t1, subject_label
from headstart.job import UserError

# The table of participants that BIDS prescribes.
PARTICIPANTS = {"file": "participants.tsv", "subject": "participant_id"}
_NOT_SITES = {"derivatives", "sourcedata", "code", "phenotype"}
# Parts of a complex image that are no anatomy.
_NOT_MAGNITUDE = ("phase", "real", "imag")


def scans(name: str, folder: Path, entry: Mapping) -> list[Scan]:
    """One scan per session that has a T1, and one per subject with a T1 outside its sessions.

    These are ``sub-*/[ses-*/]anat/*_T1w.nii[.gz]``; capitals in endings and in the names of folders do not matter.
    """
    wanted = _wanted(entry)
    labels = bids_labels.Labels(name, folder, entry)
    found = []
    for subject in _subjects(folder):
        person = subject.name[len("sub-") :]
        for place in find_folders(subject, "anat|ses-.+"):
            session = None if place.name.casefold() == "anat" else place.name[len("ses-") :]
            anat = [place] if session is None else find_folders(place, "anat")
            if not (paths := [path for inner in anat for path in _t1s(inner, wanted)]):
                continue
            label = subject_label(person, session)
            # An excluded scan is only listed; nothing has to be chosen for it.
            excluded = label in entry["exclude"]
            t1w = _chosen(name, paths, first=excluded or entry.get("several") == "first")
            target = () if excluded else labels.of(t1w)
            found.append(
                Scan(
                    name,
                    label,
                    str(subject.resolve()),
                    t1w,
                    target,
                    masks=bool(target) and all(map(bids_labels.is_mask, target)),
                    session=session,
                    site=None if subject.parent == folder else subject.parent.name,
                    listed_as=person,
                )
            )
    if not found and (wanted.keys() - {"suffix"}) and _subjects(folder):
        named = "".join(f"_{key}-{value}" for key, value in wanted.items() if key != "suffix" and value is not None)
        raise UserError(
            f"datasets.{name}: {folder} has nothing like sub-*/anat/*{named}_{wanted['suffix']}.nii.gz; check folder "
            f"and layout, and datasets.{name}.{'acquisition' if 'acquisition' in entry else 'entities'}."
        )
    labels.check_found(found)
    return found


def unread(folder: Path, entry: Mapping, found: Sequence[Scan]) -> list[Path]:
    """The subjects' folders that gave no scan."""
    # The T1 is in the subject's folder anat, or in that of a session.
    sessions = {os.path.dirname(os.path.dirname(scan.t1w)) for scan in found}
    read = sessions | {os.path.dirname(session) for session in sessions}
    return [subject for subject in _subjects(folder) if str(subject) not in read]


def _subjects(folder: Path) -> list[Path]:
    """The subjects' folders, directly in the dataset or in a folder for each site."""
    return find_folders(folder, "sub-.+") or [
        subject
        for site in find_folders(folder)
        if site.name.casefold() not in _NOT_SITES
        for subject in find_folders(site, "sub-.+")
    ]


def _wanted(entry: Mapping) -> dict[str, str | None]:
    """The values of entities that a T1's name must have, None for an entity that it must not have; and its suffix."""
    wanted = {key: None if value is None else str(value) for key, value in entry.get("entities", {}).items()}
    if "acquisition" in entry:
        wanted["acq"] = entry["acquisition"]
    return {"suffix": "T1w", **wanted}


def _t1s(anat: Path, wanted: Mapping[str, str | None]) -> list[Path]:
    """The images of a session that can be its T1: with the wanted entities, and no phase images unless asked for."""
    found = []
    for path, _ in find_files(anat, rf".+_{re.escape(wanted['suffix'])}\.nii(\.gz)?"):
        named = entities(path)
        fits = all(agree(key, named.get(key), value) for key, value in wanted.items() if key != "suffix")
        if fits and ("part" in wanted or named.get("part") not in _NOT_MAGNITUDE):
            found.append(path)
    return found


def _chosen(name: str, paths: list[Path], first: bool) -> Path:
    """The T1 among those of a session; raises :class:`UserError` with a key that chooses unless the first will do."""
    if first:
        return min(paths, key=_natural_order)
    if len(paths) == 1:
        return paths[0]
    one, two = (entities(path) for path in paths[:2])
    differ = [key for key in {**one, **two} if one.get(key) != two.get(key)]
    if not differ:
        return only_t1(paths, "keep one")
    either = " or ".join(f"{{{differ[0]}: {named.get(differ[0], 'null')}}}" for named in (one, two))
    return only_t1(paths, f"choose with datasets.{name}.entities, {either}, or take the first with several: first")


def _natural_order(path: Path) -> list:
    """Key that sorts run-2 before run-10, and a name without further entities first, whatever case its suffix has."""
    *named, suffix = stem(path).split("_")
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", "_".join([*named, suffix.upper()]))]
