r"""Any folder of images whose names identify the subject, by a regular expression.

IXI (``IXI002-Guys-0828-T1.nii.gz``): ``(?P<subject>IXI\d+)-(?P<site>\w+)-\d+-T1\.nii\.gz``; docs/data.md has more.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from headstart.datasets.scan import (
    Scan,
    check_groups,
    image_names,
    is_image,
    labels_folder,
    name_pattern,
    only_image,
    subject_label,
    walk_files,
)
from headstart.job import UserError

# The ending of a file's name, with that of its packing.
_ENDING = re.compile(r"(\.[A-Za-z]+)+$")


def scans(name: str, folder: Path, entry: Mapping) -> list[Scan]:
    """One scan per first image, a file whose whole path within the folder ``pattern`` of the entry matches."""
    if "pattern" not in entry:
        raise UserError(f"datasets.{name} has the layout flat but no pattern; say how its images are named.")
    pattern = name_pattern(f"datasets.{name}.pattern", entry["pattern"])
    labels, label_keys = _labels(name, folder, entry)
    paths = list(walk_files(folder))
    further = _further(name, folder, entry, paths)
    masks = entry["masks"]
    found = []
    for path in paths:
        if match := _match(pattern, path, folder):
            groups = {"session": None, "site": None, **match.groupdict()}
            subject = subject_label(groups["subject"], groups["session"])
            target = tuple(labels.get(tuple(groups[key] for key in label_keys), ()))
            if len(target) > 1 and not masks:
                raise UserError(
                    f"{target[0]} and {target[1].name} both label {path}; narrow datasets.{name}.labels_pattern, or "
                    "set masks: true if they are parts of one lesion."
                )
            found.append(
                Scan(
                    name,
                    subject,
                    str(folder.resolve() / groups["subject"]),
                    path,
                    target,
                    others={
                        image: only_image(of_scan, f"narrow datasets.{name}.patterns.{image}", image)
                        for image, (files, keys) in further.items()
                        if subject not in entry["exclude"]
                        and (of_scan := files.get(tuple(groups[key] for key in keys)))
                    },
                    masks=masks,
                    session=groups["session"],
                    site=groups["site"],
                    listed_as=groups["subject"],
                    first_name=image_names(entry)[0],
                )
            )
    if found and "labels_pattern" in entry and not any(scan.target for scan in found):
        raise UserError(f"datasets.{name}.labels_pattern matches the labels of no scan; correct it.")
    return found


def unread(folder: Path, entry: Mapping, found: Sequence[Scan]) -> list[Path]:
    """The images in the folder that belong to no scan."""
    read = {path for scan in found for path in scan.files}
    return [path for path in walk_files(folder) if is_image(path) and path not in read]


def _labels(name: str, folder: Path, entry: Mapping) -> tuple[dict[tuple, list[Path]], list[str]]:
    """The label files by subject, and by session if their names have one; and which of these are the keys."""
    within = labels_folder(name, folder, entry, "labels_pattern") or folder
    if "labels_pattern" not in entry:
        return {}, []
    pattern = name_pattern(f"datasets.{name}.labels_pattern", entry["labels_pattern"])
    return _by_scan(pattern, within, walk_files(within))


def _further(
    name: str, folder: Path, entry: Mapping, paths: Sequence[Path]
) -> dict[str, tuple[dict[tuple, list[Path]], list[str]]]:
    """The files of each further image by subject and session, and which of these are the keys, by its name.

    ``paths``: all files in the folder.
    """
    wanted, patterns = image_names(entry)[1:], entry.get("patterns", {})
    for image in wanted:
        if image not in patterns:
            raise UserError(
                f"datasets.{name}.images names {image}, but datasets.{name}.patterns does not; say there how its files "
                "are named."
            )
    for image in patterns:
        if image not in wanted:
            raise UserError(
                f"datasets.{name}.patterns names {image}, which is no further image of datasets.{name}.images; add it "
                "there after the first, or remove it here."
            )
    return {
        image: _by_scan(name_pattern(f"datasets.{name}.patterns.{image}", patterns[image]), folder, paths)
        for image in wanted
    }


def _by_scan(pattern: re.Pattern, folder: Path, paths: Iterable[Path]) -> tuple[dict[tuple, list[Path]], list[str]]:
    """The files that a pattern matches, by subject and by session if it has one; and which of these are the keys."""
    keys = [key for key in ("subject", "session") if key in pattern.groupindex]
    found = defaultdict(list)
    for path in paths:
        if match := _match(pattern, path, folder):
            found[tuple(match[key] for key in keys)].append(path)
    return found, keys


def _match(pattern: re.Pattern, path: Path, folder: Path) -> re.Match | None:
    """The match of a path within a folder, as it is or with its ending in small letters (``.NII.GZ``)."""
    within = path.relative_to(folder).as_posix()
    match = pattern.fullmatch(within)
    if not match and not within.endswith((".nii", ".nii.gz")):
        match = pattern.fullmatch(_ENDING.sub(lambda end: end[0].lower(), within))
    return match and check_groups(match, ["subject"])
