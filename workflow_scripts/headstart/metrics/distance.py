"""Distance between the surfaces of a segmentation and of the truth."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree


def hausdorff95(prediction: np.ndarray, truth: np.ndarray, voxel_mm: float | Sequence[float]) -> float:
    """The 95 % Hausdorff distance of two masks of one shape, in mm.

    The larger of two 95th percentiles (linear interpolation): of the distances from the surface of one mask to the
    nearest point of the other's, and the other way round (Huttenlocher 1993, with the percentile in place of the
    maximum; as MONAI's ``compute_hausdorff_distance``). The surface is made of the centres of the mask's voxels that
    share a face with a voxel outside of it, or with the array's border. ``voxel_mm``: size of a voxel, or its size
    along each axis. NaN where both masks are empty, infinity where only one is. Raises ValueError if the shapes differ.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction has shape {prediction.shape}, truth {truth.shape}")
    step = np.broadcast_to(voxel_mm, prediction.ndim)
    found, true = (_surface(np.asarray(mask, bool)) * step for mask in (prediction, truth))
    if not len(found) or not len(true):
        return math.inf if len(found) or len(true) else math.nan
    return max(_percentile95(found, true), _percentile95(true, found))


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box that holds all of a boolean mask; of no extent where that is empty."""
    sides = []
    for axis in range(mask.ndim):  # each side that is found makes the next ones cheaper to look for
        held = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        sides.append(slice(int(held[0]), int(held[-1]) + 1) if len(held) else slice(0, 0))
        mask = mask[(slice(None),) * axis + (sides[-1],)]
    return tuple(sides)


def _surface(mask: np.ndarray) -> np.ndarray:
    """Indices (n, axes) of a mask's surface voxels."""
    box = bounding_box(mask)
    kept = mask[box]
    return np.argwhere(kept & ~ndimage.binary_erosion(kept)) + [side.start for side in box]


def _percentile95(points: np.ndarray, others: np.ndarray) -> float:
    return float(np.percentile(KDTree(others).query(points)[0], 95))
