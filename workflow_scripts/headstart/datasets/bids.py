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
from headstart.datasets.scan import (
    Scan,
    alphanumeric,
    find_files,
    find_folders,
    image_names,
    image_word,
    is_image,
    list_folder,
    only_image,
    some_file,
    subject_label,
)
from headstart.job import UserError

# The table of participants that BIDS prescribes.
PARTICIPANTS = {"file": "participants.tsv", "subject": "participant_id"}
_NOT_SITES = {"derivatives", "sourcedata", "code", "phenotype"}
# Parts of a complex image that are no anatomy.
_NOT_MAGNITUDE = ("phase", "real", "imag")
# Values that can stand in the configuration without quotes, unless YAML takes them for truth values or for nothing.
_UNQUOTED = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)(?:[a-z]+|[1-9][0-9]*)", re.IGNORECASE)


def scans(name: str, folder: Path, entry: Mapping) -> list[Scan]:
    """One scan per session that has the first image, and one per subject with one outside its sessions.

    A T1 is ``sub-*/[ses-*/]anat/*_T1w.nii[.gz]``; capitals in endings and in the names of folders do not matter.
    """
    first_name = image_names(entry)[0]
    if unknown := sorted(entry.get("image_entities", {}).keys() - set(image_names(entry)[1:])):
        raise UserError(
            f"datasets.{name}.image_entities names {unknown[0]}, which is no further image of datasets.{name}.images; "
            f"correct it (entities is for the {image_word(first_name)})."
        )
    wanted = _wanted(entry)
    labels = bids_labels.Labels(name, folder, entry)
    found = []
    for subject in _subjects(folder):
        person = subject.name[len("sub-") :]
        for place in find_folders(subject, "anat|ses-.+"):
            session = None if place.name.casefold() == "anat" else place.name[len("ses-") :]
            anat = [place] if session is None else find_folders(place, "anat")
            if not (paths := [path for inner in anat for path in _images(inner, wanted)]):
                continue
            label = subject_label(person, session)
            # An excluded scan is only listed; nothing has to be chosen for it.
            excluded = label in entry["exclude"]
            first = _chosen(
                paths,
                f"datasets.{name}.entities",
                any_will_do=excluded or entry.get("several") == "first",
                image=image_word(first_name),
            )
            others = {} if excluded else _others(name, entry, anat)
            for path in () if excluded else (first, *others.values()):
                _check_place(path, person, session)
            target = () if excluded else labels.of(first)
            found.append(
                Scan(
                    name,
                    label,
                    str(subject.resolve()),
                    first,
                    target,
                    others=others,
                    masks=bool(target) and all(map(bids_labels.is_mask, target)),
                    session=session,
                    site=None if subject.parent == folder else subject.parent.name,
                    listed_as=person,
                    first_name=first_name,
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
    """The people that gave no scan, and the sessions with an anatomy that gave none though others of the person did.

    People are also images and folders whose names begin like a person's, and those in other folders beside people.
    """
    # The first image is in the subject's folder anat, or in that of a session.
    sessions = {os.path.dirname(os.path.dirname(scan.first)) for scan in found}
    read = sessions | {os.path.dirname(session) for session in sessions}
    subjects = _subjects(folder)
    known = {subject.name for subject in subjects}
    sites = {subject.parent for subject in subjects}
    people = [
        *subjects,
        *(person for person in _in_sites(folder) if person.name not in known),
        *(path for path in find_folders(folder, "sub(?!-).+") if path not in sites and _holds_image(path)),
        *(path for path, _ in find_files(folder, "sub-.+") if is_image(path)),
    ]
    unread_sessions = (
        session
        for subject in subjects
        if str(subject) in read
        for session in find_folders(subject, "ses.+")
        if str(session) not in read and _has_anatomy(session)
    )
    return [*(person for person in people if str(person) not in read), *unread_sessions]


def session_tables(scans: Sequence[Scan]) -> dict[str, Path]:
    """Where BIDS has a table of the sessions of a person, by ``listed_as`` of those scans that are of a session."""
    subjects = {scan.listed_as: scan.first.parents[2] for scan in scans if scan.session is not None}
    return {name: subject / f"{subject.name}_sessions.tsv" for name, subject in subjects.items()}


def _holds_image(folder: Path) -> bool:
    there = some_file(folder)
    return there is not None and is_image(there)


def _has_anatomy(session: Path) -> bool:
    return any(entry.name.casefold() == "anat" or is_image(Path(entry)) for entry in list_folder(session))


def _check_place(path: Path, person: str, session: str | None) -> None:
    """Raise :class:`UserError` if the name of an image is that of another person or session than its folder."""
    named = entities(path)
    for key, value in (("sub", person), ("ses", session)):
        if value is None or key not in named or f"{key}-{value}_".casefold() in path.name.casefold():
            continue
        # Zeros before a number do not make another person.
        one, other = (alphanumeric(text).casefold().lstrip("0") for text in (value, named[key]))
        if one != other:
            raise UserError(
                f"{path} is in the folder of {key}-{value}, but its name says {key}-{named[key]}; rename or move it, "
                "or exclude the scan."
            )


def _subjects(folder: Path) -> list[Path]:
    """The subjects' folders, directly in the dataset or in a folder for each site."""
    return find_folders(folder, "sub-.+") or _in_sites(folder)


def _in_sites(folder: Path) -> list[Path]:
    """The subjects' folders in the other folders of a dataset."""
    sites = (site for site in find_folders(folder, "(?!sub-).+") if site.name.casefold() not in _NOT_SITES)
    return [subject for site in sites for subject in find_folders(site, "sub-.+")]


def _wanted(entry: Mapping) -> dict[str, str | None]:
    """The entities that the first image's name must have, None for one that it must not have; and its suffix."""
    wanted = _as_text(entry.get("entities", {}))
    if "acquisition" in entry:
        wanted["acq"] = entry["acquisition"]
    return {**wanted, "suffix": wanted.get("suffix") or image_names(entry)[0]}


def _as_text(given: Mapping) -> dict[str, str | None]:
    """Values of entities, of which YAML takes some for numbers."""
    return {key: None if value is None else str(value) for key, value in given.items()}


def _others(name: str, entry: Mapping, anats: Sequence[Path]) -> dict[str, Path]:
    """The further images of a session that the entry names, by name; ``anats``: the session's folders of anatomy."""
    found = {}
    for image in image_names(entry)[1:]:
        wanted = {"suffix": image} | _as_text(entry.get("image_entities", {}).get(image, {}))
        if paths := [path for anat in anats for path in _images(anat, wanted)]:
            key = f"datasets.{name}.image_entities.{image}"
            found[image] = _chosen(paths, key, any_will_do=entry.get("several") == "first", image=image)
    return found


def _images(anat: Path, wanted: Mapping[str, str | None]) -> list[Path]:
    """The images of a session with the wanted entities and suffix, and no phase images unless asked for."""
    found = []
    for path, _ in find_files(anat, rf".+_{re.escape(wanted['suffix'])}\.nii(\.gz)?"):
        named = entities(path)
        fits = all(agree(key, named.get(key), value) for key, value in wanted.items() if key != "suffix")
        if fits and ("part" in wanted or named.get("part") not in _NOT_MAGNITUDE):
            found.append(path)
    return found


def _chosen(paths: list[Path], key: str, *, any_will_do: bool, image: str) -> Path:
    """The image of a session among several; raises :class:`UserError` unless any, the first by name, will do.

    ``key``: what chooses by entities, and ``image``: what the paths are, for the message.
    """
    if any_will_do:
        return min(paths, key=_natural_order)
    if len(paths) == 1:
        return paths[0]
    one, two = (entities(path) for path in paths[:2])
    differ = [key for key in {**one, **two} if not agree(key, one.get(key), two.get(key))]
    if not differ:
        return only_image(paths, "keep one", image)
    either = " or ".join(f"{{{differ[0]}: {_in_yaml(named.get(differ[0]))}}}" for named in (one, two))
    return only_image(paths, f"choose with {key}, {either}, or take the first with several: first", image)


def _in_yaml(value: str | None) -> str:
    """The value of an entity as the configuration must have it: text, or null for none."""
    return "null" if value is None else value if _UNQUOTED.fullmatch(value) else f'"{value}"'


def _natural_order(path: Path) -> list:
    """Key that sorts run-2 before run-10, and a name without further entities first, whatever case its suffix has."""
    *named, suffix = stem(path).split("_")
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", "_".join([*named, suffix.upper()]))]
