"""Which test scans and training sets are the same in several studies, and whether their scores can be compared.

Scans are the same if their voxels are, whatever their names. Only scans that all studies test are compared. Each study
keeps the people of its own test set out of its training and pre-training, so that no model of any study has seen
them: a scan that one study tests and another is trained on is left out.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from headstart.compare.finished import OfTarget
from headstart.job import UserError

LEAST_SCANS = 2
_SAME_TEST = "compare studies whose targets have the same scans as `test`"


@dataclass(frozen=True)
class Shared:
    """The scores of several studies on the test scans that they share.

    target: its name; where the studies call it differently, all names.
    parts: the studies, each with the rows of ``scores`` that are compared alone, and the shared scans under the
        names of the first study.
    scans: number of shared test scans.
    native: whether the scores are the Dice on the scans' own grids, since the studies' grids differ.
    notes: sentences on what was left out, and on what else differs.
    """

    target: str
    parts: Sequence[OfTarget]
    scans: int
    native: bool
    notes: Sequence[str]

    @property
    def metric(self) -> str:
        """The metric of the scores."""
        return self.parts[0].scores["metric"].iloc[0]


def shared(target: str, parts: Sequence[OfTarget]) -> Shared:
    """What several studies share of a target; ``target``: its name.

    Raises :class:`UserError` if fewer than two test scans are shared, if the manual labels of one differ, or if the
    scores are of different metrics.
    """
    images = _shared_images(target, parts)
    _check_labels(target, parts, images)
    native, notes = _scale(parts)
    names = {scan.image: name for name, scan in parts[0].scans.items()}
    kept = []
    for part in parts:
        table = part.native if native else part.scores
        image = table["scan"].map({name: scan.image for name, scan in part.scans.items()})
        own = table.assign(scan=image.map(names), target=target)[image.isin(images)]
        kept.append(replace(part, scores=own.reset_index(drop=True)))
    metrics = {part.study: part.scores["metric"].iloc[0] for part in kept}
    if len(set(metrics.values())) > 1:
        listed = ", ".join(f"{metric} in {study}" for study, metric in metrics.items())
        raise UserError(f"the scores of {target} do not compare ({listed}); compare studies with the same `metric`.")
    return Shared(target, kept, len(images), native, [*_left_out(parts, images), *notes])


def blocks(parts: Sequence[OfTarget]) -> dict[tuple[str, int], int]:
    """The number of the training sets of each study and set size: equal ones have the same number.

    Those of two studies are equal if the r-th set of one holds the same scans as the r-th of the other, for every r,
    and is tested on the same scans. All others count as drawn independently, which intervals pay for where some are
    equal after all.
    """
    numbers, found = {}, {}
    for part in parts:
        for size, rows in part.scores.groupby("size"):
            tested = rows.groupby("resample")["scan"].agg(lambda scans: tuple(sorted(set(scans))))
            drawn = tuple(
                (resample, frozenset(part.scans[name].image for name in part.trained[size, resample]), scans)
                for resample, scans in tested.items()
            )
            found[part.study, size] = numbers.setdefault(drawn, len(numbers))
    return found


def differences(parts: Sequence[OfTarget], *, whole: bool) -> pd.DataFrame:
    """The settings in which studies differ: one row per key of the configuration, one column per study.

    ``whole``: whether all targets are among them. Otherwise only the one that is compared is, as ``target``.
    """
    flat = {part.study: _flat(part.settings if whole else _of_its_target(part)) for part in parts}
    keys = dict.fromkeys(key for values in flat.values() for key in values if key != "study")
    rows = [{"key": key} | {study: values.get(key, "not set") for study, values in flat.items()} for key in keys]
    return pd.DataFrame([row for row in rows if len({row[study] for study in flat}) > 1], columns=["key", *flat])


def _of_its_target(part: OfTarget) -> dict:
    """The settings of a study, of which ``target`` is the target that is compared, in place of all targets."""
    return part.settings | {"target": part.settings["targets"][part.target], "targets": None}


def _flat(settings: object, above: str = "") -> dict[str, str]:
    """The values of nested mappings as text, by their dotted keys."""
    if not isinstance(settings, dict) or not settings:
        return {above: str(settings)}
    inner = ((f"{above}.{key}" if above else key, value) for key, value in settings.items())
    return {place: text for key, value in inner for place, text in _flat(value, key).items()}


def _tested(part: OfTarget) -> set[str]:
    """The images of the test scans of a study."""
    return {part.scans[name].image for name in part.scores["scan"].unique()}


def _trained(part: OfTarget) -> set[str]:
    """The images of all training scans of a study."""
    return {part.scans[name].image for names in part.trained.values() for name in names}


def _shared_images(target: str, parts: Sequence[OfTarget]) -> set[str]:
    """The images that all studies test; raises UserError if they are fewer than two."""
    images = set.intersection(*map(_tested, parts))
    if len(images) >= LEAST_SCANS:
        return images
    first, *others = parts
    reasons = [f"{len(_tested(part))} are tested in {part.study}" for part in parts]
    for other in others:
        if also := _renamed(first, other):
            reasons.append(f"{also} have the same name, but other voxels, in {first.study} and {other.study}")
        if leaked := len(_tested(first) & _trained(other) | _tested(other) & _trained(first)):
            reasons.append(f"{leaked} are tested in one of {first.study} and {other.study} and trained on in the other")
    raise UserError(
        f"the studies share {len(images)} test scans of {target}, and {LEAST_SCANS} are the least "
        f"({'; '.join(reasons)}); {_SAME_TEST}."
    )


def _renamed(one: OfTarget, other: OfTarget) -> int:
    """How many test scans have the same name in two studies, but are different images."""
    both = set(one.scores["scan"]) & set(other.scores["scan"])
    return sum(one.scans[name].image != other.scans[name].image for name in both)


def _check_labels(target: str, parts: Sequence[OfTarget], images: set[str]) -> None:
    """Raise UserError if the ground truth of a shared scan differs."""
    first, *others = parts
    known = {scan.image: (name, scan.labels) for name, scan in first.scans.items()}
    for other in others:
        for scan in other.scans.values():
            if scan.image in images and scan.labels != known[scan.image][1]:
                raise UserError(
                    f"the manual labels of scan {known[scan.image][0]} on {target} differ between {first.study} and "
                    f"{other.study}, in their classes or their files; compare studies with the same ground truth."
                )


def _grid(part: OfTarget) -> dict[str, str]:
    """What a score depends on beside the prediction: the voxels of the grid, and the slices that are kept.

    A target with competitors from elsewhere is scored on the scans' own grids (:mod:`headstart.external`).
    """
    target = part.settings["targets"][part.target]
    if target.get("external"):
        return dict.fromkeys(("template.voxel_mm", "discard_mm"), "the scans' own grids")
    dataset = target["dataset"]
    return {
        "template.voxel_mm": f"{part.settings['template']['voxel_mm']:g}",
        "discard_mm": str(part.settings["datasets"][dataset]["discard_mm"]),
    }


def _unlike(parts: Sequence[OfTarget], values: Mapping[str, Sequence[str]]) -> list[str]:
    """The keys whose values differ between studies, in words; ``values``: one per study."""
    return [
        f"{key}: {', '.join(f'{value} in {part.study}' for part, value in zip(parts, of_studies, strict=True))}"
        for key, of_studies in values.items()
        if len(set(of_studies)) > 1
    ]


def _scale(parts: Sequence[OfTarget]) -> tuple[bool, list[str]]:
    """Whether the scores on the scans' own grids are compared, and what there is to say about the scale of scores."""
    notes = [
        f"Scans without a class are scored differently ({unlike})."
        for unlike in _unlike(parts, {"evaluate.empty": [part.settings["evaluate"]["empty"] for part in parts]})
    ]
    grids = [_grid(part) for part in parts]
    unlike = _unlike(parts, {key: [grid[key] for grid in grids] for key in grids[0]})
    if not unlike:
        return False, notes
    start = f"Scores on the studies' grids have no common scale ({'; '.join(unlike)})"
    lacking = ", ".join(part.study for part in parts if part.native is None)
    if lacking:
        end = f", and scores on the scans' own grids are missing ({lacking}): differences may be those of the grids."
    else:
        end = ". Compared is the Dice on the scans' own grids, known for the largest set size of each study alone."
    return not lacking, [*notes, start + end]


def _left_out(parts: Sequence[OfTarget], images: set[str]) -> list[str]:
    """A sentence for each study whose test scans are not all compared, and one for scans of other people."""
    notes = []
    for part in parts:
        rest = _tested(part) - images
        if not rest:
            continue
        others = [other for other in parts if other is not part]
        trained = len(rest & set().union(*map(_trained, others)))
        seen = f", {trained} of them because another study is trained on them" if trained else ""
        are = "is" if len(rest) == 1 else "are"
        notes.append(f"{len(rest)} of {len(_tested(part))} test scans of {part.study} {are} left out{seen}.")
    for one, other in itertools.combinations(parts, 2):
        if count := _renamed(one, other):
            notes.append(
                f"Different people or images: {count} test scan{'s' * (count > 1)} of the same name in {one.study} and "
                f"{other.study} with other voxels."
            )
    return notes
