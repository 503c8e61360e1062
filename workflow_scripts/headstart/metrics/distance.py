"""Distance between the surfaces of a segmentation and of the ground truth."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree


class SurfaceDistances(NamedTuple):
    """Distances in mm from each surface point of one mask to the nearest one of the other, infinite if it has none.

    ``of_prediction``: from the points of the prediction to the ground truth; ``of_truth``: vice versa.
    """

    of_prediction: np.ndarray
    of_truth: np.ndarray

    def hausdorff95(self) -> float:
        """The 95 % Hausdorff distance: NaN if both masks are empty, infinity if only one is.

        The larger of the 95th percentiles (linear interpolation) of both directions (Huttenlocher 1993, with the
        percentile in place of the maximum; as MONAI's ``compute_hausdorff_distance``).
        """
        if not len(self.of_prediction) or not len(self.of_truth):
            return math.inf if len(self.of_prediction) or len(self.of_truth) else math.nan
        return max(float(np.percentile(distances, 95)) for distances in self)

    def surface_dice(self, tolerance_mm: float) -> float:
        """The share of both surfaces' points that lie no further than a tolerance from the other surface.

        The surface Dice, or normalised surface distance, of Nikolov 2018 with points in place of areas (as MONAI's
        ``compute_surface_dice``): NaN if both masks are empty, 0 if only one is.
        """
        points = np.concatenate(self)
        return float((points <= tolerance_mm).mean()) if len(points) else math.nan


def surface_distances(prediction: np.ndarray, truth: np.ndarray, voxel_mm: float | Sequence[float]) -> SurfaceDistances:
    """The distances between the surfaces of two masks of one shape.

    A surface consists of the centres of the voxels that share a face with a voxel outside the mask, or with the border
    of the array. ``voxel_mm``: size of a voxel, or its size along each axis. Raises ValueError if the shapes differ.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction has shape {prediction.shape}, ground truth {truth.shape}")
    step = np.broadcast_to(voxel_mm, prediction.ndim)
    found, true = (_surface(np.asarray(mask, bool)) * step for mask in (prediction, truth))
    return SurfaceDistances(_nearest(found, true), _nearest(true, found))


def length_in_scan(determinant: float | np.ndarray) -> float | np.ndarray:
    """The length in a scan, in mm, of one mm in template space, from the determinant of the scan's affine."""
    return determinant ** (1 / 3)


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


def _nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance from each of these points to the nearest of the others, infinite without any."""
    return KDTree(others).query(points)[0] if len(points) and len(others) else np.full(len(points), math.inf)
