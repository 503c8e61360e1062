"""Stage 4, slice: axial slices of a registered scan, of the size that the networks take, and what is on them.

Zoetmulder 2022, section 3.2: empty slices are discarded from the top (and bottom) of the volume, and slices are zero
padded to the size of the natural images.
"""

from collections.abc import Mapping

import numpy as np

from headstart.images import Grid, Volume
from headstart.job import UserError
from headstart.template.template import STRUCTURES

_NOTHING = {"top": 0, "bottom": 0}

# What a slice may show, in the order in which presence labels are stored (section 4.1.3).
PRESENT = ("brain", *STRUCTURES.values())


def cut(volume: Volume, size: int, discard_mm: Mapping[str, float]) -> np.ndarray:
    """Axial slices (N, size, size), from the bottom up, rows from posterior to anterior, columns from left to right.

    ``volume`` lies in template space, axes RAS+. ``discard_mm``: what is left out at the ``top`` and ``bottom``, in
    mm (at 1 mm, the paper's numbers of slices). The volume is centred, zeros around it; an odd voxel of padding goes
    to the far side. Raises :class:`UserError` if a slice does not fit.
    """
    slices = _kept(volume, discard_mm)
    room = [size - slices.shape[1], size - slices.shape[2]]
    if min(room) < 0:
        largest = max(slices.shape[1:])
        raise UserError(f"slice.size is {size}, but the grid's slices are {largest} voxels long; raise it.")
    return np.pad(slices, [(0, 0)] + [(n // 2, n - n // 2) for n in room])


def whole(volume: Volume, size: int) -> np.ndarray:
    """All axial slices of a volume (N, size, size); :func:`restore` goes back."""
    return cut(volume, size, _NOTHING)


def restore(slices: np.ndarray, grid: Grid, discard_mm: Mapping[str, float] = _NOTHING) -> Volume:
    """The volume on ``grid`` whose slices :func:`cut` cut: their padding off, axes RAS+ again, 0 where none was cut."""
    _, height, width = slices.shape
    down, right = (height - grid.shape[1]) // 2, (width - grid.shape[0]) // 2
    kept = slices[:, down : down + grid.shape[1], right : right + grid.shape[0]].transpose(2, 1, 0)
    first, last = _kept_rows(grid, discard_mm)
    return Volume(np.pad(kept, [(0, 0), (0, 0), (first, grid.shape[2] - last)]), grid.affine)


def presence(brain: Volume, structures: Volume, discard_mm: Mapping[str, float], least_voxels: int = 1) -> np.ndarray:
    """What each slice shows: (N, 16) uint8, 1 where a thing has ``least_voxels`` voxels or more on the slice.

    The slices are those of :func:`cut`, in its order; the things those of :data:`PRESENT`. ``brain``: a mask, and
    ``structures``: the values of :data:`headstart.template.template.STRUCTURES`, both in template space on one grid.
    """
    masks = [_kept(brain, discard_mm) > 0]
    labelled = _kept(structures, discard_mm)
    masks += [labelled == value for value in STRUCTURES]
    return np.stack([mask.sum(axis=(1, 2)) >= least_voxels for mask in masks], axis=1).astype(np.uint8)


def count(grid: Grid, discard_mm: Mapping[str, float]) -> int:
    """How many slices :func:`cut` makes of a volume on a grid."""
    return len(range(*_kept_rows(grid, discard_mm)))


def _kept(volume: Volume, discard_mm: Mapping[str, float]) -> np.ndarray:
    """Axial slices (N, Y, X) of a volume, without what is left out at its top and bottom."""
    return volume.data[:, :, slice(*_kept_rows(volume.grid, discard_mm))].transpose(2, 1, 0)


def _kept_rows(grid: Grid, discard_mm: Mapping[str, float]) -> tuple[int, int]:
    """The first slice that is kept, and the one behind the last."""
    step, depth = grid.spacing[2], grid.shape[2]
    bottom, top = (round(discard_mm[side] / step) for side in ("bottom", "top"))
    if bottom + top >= depth:
        raise UserError(f"discard_mm leaves none of the {depth * step:g} mm of the template; lower it.")
    return bottom, depth - top
