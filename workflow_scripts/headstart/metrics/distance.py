"""Distance between the surfaces of a segmentation and of the ground truth."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree


def hausdorff95(prediction: np.ndarray, truth: np.ndarray, voxel_mm: float | Sequence[float]) -> float:
    """The 95 % Hausdorff distance of two masks of one shape, in mm.

    The larger of two 95th percentiles (linear interpolation): of the distances from each surface point of one mask to
    the nearest surface point of the other, and vice versa (Huttenlocher 1993, with the percentile in place of the
    maximum; as MONAI's ``compute_hausdorff_distance``). The surface consists of the centres of the voxels that share a
    face with a voxel outside the mask, or with the border of the array. ``voxel_mm``: size of a voxel, or its size
    along each axis. NaN if both masks are empty, infinity if only one is. Raises ValueError if the shapes differ.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction has shape {prediction.shape}, ground truth {truth.shape}")
    step = np.broadcast_to(voxel_mm, prediction.ndim)
    found, true = (_surface(np.asarray(mask, bool)) * step for mask in (prediction, truth))
    if not len(found) or not len(true):
        return math.inf if len(found) or len(true) else math.nan
    return max(_percentile95(found, true), _percentile95(true, found))


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box that contains a boolean mask; without extent if the mask is empty."""
    sides = []
    for axis in range(mask.ndim):  # each side found makes the search for the next ones cheaper
        held = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        sides.append(slice(int(held[0]), int(held[-1]) + 1) if len(held) else slice(0, 0))
        mask = mask[(slice(None),) * axis + (sides[-1],)]
    return tuple(sides)


def _surface(mask: np.ndarray) -> np.ndarray:
    """Indices (n, axes) of the surface voxels of a mask."""
    box = bounding_box(mask)
    kept = mask[box]
    return np.argwhere(kept & ~ndimage.binary_erosion(kept)) + [side.start for side in box]


def _percentile95(points: np.ndarray, others: np.ndarray) -> float:
    return float(np.percentile(KDTree(others).query(points)[0], 95))
