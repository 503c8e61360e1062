"""Measures of how well a further image of a person, such as a FLAIR beside a T1, lies on the first.

:mod:`headstart.register.image_table` judges them.
"""

import numpy as np
from scipy.spatial.transform import Rotation
from skimage.metrics import normalized_mutual_information

from headstart import images
from headstart.images import Grid, Volume

# Bins along each axis of the joint histogram, and the percentiles between which intensities are binned.
_BINS = 64
_PERCENTILES = (1, 99)


def similarity(first: Volume, image: Volume, brain: Volume, matrix: np.ndarray) -> float:
    """Normalised mutual information (Studholme 1999) of two images in the brain, from 1 (none) to 2 (equal).

    ``brain``: mask on the grid of ``first``; ``matrix``: (4, 4) from RAS+ mm of ``first`` to RAS+ mm of ``image``. Only
    voxels inside the field of view of ``image`` count; 1 if there are none, or if all have one intensity.
    """
    shared = seen(brain, image.grid, matrix)
    pair = [volume.data[shared] for volume in (first, images.resample(image, first.grid, matrix))]
    if any(values.size == 0 or np.ptp(values) == 0 for values in pair):
        return 1.0
    clipped = [np.clip(values, *np.percentile(values, _PERCENTILES)) for values in pair]
    found = normalized_mutual_information(*clipped, bins=_BINS)
    return 1.0 if np.isnan(found) else float(found)


def seen(brain: Volume, grid: Grid, matrix: np.ndarray) -> np.ndarray:
    """Voxels of a mask that lie inside the field of view of an image on ``grid``; boolean, of the mask's shape.

    ``matrix``: (4, 4) from RAS+ mm of the mask to RAS+ mm of the image.
    """
    voxels = np.argwhere(brain.data > 0)
    there = np.linalg.inv(grid.affine) @ matrix @ brain.affine
    places = voxels @ there[:3, :3].T + there[:3, 3]
    within = np.all((places >= -0.5) & (places <= np.array(grid.shape) - 0.5), axis=1)
    inside = np.zeros(brain.data.shape, bool)
    inside[tuple(voxels[within].T)] = True
    return inside


def covered(brain: Volume, grid: Grid, matrix: np.ndarray) -> float:
    """Share of a mask's voxels that :func:`seen` finds."""
    return float(seen(brain, grid, matrix).sum() / np.count_nonzero(brain.data))


def movement(brain: Volume, matrix: np.ndarray) -> dict[str, float]:
    """Rotation of a rigid ``matrix`` (4, 4), and the distance by which it shifts the centre of a mask in RAS+ mm."""
    middle = points(brain).mean(axis=1)
    return {
        "rotation_deg": float(np.degrees(Rotation.from_matrix(matrix[:3, :3]).magnitude())),
        "shift_mm": float(np.linalg.norm((matrix @ middle - middle)[:3])),
    }


def apart_mm(brain: Volume, first: np.ndarray, second: np.ndarray) -> float:
    """Largest distance in mm between the places to which two (4, 4) matrices take a voxel of a mask."""
    return float(np.linalg.norm(((first - second) @ points(brain))[:3], axis=0).max())


def points(brain: Volume) -> np.ndarray:
    """(4, N) homogeneous RAS+ mm of the centres of a mask's voxels."""
    voxels = np.argwhere(brain.data > 0)
    return brain.affine @ np.concatenate([voxels, np.ones((len(voxels), 1))], axis=1).T
