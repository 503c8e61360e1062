"""The 15 structures of FSL's FIRST, carried onto a scan from the atlases by a deformable registration."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from headstart import images
from headstart.images import Grid, Volume
from headstart.template.template import Template
from headstart.template.warp import Warp

# How far the registration looks beyond the structures, in mm: their surroundings say where they are.
_MARGIN_MM = 15


def structures(
    scan: Volume,
    mask: Volume,
    transform: np.ndarray,
    template: Template,
    grid: Grid,
    *,
    warp_mm: float = 1.0,
    warp_iterations: Sequence[int] = (100, 60, 30),
    threads: int = 1,
) -> Volume:
    """Label the structures of a T1 scan, uint8 with FIRST's values, on ``grid`` in template space.

    ``scan``: as it came; ``mask``: its brain, in template space; ``transform``: (4, 4) from RAS+ mm of the template to
    the scan's. Only a box around the structures is registered, at ``warp_mm``, in ``warp_iterations`` steps at 4, 2
    and 1 times that size.
    """
    box = _around(template.structures)
    coarse = box.coarsened(warp_mm)
    inside = images.resample_labels(mask, coarse).data > 0
    brain = images.resample(scan, coarse, transform)
    low, high = np.percentile(brain.data[inside], (0.5, 99.5))
    scaled = np.where(inside, (np.clip(brain.data, low, high) - low) / (high - low), 0)
    warp = Warp.register(
        Volume(scaled, coarse.affine),
        images.resample(template.t1, coarse),
        iterations=warp_iterations,
        threads=threads,
    )
    return images.resample_labels(warp.labels(template.structures, box), grid)


def _around(labels: Volume) -> Grid:
    """The part of a label map's grid that holds all labels, with a margin."""
    (found,) = ndimage.find_objects((labels.data > 0).astype(np.uint8))
    margin = np.ceil(_MARGIN_MM / labels.grid.spacing).astype(int)
    first = np.maximum([side.start for side in found] - margin, 0)
    last = np.minimum([side.stop for side in found] + margin, labels.data.shape)
    affine = labels.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ first
    return Grid(tuple(int(n) for n in last - first), affine)
