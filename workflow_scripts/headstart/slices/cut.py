"""Axial slices of a registered scan, of the size that the networks take, and which structures each slice shows.

Zoetmulder 2022, section 3.2: empty slices are discarded from the top (and bottom) of the volume, and slices are zero
padded to the size of the natural images.
"""

from collections.abc import Mapping

import numpy as np

from headstart.images import Grid, Volume
from headstart.job import UserError
from headstart.template.template import STRUCTURES

_NOTHING = {"top": 0, "bottom": 0}

# What a slice may show: the order of the columns of presence labels (section 4.1.3).
PRESENCE_NAMES = ("brain", *STRUCTURES.values())


def cut(volume: Volume, size: int, discard_mm: Mapping[str, float]) -> np.ndarray:
    """Axial slices (N, size, size), from the bottom up, rows from posterior to anterior, columns from left to right.

    ``volume``: in template space with axes RAS+. ``discard_mm``: thickness of what is left out at the ``top`` and the
    ``bottom`` (at 1 mm, the paper's numbers of slices). The volume is padded with zeros on all sides; if the padding is
    odd, the far side gets one voxel more. Raises :class:`UserError` if a slice does not fit.
    """
    return _padded(_kept(volume, discard_mm), size, 1)


def cut_finer(volume: Volume, size: int, fineness: int, discard_mm: Mapping[str, float]) -> np.ndarray:
    """Slices (N, fineness * size, fineness * size) as of :func:`cut`, of a volume whose voxels are finer in the slice.

    ``volume``: each voxel of the study's grid is cut into ``fineness`` x ``fineness`` (see
    :func:`headstart.phantom.label_maps.finer`), which lie where :func:`cut` puts that voxel.
    """
    return _padded(_kept(volume, discard_mm), size, fineness)


def whole(volume: Volume, size: int) -> np.ndarray:
    """All axial slices of a volume (N, size, size); :func:`restore` is the inverse."""
    return cut(volume, size, _NOTHING)


def restore(slices: np.ndarray, grid: Grid, discard_mm: Mapping[str, float] = _NOTHING) -> Volume:
    """The volume on ``grid``, axes RAS+, from its slices: the inverse of :func:`cut`, 0 where slices were discarded."""
    _, height, width = slices.shape
    down, right = (height - grid.shape[1]) // 2, (width - grid.shape[0]) // 2
    kept = slices[:, down : down + grid.shape[1], right : right + grid.shape[0]].transpose(2, 1, 0)
    first, last = _kept_rows(grid, discard_mm)
    return Volume(np.pad(kept, [(0, 0), (0, 0), (first, grid.shape[2] - last)]), grid.affine)


def presence(brain: Volume, structures: Volume, discard_mm: Mapping[str, float], min_voxels: int) -> np.ndarray:
    """Presence labels of each slice: (N, 16) uint8, 1 if the slice has at least ``min_voxels`` voxels of a structure.

    The slices and their order are those of :func:`cut`; the columns are :data:`PRESENCE_NAMES`. ``brain``: a mask;
    ``structures``: the values of :data:`headstart.template.template.STRUCTURES`; both in template space on one grid.
    """
    masks = [_kept(brain, discard_mm) > 0]
    labelled = _kept(structures, discard_mm)
    masks += [labelled == value for value in STRUCTURES]
    return np.stack([mask.sum(axis=(1, 2)) >= min_voxels for mask in masks], axis=1).astype(np.uint8)


def count(grid: Grid, discard_mm: Mapping[str, float]) -> int:
    """Number of slices that :func:`cut` makes of a volume on a grid."""
    return len(range(*_kept_rows(grid, discard_mm)))


def _padded(slices: np.ndarray, size: int, fineness: int) -> np.ndarray:
    """Slices (N, Y, X) padded with zeros to squares of ``size`` pixels, of ``fineness`` x ``fineness`` voxels each."""
    padding = [size - side // fineness for side in slices.shape[1:]]
    if min(padding) < 0:
        largest = size - min(padding)
        raise UserError(f"slice.size is {size}, but the grid's slices are {largest} voxels long; raise it.")
    return np.pad(slices, [(0, 0)] + [(fineness * (n // 2), fineness * (n - n // 2)) for n in padding])


def _kept(volume: Volume, discard_mm: Mapping[str, float]) -> np.ndarray:
    """Axial slices (N, Y, X) of a volume, without those that are discarded at its top and bottom."""
    return volume.data[:, :, slice(*_kept_rows(volume.grid, discard_mm))].transpose(2, 1, 0)


def _kept_rows(grid: Grid, discard_mm: Mapping[str, float]) -> tuple[int, int]:
    """Index of the first slice that is kept, and of the one after the last."""
    step, depth = grid.spacing[2], grid.shape[2]
    bottom, top = (round(discard_mm[side] / step) for side in ("bottom", "top"))
    if bottom + top >= depth:
        raise UserError(f"discard_mm leaves none of the {depth * step:g} mm of the template; lower it.")
    return bottom, depth - top
