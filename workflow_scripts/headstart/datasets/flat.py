r"""Any folder of images whose names identify the subject, by a regular expression.

IXI (``IXI002-Guys-0828-T1.nii.gz``): ``(?P<subject>IXI\d+)-(?P<site>\w+)-\d+-T1\.nii\.gz``; docs/data.md has more.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from headstart.datasets import participants
from headstart.datasets.scan import Scan, labels_folder, subject_label, walk_files
from headstart.job import UserError


def scans(name: str, folder: Path, entry: Mapping) -> list[Scan]:
    """One scan per file whose whole path within the folder ``pattern`` of the entry matches."""
    if "pattern" not in entry:
        raise UserError(f"datasets.{name} has the layout flat but no pattern; say how its images are named.")
    pattern = _compiled(name, "pattern", entry)
    table = participants.read(folder, entry, {"subject": "participant_id"})
    paths = [(path, path.relative_to(folder).as_posix()) for path in walk_files(folder)]
    labels, label_keys = _labels(name, folder, entry)
    masks = entry["masks"]
    found = []
    for path, within in paths:
        if match := pattern.fullmatch(within):
            groups = {"session": None, "site": None, **match.groupdict()}
            target = tuple(labels.get(tuple(groups[key] for key in label_keys), ()))
            if len(target) > 1 and not masks:
                raise UserError(
                    f"{target[0]} and {target[1].name} both label {path}; narrow datasets.{name}.labels_pattern, or "
                    "set masks: true if they are parts of one lesion."
                )
            about = table.of(groups["subject"])
            found.append(
                Scan(
                    name,
                    subject_label(groups["subject"], groups["session"]),
                    str(folder.resolve() / groups["subject"]),
                    path,
                    target,
                    masks=masks,
                    session=groups["session"],
                    **about | {"site": groups["site"] or about["site"]},
                )
            )
    if found and "labels_pattern" in entry and not any(scan.target for scan in found):
        raise UserError(f"datasets.{name}.labels_pattern matches the labels of no scan; correct it.")
    return found


def _labels(name: str, folder: Path, entry: Mapping) -> tuple[dict[tuple, list[Path]], list[str]]:
    """The label files by subject, and by session if their names have one; and which of these are the keys."""
    within = labels_folder(name, folder, entry, "labels_pattern") or folder
    if "labels_pattern" not in entry:
        return {}, []
    pattern = _compiled(name, "labels_pattern", entry)
    keys = [key for key in ("subject", "session") if key in pattern.groupindex]
    labels = defaultdict(list)
    for path in walk_files(within):
        if match := pattern.fullmatch(path.relative_to(within).as_posix()):
            labels[tuple(match[key] for key in keys)].append(path)
    return labels, keys


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
