"""The design of a study by what a folder holds: test set, set sizes, resamples, grid, and length of the trainings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headstart.begin.contents import Contents
from headstart.datasets import folds
from headstart.datasets.scan import Scan
from headstart.job import UserError
from headstart.template import template

# People of whom a study needs labelled scans: one to test on and two to train on.
_FEWEST = 3
# With fewer people than this every scan is tested by cross-validation: the folds, and how often it is repeated
# (benchmarks/folds.tsv).
_MANY, _FOLDS, _REPEATS = 20, 5, 2
# Share of the people who are tested on, and the most of them.
_TESTED, _MOST_TESTED = 0.45, 100
# The largest set size, as a number and as a share of the scans to draw from, of which sets else hold the same.
_LARGEST, _LARGEST_SHARE = 64, 2 / 3
_MOST_SIZES = 5
_RESAMPLES = 5
# The finest grids in mm: on a processor, there for small lesions, and on a GPU. No grid is coarser than the last.
_ON_PROCESSOR, _FOR_SMALL_LESIONS, _ON_GPU, _COARSEST = 2.5, 2.0, 1.0, 3.0
# Lesions in mL from which on the coarsest grid will do; those of multiple sclerosis are smaller.
_LARGE_ML = 1
# Widths of a U-Net of five steps, of which the first is left out where it would begin with maps of fewer pixels per
# side, as nnU-Net does (Isensee 2021).
_WIDTHS, _SMALLEST_MAP = (192, 96, 48, 24, 16), 4
# Updates of a fine-tuning, both measured in docs/findings.md: an evening on two cores, minutes on a GPU.
_STEPS, _STEPS_ON_GPU = 200, 1000


@dataclass(frozen=True)
class Design:
    """The design of a study.

    labelled, unlabelled: subjects to fine-tune or test on, and those to pre-train on without labels, none of whose
        people have a scan among the first; left_out: the other subjects.
    test, folds, sizes, resamples: as the configuration has them; None where it has no such key.
    voxel_mm, size: the study's grid, and the side of its slices in pixels.
    unet_widths: channels of the network's steps.
    steps: updates of each fine-tuning.
    """

    labelled: tuple[str, ...]
    unlabelled: tuple[str, ...]
    left_out: tuple[str, ...]
    test: int | None
    folds: int | None
    sizes: tuple[int, ...]
    resamples: int
    voxel_mm: float
    size: int
    unet_widths: tuple[int, ...]
    steps: int


def make(folder: Path, scans: Sequence[Scan], contents: Contents, *, gpu: bool) -> Design:
    """The design for the scans of a folder; ``gpu``: whether networks will be trained on one.

    Raises :class:`UserError` if too few people have labels.
    """
    labelled = [scan for scan in scans if scan.subject in contents.volumes]
    people = {scan.person for scan in labelled}
    if len(people) < _FEWEST:
        counted = "1 person" if len(people) == 1 else f"{len(people)} people"
        raise UserError(
            f"{folder} has labelled scans of {counted}, and a study needs those of at least {_FEWEST}: one to test on "
            "and two to train on; label more."
        )
    few = len(people) < _MANY
    split = _cross_validated(labelled, len(people)) if few else _with_test_set(len(people))
    pool = len(people) - (-(-len(people) // split["folds"]) if few else split["test"])
    unlabelled = [scan for scan in scans if scan.person not in people]
    if len(unlabelled) < pool:  # the pool itself, without its labels, teaches more
        unlabelled = []
    used = {scan.subject for scan in (*labelled, *unlabelled)}
    voxel_mm = grid(contents, gpu=gpu)
    size = slice_size(voxel_mm)
    return Design(
        labelled=tuple(scan.subject for scan in labelled),
        unlabelled=tuple(scan.subject for scan in unlabelled),
        left_out=tuple(scan.subject for scan in scans if scan.subject not in used),
        **split,
        voxel_mm=voxel_mm,
        size=size,
        unet_widths=unet_widths(size),
        steps=_STEPS_ON_GPU if gpu else _STEPS,
    )


def _cross_validated(labelled: Sequence[Scan], people: int) -> dict:
    """Test set, folds, set sizes and resamples for few people, each of whom is in some test set."""
    count = min(_FOLDS, people)
    largest = folds.cut("", labelled, count, 1, 0)[0]
    return {"test": None, "folds": count, "sizes": sizes(len(labelled) - len(largest)), "resamples": _REPEATS * count}


def _with_test_set(people: int) -> dict:
    """The same for many people, with a test set.

    Test sets are drawn by people, who may have several scans: of the others, one scan each is sure. No set is all of
    the others, so that sets differ.
    """
    test = min(_MOST_TESTED, round(_TESTED * people))
    pool = people - test
    return {"test": test, "folds": None, "sizes": sizes(int(_LARGEST_SHARE * pool)), "resamples": _RESAMPLES}


def sizes(most: int) -> tuple[int, ...]:
    """Set sizes up to a number of scans: powers of two."""
    powers = [2**power for power in range(min(most, _LARGEST).bit_length())]
    return tuple(powers[-_MOST_SIZES:])


def grid(contents: Contents, *, gpu: bool) -> float:
    """Voxel size of the study in mm: no finer than the scans, and than what the machine can train on."""
    small = contents.piece_ml is not None and contents.piece_ml < _LARGE_ML
    finest = _ON_GPU if gpu else _FOR_SMALL_LESIONS if small else _ON_PROCESSOR
    own = float(np.median([np.prod(sizes) ** (1 / 3) for sizes in contents.voxel_mm.values()]))
    return min(max(finest, round(2 * own) / 2), _COARSEST)


def slice_size(voxel_mm: float) -> int:
    """Side of the slices in pixels, a multiple of 32, that hold the template's grid."""
    longest = max(template.grid(voxel_mm).shape[:2])
    return -(-longest // 32) * 32


def unet_widths(size: int) -> tuple[int, ...]:
    """Channels of the steps of a U-Net for slices of ``size`` x ``size`` pixels."""
    return _WIDTHS if size >= _SMALLEST_MAP * 2 ** len(_WIDTHS) else _WIDTHS[1:]


def classes(contents: Contents) -> Mapping[str, list[int]]:
    """The classes of the labels: ``lesion`` if there is one value, else a class for each value."""
    values = contents.values
    return {"lesion": values} if len(values) == 1 else {f"label {value}": [value] for value in values}
