r"""Any folder of images whose names say whose they are, told by a regular expression.

IXI (``IXI002-Guys-0828-T1.nii.gz``): ``(?P<subject>IXI\d+)-(?P<site>\w+)-\d+-T1\.nii\.gz``; docs/data.md has more.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from headstart.datasets import participants
from headstart.datasets.scan import Scan, labels_folder, subject_of, walked
from headstart.job import UserError

USUAL = {"subject": "participant_id"}


def scans(name: str, folder: Path, entry: Mapping) -> list[Scan]:
    """One scan for each file whose path within the folder ``pattern`` matches as a whole."""
    if "pattern" not in entry:
        raise UserError(f"datasets.{name} has the layout flat but no pattern; say how its images are named.")
    pattern = _compiled(name, "pattern", entry)
    known = participants.read(folder, entry, USUAL)
    paths = [(path, path.relative_to(folder).as_posix()) for path in walked(folder)]
    labels, told = _labels(name, folder, entry)
    masks = entry.get("masks", False)
    found = []
    for path, within in paths:
        if match := pattern.fullmatch(within):
            groups = {"session": None, "site": None, **match.groupdict()}
            target = tuple(labels.get(tuple(groups[key] for key in told), ()))
            if len(target) > 1 and not masks:
                raise UserError(
                    f"{target[0]} and {target[1].name} both label {path}; narrow datasets.{name}.labels_pattern, or "
                    "say masks: true if they are parts of one lesion."
                )
            about = known.of(groups["subject"])
            found.append(
                Scan(
                    name,
                    subject_of(groups["subject"], groups["session"]),
                    str(folder.resolve() / groups["subject"]),
                    path,
                    target,
                    masks=masks,
                    session=groups["session"],
                    **about | {"site": groups["site"] or about["site"]},
                )
            )
    if found and "labels_pattern" in entry and not any(scan.target for scan in found):
        raise UserError(f"datasets.{name}.labels_pattern matches no labels of any scan; correct it.")
    return found


def _labels(name: str, folder: Path, entry: Mapping) -> tuple[dict[tuple, list[Path]], list[str]]:
    """The label files by what their names tell of the scan, and which groups tell it."""
    within = labels_folder(name, folder, entry, "labels_pattern") or folder
    if "labels_pattern" not in entry:
        return {}, []
    pattern = _compiled(name, "labels_pattern", entry)
    told = [key for key in ("subject", "session") if key in pattern.groupindex]
    labels = defaultdict(list)
    for path in walked(within):
        if match := pattern.fullmatch(path.relative_to(within).as_posix()):
            labels[tuple(match[key] for key in told)].append(path)
    return labels, told


def _compiled(name: str, key: str, entry: Mapping) -> re.Pattern:
    try:
        pattern = re.compile(entry[key])
    except re.error as error:
        raise UserError(f"datasets.{name}.{key} is no regular expression ({error}); correct it.") from None
    if "subject" not in pattern.groupindex:
        raise UserError(f"datasets.{name}.{key} has no group (?P<subject>...); put it around what names the person.")
    return pattern
