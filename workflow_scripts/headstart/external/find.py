r"""The masks of competitors from elsewhere, found by the names of their files, and none of them missing.

A method that was trained on a study's training sets has one mask of each test scan per draw, which a pattern such as
``size-(?P<size>\d+)_resample-(?P<resample>\d+)/(?P<subject>\w+)\.nii\.gz`` tells. One that was not, such as a rater
or a network as it was published, has one mask of each test scan for all draws.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.datasets.scan import check_file, check_groups, in_data, name_pattern, subject_label, walk_files
from headstart.job import UserError

# Set size and resample.
Draw = tuple[int, int]
_GROUPS = {"subject", "session", "size", "resample"}


@dataclass(frozen=True)
class External:
    """A competitor of a target's sources.

    trained: whether it was trained on the study's training sets.
    masks: of each draw, the mask of each test scan by subject.
    values: values in the masks of each class, in the order of the target's classes; None: 1, 2, ... in this order.
    """

    name: str
    trained: bool
    masks: Mapping[Draw, Mapping[str, Path]]
    values: Mapping[str, Sequence[int]] | None

    @property
    def files(self) -> list[Path]:
        """All masks, each once."""
        return list(dict.fromkeys(path for of_draw in self.masks.values() for path in of_draw.values()))


def of_study(
    config: Mapping, tests: Mapping[tuple[str, int, int], Sequence[str]], data: str | os.PathLike | None
) -> tuple[dict[str, dict[str, External]], dict[str, bool]]:
    """The competitors of each target by name, and whether each of them was trained on the study's training sets.

    ``config``: resolved; ``tests``: the test scans of each target, set size and resample; ``data``: see :func:`find`.
    Raises :class:`UserError` for what :func:`find` refuses, and for names, classes or patterns that do not fit.
    """
    found: dict[str, dict[str, External]] = {}
    trained: dict[str, bool] = {}
    for target, asked in config["targets"].items():
        of_target = {tuple(draw): scans for (name, *draw), scans in tests.items() if name == target and draw[0]}
        found[target] = {}
        for name, entry in asked.get("external", {}).items():
            key = f"targets.{target}.external.{name}"
            if name in config["pretrain"]["sources"]:
                raise UserError(f"{key} has the name of a source (pretrain.sources); rename it.")
            if "classes" in entry and set(entry["classes"]) != set(asked["classes"]):
                named = ", ".join(asked["classes"])
                raise UserError(f"{key}.classes must name the target's classes, {named}; correct it.")
            external = find(target, name, entry, of_target, data)
            if trained.setdefault(name, external.trained) != external.trained:
                raise UserError(
                    f"{key} is trained on the study's training sets by its pattern in one target and not in another; "
                    "give it two names."
                )
            found[target][name] = external
    return found, trained


def find(
    target: str, name: str, entry: Mapping, tests: Mapping[Draw, Sequence[str]], data: str | os.PathLike | None
) -> External:
    """The masks of one competitor.

    Parameters
    ----------
    target, name
        Names of the target and of the competitor.
    entry
        ``targets.<target>.external.<name>`` of the configuration: ``folder``, ``pattern`` and, if given, ``classes``,
        values by name.
    tests
        The test scans of each draw with at least one training scan.
    data
        Folder to which ``folder`` may be relative.

    Raises
    ------
    UserError
        If the pattern is none, two files are of one scan, or the mask of a test scan is missing or cannot be read.
    """
    key = f"targets.{target}.external.{name}"
    pattern, folder = _compiled(f"{key}.pattern", entry["pattern"]), _folder(key, entry["folder"], data)
    trained = is_trained(entry)
    found = _by_name(pattern, folder, trained)
    wanted = {
        draw: {scan: found.get((*draw, scan) if trained else (scan,)) for scan in scans}
        for draw, scans in tests.items()
    }
    missing = [(draw, scan) for draw, of_draw in wanted.items() for scan, path in of_draw.items() if path is None]
    if missing:
        (size, resample), scan = missing[0]
        of_draw = f" for set size {size}, resample {resample}" if trained else ""
        count = len(missing) if trained else len({scan for _, scan in missing})
        more = f" (and {count - 1} more)" if count > 1 else ""
        raise UserError(
            f"{key}: {folder} has no mask of test scan {scan}{of_draw}{more}; add the masks, or correct "
            f"{key}.pattern{_example(folder, found)}."
        )
    for path in {path for of_draw in wanted.values() for path in of_draw.values()}:
        check_file(path)
    return External(name, trained, wanted, entry.get("classes"))


def is_trained(entry: Mapping) -> bool:
    """Whether a competitor was trained on the study's training sets, by the pattern of its entry."""
    return "(?P<size>" in entry["pattern"]


def _by_name(pattern: re.Pattern, folder: Path, trained: bool) -> dict[tuple, Path]:
    """The files that a pattern matches, by size and resample, if it has them, and subject."""
    found: dict[tuple, Path] = {}
    for path in walk_files(folder):
        if match := pattern.fullmatch(path.relative_to(folder).as_posix()):
            check_groups(match, set(pattern.groupindex) - {"session"})
            groups = {"session": None, **match.groupdict()}
            draw = (int(groups["size"]), int(groups["resample"])) if trained else ()
            place = (*draw, subject_label(groups["subject"], groups["session"]))
            if found.setdefault(place, path) is not path:
                raise UserError(f"{found[place]} and {path} are both the mask of {place[-1]}; move one away.")
    return found


def _compiled(key: str, written: str) -> re.Pattern:
    """The regular expression of a key of the configuration, with its groups checked."""
    pattern = name_pattern(key, written)
    groups = set(pattern.groupindex)
    if unknown := sorted(groups - _GROUPS):
        raise UserError(f"{key} has the group {unknown[0]!r}; use subject, session, size and resample.")
    if lonely := groups & {"size", "resample"}:
        if len(lonely) == 1:
            raise UserError(
                f"{key} has the group {lonely.pop()!r} alone; name both size and resample, or neither if no training "
                "set of the study was used."
            )
        for group in ("size", "resample"):
            if not _is_number(pattern, group):
                raise UserError(rf"{key}: write the group {group!r} as (?P<{group}>\d+), a number.")
    return pattern


def _is_number(pattern: re.Pattern, group: str) -> bool:
    """Whether a group of a regular expression is written as one that matches digits alone."""
    return re.search(rf"\(\?P<{group}>(\\d|\[0-9\])(\+|\{{\d+(,\d*)?\}})?\)", pattern.pattern) is not None


def _folder(key: str, named: str, data: str | os.PathLike | None) -> Path:
    folder = in_data(f"{key}.folder", named, data)
    if not folder.is_dir():
        raise UserError(f"{key}: the folder {folder} does not exist; correct {key}.folder.")
    return folder


def _example(folder: Path, found: Mapping[tuple, Path]) -> str:
    """A file in the folder that the pattern matches, or one that it does not, for a message."""
    there = next(iter(found.values()), None) or next(walk_files(folder), None)
    if there is None:
        return " (the folder is empty)"
    return f" ({'it matches' if found else 'the folder has'} {there.relative_to(folder)})"
