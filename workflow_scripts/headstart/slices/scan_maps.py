"""Label maps of labelled scans, of which images are made in training: every voxel of the head has a material.

Manual labels cover a part of a head. What they leave is divided by its intensities, as Billot et al. 2023 (SynthSeg,
Medical Image Analysis 86:102789) divide tissue without labels; here by k-means, which is exact in one dimension.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from headstart.job import UserError
from headstart.label_table import AIR, Label

# Intensities are rounded to so many levels before they are divided.
_LEVELS = 256
_LARGEST = 255
# Names of what no manual label covers, in the brain and around it.
_BRAIN, _HEAD = "brain", "head"


@dataclass(frozen=True)
class Clusters:
    """Into how many parts of similar intensity each manual label, the rest of the brain, and of the head is divided."""

    labels: int
    brain: int
    head: int


def labels_of(classes: Sequence[str], clusters: Clusters) -> tuple[Label, ...]:
    """The labels of the maps: of each class, of the rest of the brain and of the rest of the head, each dark to bright.

    The parts of a class have its name and a material each; the others are called "brain 1", "head 1" and so on.
    ``classes``: names of the manual labels 1, 2, and so on. ``t1`` is 0 until it is measured (:func:`measured`). Raises
    :class:`UserError` if there are more than 255, or a class has the name of a part.
    """
    named = [(name, f"{name}, part {part}", True) for name in classes for part in range(1, clusters.labels + 1)]
    rest = [(f"{_BRAIN} {part}", True) for part in range(1, clusters.brain + 1)]
    rest += [(f"{_HEAD} {part}", False) for part in range(1, clusters.head + 1)]
    if taken := [name for name, _ in rest if name in classes]:
        raise UserError(f"the class {taken[0]!r} has the name of a part of what is not labelled; give it another name.")
    named += [(name, name, brain) for name, brain in rest]
    if len(named) > _LARGEST:
        raise UserError(
            f"label maps would have {len(named)} labels, and hold {_LARGEST}; divide them into fewer parts."
        )
    return tuple(Label(value, name, material, 0.0, brain) for value, (name, material, brain) in enumerate(named, 1))


def draw(
    t1: np.ndarray, brain: np.ndarray, head: np.ndarray, manual: np.ndarray, classes: int, clusters: Clusters
) -> np.ndarray:
    """The label map of a scan: uint8 (X, Y, Z) with the values of :func:`labels_of`, 0 for air.

    Parameters
    ----------
    t1
        (X, Y, Z), intensities in [0, 1].
    brain, head
        (X, Y, Z) bool; what is in neither of them and has no manual label is air.
    manual
        (X, Y, Z) uint8, manual labels from 1 to ``classes``, 0 elsewhere.
    classes
        Number of manual labels.
    clusters
        Into how many parts each region is divided. Regions with fewer intensities leave their brightest parts empty.
    """
    levels = np.rint(t1 * (_LEVELS - 1)).astype(np.uint8)
    around = np.where(brain, classes + 1, np.where(head, classes + 2, AIR))
    region = np.where(manual > 0, manual, around)
    made = np.zeros(t1.shape, np.uint8)
    first = 1
    for number, count in enumerate([clusters.labels] * classes + [clusters.brain, clusters.head], 1):
        here = region == number
        found = levels[here]
        made[here] = first + divide(np.bincount(found, minlength=_LEVELS), count)[found]
        first += count
    return made


def divide(counts: np.ndarray, parts: int) -> np.ndarray:
    """The part, from 0 (dark), of each level of a histogram by k-means, (L,) uint8.

    The sum of squared distances from the parts' means is the smallest that there is: in one dimension, dynamic
    programming finds it (Wang and Song 2011, R Journal 3(2):29-33). Parts are not empty unless there are fewer levels
    that occur, ``counts`` (L,) int > 0; the others are in part 0.
    """
    level = np.flatnonzero(counts)
    division = np.zeros(len(counts), np.uint8)
    if not level.size:
        return division
    costs = _squares(counts[level], level)
    least, starts = costs[0], []
    for _ in range(min(parts, len(level)) - 1):
        # totals[i, j]: the best of the levels before i in the parts so far, and the levels i to j in one more.
        totals = np.concatenate([[np.inf], least[:-1]])[:, None] + costs
        starts.append(totals.argmin(axis=0))
        least = totals.min(axis=0)
    end = len(level)
    for part in range(len(starts), 0, -1):
        start = starts[part - 1][end - 1]
        division[level[start:end]] = part
        end = start
    return division


def measure(made: np.ndarray, t1: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Voxels of each value of a label map, those in the brain, and the sum of their intensities: (256, 3) float64."""
    values = made.ravel()
    sums = [np.bincount(values, weights, minlength=_LEVELS) for weights in (None, brain.ravel(), t1.ravel())]
    return np.stack(sums, axis=1).astype(np.float64)


def tabulated(labels: Sequence[Label], sums: np.ndarray) -> pd.DataFrame:
    """The sums of :func:`measure` as a table, a row for each label: value, voxels, those in the brain, and t1."""
    values = [label.value for label in labels]
    columns = dict(zip(("voxels", "in_brain", "t1"), sums[values].T, strict=True))
    return pd.DataFrame({"value": values, **columns})


def measured(labels: Sequence[Label], table: pd.DataFrame) -> tuple[Label, ...]:
    """The labels with their mean intensity, and in the brain if most of their voxels are.

    ``table``: of :func:`tabulated`, one or several of them below one another. A label of no voxel stays as it is.
    """
    sums = table.groupby("value")[["voxels", "in_brain", "t1"]].sum()
    known = sums[sums["voxels"] > 0]
    return tuple(
        replace(
            label,
            t1=round(float(known.at[label.value, "t1"] / known.at[label.value, "voxels"]), 3),
            brain=bool(2 * known.at[label.value, "in_brain"] >= known.at[label.value, "voxels"]),
        )
        if label.value in known.index
        else label
        for label in labels
    )


def _squares(counts: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Sum of squared distances of the levels i to j from their mean, (L, L) float64; infinite for i > j."""
    weights, sums, squares = (
        np.concatenate([[0], np.cumsum(counts.astype(np.int64) * level.astype(np.int64) ** power)])
        for power in range(3)
    )
    total, first, second = (each[None, 1:] - each[:-1, None] for each in (weights, sums, squares))
    inside = total > 0
    return np.where(inside, second - first.astype(np.float64) ** 2 / np.where(inside, total, 1), np.inf)
