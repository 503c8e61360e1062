"""Stage 4, slice: axial slices of a registered scan, of the size that the networks take.

Zoetmulder 2022, section 3.2: empty slices are discarded from the top (and bottom) of the volume, and slices are zero
padded to the size of the natural images.
"""

from collections.abc import Mapping

import numpy as np

from headstart.images import Volume
from headstart.job import UserError


def cut(volume: Volume, size: int, discard_mm: Mapping[str, float]) -> np.ndarray:
    """Axial slices (N, size, size), from the bottom up, rows from posterior to anterior, columns from left to right.

    ``volume`` lies in template space, axes RAS+. ``discard_mm``: what is left out at the ``top`` and ``bottom``, in
    mm (at 1 mm, the paper's numbers of slices). The volume is centred, zeros around it; an odd voxel of padding goes
    to the far side. Raises :class:`UserError` if a slice does not fit.
    """
    step = volume.grid.spacing[2]
    bottom, top = (round(discard_mm[side] / step) for side in ("bottom", "top"))
    depth = volume.data.shape[2]
    if bottom + top >= depth:
        raise UserError(f"discard_mm leaves none of the {depth * step:g} mm of the template; lower it.")
    slices = volume.data[:, :, bottom : depth - top].transpose(2, 1, 0)
    room = [size - slices.shape[1], size - slices.shape[2]]
    if min(room) < 0:
        largest = max(slices.shape[1:])
        raise UserError(f"slice.size is {size}, but the grid's slices are {largest} voxels long; raise it.")
    return np.pad(slices, [(0, 0)] + [(n // 2, n - n // 2) for n in room])
