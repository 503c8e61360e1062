"""Reading and checking the masks of a competitor: like manual labels, on the scan's own grid or on the study's."""

import os
from collections.abc import Iterable, Sequence

import numpy as np

from headstart import image_files, images
from headstart.datasets import intake
from headstart.datasets.intake import LabelFormat
from headstart.images import Grid, Volume
from headstart.job import UserError
from headstart.metrics import overlap

PathLike = str | os.PathLike
_LABEL_MAP = LabelFormat(masks=False, mask_above=None)
# How much better a mask must fit the manual labels when it is mirrored, in Dice of all classes as one, to have been
# written the wrong way round: a wrong lesion on the other side may overlap by chance, but hardly as much.
_MIRRORED = 0.3
_AXES = ("first", "second", "third")


def read(path: PathLike, first: PathLike, classes: int, values: Sequence[Sequence[int]] | None, study: Grid) -> Volume:
    """A mask with the numbers of the target's classes, uint8, on the grid of the scan ``first`` or on the study's.

    Parameters
    ----------
    path, first
        Files of the mask and of its scan.
    classes
        Number of classes, C, without the background.
    values
        Values in the mask of each class; others are background. None: 1 .. C, and no others.
    study
        The study's grid in template space. A mask on it is returned on it.

    Raises
    ------
    UserError
        For what :func:`headstart.datasets.intake.read_labels` refuses, and for a value that is none of 0 .. C without
        ``values``.
    """
    _, shape, affine = image_files.read_header(path)
    reference = path if Grid(shape, affine).matches(study, images.ALMOST) else first
    found, _ = intake.read_labels([path], reference, _LABEL_MAP)
    if values is None:
        if unknown := sorted(set(np.unique(found.data)) - set(range(classes + 1))):
            raise UserError(
                f"{path} has the value {unknown[0]}, but its classes are numbered from 1 to {classes}; correct it, or "
                "say which values are which class, with classes beside its pattern."
            )
        return Volume(found.data.astype(np.uint8), found.affine)
    numbers = {value: number for number, listed in enumerate(values, start=1) for value in listed}
    return Volume(images.renumbered(found.data, numbers), found.affine)


def check(key: str, masks: Iterable[tuple[PathLike, np.ndarray, np.ndarray | None]]) -> None:
    """Check all masks of a competitor.

    ``key``: that of the competitor in the configuration; ``masks``: file, mask and manual labels, both 0 .. C, as
    arrays of one grid; None for labels on another grid. Raises :class:`UserError` if a mask is mirrored
    (:func:`check_sides`), all are empty, or all are the manual labels themselves.
    """
    empty = same = True
    for path, mask, labels in masks:
        empty = empty and not mask.any()
        same = same and labels is not None and np.array_equal(mask, labels)
        if labels is not None:
            check_sides(path, mask, labels)
    if empty:
        raise UserError(f"{key}: all masks are empty; correct them, or {key}.classes.")
    if same:
        raise UserError(f"{key}: all masks are the manual labels themselves; correct {key}.folder and {key}.pattern.")


def check_sides(path: PathLike, mask: np.ndarray, labels: np.ndarray) -> None:
    """Raise :class:`UserError` if a mask fits the manual labels much better the other way round along an axis.

    ``mask``, ``labels``: 0 .. C, arrays of one grid.
    """
    found, truth = mask > 0, labels > 0
    own = overlap.dice(found, truth, "one")
    for axis, name in enumerate(_AXES):
        turned = overlap.dice(np.flip(found, axis), truth, "one")
        if turned - own > _MIRRORED:
            raise UserError(
                f"{path} is mirrored along its {name} axis: its Dice with the manual labels is {own:.2f}, and "
                f"{turned:.2f} when turned round; write it with the header and the order of voxels of its scan."
            )


def in_scan(mask: Volume, own: Grid, study: Grid, to_scan: np.ndarray) -> np.ndarray:
    """The labels of a mask of :func:`read` on the scan's own grid.

    ``to_scan``: (4, 4) from RAS+ mm of the template to RAS+ mm of the scan.
    """
    on_study = mask.grid.matches(study, images.ALMOST)
    return images.resample_labels(mask, own, np.linalg.inv(to_scan)).data if on_study else mask.data


def in_study(mask: Volume, study: Grid, to_scan: np.ndarray) -> Volume:
    """A mask of :func:`read` on the study's grid; ``to_scan``: as in :func:`in_scan`."""
    return mask if mask.grid.matches(study, images.ALMOST) else images.resample_labels(mask, study, to_scan)
