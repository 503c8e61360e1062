r"""Any folder of images whose names identify the subject, by a regular expression.

IXI (``IXI002-Guys-0828-T1.nii.gz``): ``(?P<subject>IXI\d+)-(?P<site>\w+)-\d+-T1\.nii\.gz``; docs/data.md has more.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from headstart.datasets.scan import Scan, is_image, labels_folder, subject_label, walk_files
from headstart.job import UserError

# The ending of a file's name, with that of its packing.
_ENDING = re.compile(r"(\.[A-Za-z]+)+$")


def scans(name: str, folder: Path, entry: Mapping) -> list[Scan]:
    """One scan per file whose whole path within the folder ``pattern`` of the entry matches."""
    if "pattern" not in entry:
        raise UserError(f"datasets.{name} has the layout flat but no pattern; say how its images are named.")
    pattern = _compiled(name, "pattern", entry)
    labels, label_keys = _labels(name, folder, entry)
    masks = entry["masks"]
    found = []
    for path in walk_files(folder):
        if match := _match(pattern, path, folder):
            groups = {"session": None, "site": None, **match.groupdict()}
            target = tuple(labels.get(tuple(groups[key] for key in label_keys), ()))
            if len(target) > 1 and not masks:
                raise UserError(
                    f"{target[0]} and {target[1].name} both label {path}; narrow datasets.{name}.labels_pattern, or "
                    "set masks: true if they are parts of one lesion."
                )
            found.append(
                Scan(
                    name,
                    subject_label(groups["subject"], groups["session"]),
                    str(folder.resolve() / groups["subject"]),
                    path,
                    target,
                    masks=masks,
                    session=groups["session"],
                    site=groups["site"],
                    listed_as=groups["subject"],
                )
            )
    if found and "labels_pattern" in entry and not any(scan.target for scan in found):
        raise UserError(f"datasets.{name}.labels_pattern matches the labels of no scan; correct it.")
    return found


def unread(folder: Path, entry: Mapping, found: Sequence[Scan]) -> list[Path]:
    """The images in the folder that are neither a scan nor its labels."""
    read = {path for scan in found for path in (scan.t1w, *scan.target)}
    return [path for path in walk_files(folder) if is_image(path) and path not in read]


def _labels(name: str, folder: Path, entry: Mapping) -> tuple[dict[tuple, list[Path]], list[str]]:
    """The label files by subject, and by session if their names have one; and which of these are the keys."""
    within = labels_folder(name, folder, entry, "labels_pattern") or folder
    if "labels_pattern" not in entry:
        return {}, []
    pattern = _compiled(name, "labels_pattern", entry)
    keys = [key for key in ("subject", "session") if key in pattern.groupindex]
    labels = defaultdict(list)
    for path in walk_files(within):
        if match := _match(pattern, path, within):
            labels[tuple(match[key] for key in keys)].append(path)
    return labels, keys


def _match(pattern: re.Pattern, path: Path, folder: Path) -> re.Match | None:
    """The match of a path within a folder, as it is or with its ending in small letters (``.NII.GZ``)."""
    within = path.relative_to(folder).as_posix()
    if (match := pattern.fullmatch(within)) or within.endswith((".nii", ".nii.gz")):
        return match
    return pattern.fullmatch(_ENDING.sub(lambda end: end[0].lower(), within))


def _compiled(name: str, key: str, entry: Mapping) -> re.Pattern:
    try:
        pattern = re.compile(entry[key])
    except re.error as error:
        raise UserError(f"datasets.{name}.{key} is not a regular expression ({error}); correct it.") from None
    if "subject" not in pattern.groupindex:
        raise UserError(
            f"datasets.{name}.{key} has no group (?P<subject>...); put it around the part that names the subject."
        )
    return pattern
