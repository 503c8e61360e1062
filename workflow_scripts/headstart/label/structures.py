"""The 15 structures of FSL's FIRST in a scan, from atlases by deformable registration."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from headstart import images
from headstart.images import Grid, Volume
from headstart.template.template import Template
from headstart.template.warp import Warp

# Margin around the structures that is registered too, in mm: their surroundings help to locate them.
_MARGIN_MM = 15


def structures(
    scan: Volume,
    mask: Volume,
    transform: np.ndarray,
    template: Template,
    grid: Grid,
    *,
    warp_mm: float,
    warp_iterations: Sequence[int],
    threads: int,
) -> Volume:
    """Label the structures of a T1 scan, uint8 with FIRST's values.

    Only a box around the structures is registered.

    Parameters
    ----------
    scan
        The scan with its raw intensities.
    mask
        Its brain mask in template space.
    transform
        (4, 4) from RAS+ mm of the template to RAS+ mm of the scan.
    template
        The template with its atlas of structures.
    grid
        Grid of the labels, in template space.
    warp_mm
        Size of the voxels on which the deformation is estimated.
    warp_iterations
        Numbers of steps at 4, 2 and 1 times that size.
    threads
        Number of threads.
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
