"""Images on grids: reading, writing and resampling them, each with its affine.

Arrays are indexed ``[i, j, k]``; affines map voxel indices to RAS+ millimetres (nibabel's convention).
"""

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage
from scipy.io import loadmat

from headstart import image_files, placement
from headstart.job import atomic

# From nibabel's axes (RAS+) to those of ITK and its files (LPS+); its own inverse.
LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Distances between grids, as shares of a voxel: what rounding leaves, and what matters less than any interpolation.
SAME, ALMOST = 0.01, 0.1


@dataclass(frozen=True)
class Grid:
    """A sampling grid: ``shape`` in voxels and ``affine`` (4, 4) float64 from voxel indices to RAS+ mm."""

    shape: tuple[int, int, int]
    affine: np.ndarray

    @cached_property
    def spacing(self) -> np.ndarray:
        """Voxel size along each array axis, in mm."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in mL."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000

    def distance(self, other: "Grid") -> float:
        """Largest distance in mm between the corner voxels of two grids of one shape, and so between any voxels."""
        corners = np.array(list(itertools.product(*((0, n - 1) for n in self.shape), (1,))))
        return float(np.linalg.norm((corners @ (self.affine - other.affine).T)[:, :3], axis=1).max())

    def matches(self, other: "Grid", tolerance: float = SAME) -> bool:
        """Whether two grids sample the same points, within a share ``tolerance`` of the smallest voxel size."""
        return self.shape == other.shape and self.distance(other) <= tolerance * self.spacing.min()

    def coarsened(self, voxel_mm: float) -> "Grid":
        """The grid of ``voxel_mm`` voxels that covers the same box, with the same axes and corner.

        Axes with larger voxels are left as they are. The last voxel may reach beyond the box by less than its size.
        """
        factor = np.maximum(voxel_mm / self.spacing, 1)
        shape = tuple(int(n) for n in np.ceil(np.asarray(self.shape) / factor - 1e-6))
        affine = self.affine.copy()
        affine[:3, :3] = self.affine[:3, :3] * factor
        affine[:3, 3] = self.affine[:3, 3] + self.affine[:3, :3] @ ((factor - 1) / 2)
        return Grid(shape, affine)


@dataclass(frozen=True)
class Volume:
    """A 3D array with the affine of its grid."""

    data: np.ndarray
    affine: np.ndarray

    @cached_property
    def grid(self) -> Grid:
        """The grid of the array."""
        return Grid(self.data.shape, self.affine)


def read(path: str | os.PathLike, dtype: type | None = np.float32) -> Volume:
    """Read a 3D image; trailing axes of length one are dropped.

    ``dtype=None`` keeps the stored type. The affine is in mm, whatever unit the header names. Raises the
    :class:`UserError` of :func:`headstart.image_files.read`.
    """
    stored = image_files.read(path)
    with np.errstate(over="ignore"):  # numbers that single precision cannot hold become infinite
        return Volume(stored.data if dtype is None else stored.data.astype(dtype), stored.affine)


def write(path: str | os.PathLike, volume: Volume, dtype: type) -> None:
    """Write a NIfTI-1 image atomically, with the affine as both qform and sform (code 1, or 4 for MNI space).

    A sheared affine is written as sform only, since a qform cannot hold it and would place the image elsewhere.
    """
    image = nib.Nifti1Image(volume.data.astype(dtype), volume.affine)
    code = 4 if re.search("(space|tpl)-MNI152", Path(path).name) else 1
    image.set_sform(volume.affine, code)
    image.set_qform(volume.affine, code)
    if not Grid(volume.data.shape, placement.forms(image.header)["qform"]).matches(volume.grid, ALMOST):
        image.set_qform(None, 0)
    image.header.set_xyzt_units("mm")
    with atomic(path) as partial:
        nib.save(image, partial)


def read_affine(path: str | os.PathLike) -> np.ndarray:
    """(4, 4) matrix, RAS+ mm of the fixed space to RAS+ mm of the moving space, of an ITK affine ``.mat`` file."""
    stored = loadmat(path)
    (name,) = (key for key in stored if key.startswith("AffineTransform"))
    parameters, centre = stored[name].ravel(), stored["fixed"].ravel()
    matrix = np.eye(4)
    matrix[:3, :3] = parameters[:9].reshape(3, 3)
    matrix[:3, 3] = centre + parameters[9:] - matrix[:3, :3] @ centre
    return LPS_FROM_RAS @ matrix @ LPS_FROM_RAS


def resample(volume: Volume, grid: Grid, transform: np.ndarray | None = None) -> Volume:
    """Sample an image on another grid, with one linear interpolation.

    ``transform`` (4, 4) maps RAS+ mm of the space of ``grid`` to RAS+ mm of the space of ``volume``; None is the
    identity. If the grid is coarser than the image, the image is first smoothed against aliasing by a Gaussian, whose
    variance is the difference of the variances of the two sampling boxes. Outside the image the value is 0.
    """
    if transform is None and volume.grid.matches(grid):
        return Volume(volume.data.astype(np.float32), grid.affine)
    matrix = _voxel_matrix(volume, grid, transform)
    smoothed = _smoothed(np.asarray(volume.data, np.float32), matrix)
    sampled = ndimage.affine_transform(smoothed, matrix, output_shape=grid.shape, order=1, mode="grid-constant")
    return Volume(sampled, grid.affine)


def resample_labels(volume: Volume, grid: Grid, transform: np.ndarray | None = None) -> Volume:
    """Sample a label map on another grid: each voxel takes the label with the largest share of it (:func:`vote`).

    Arguments as for :func:`resample`; labels keep their integer type.
    """
    if transform is None and volume.grid.matches(grid):
        return Volume(volume.data.copy(), grid.affine)
    matrix = _voxel_matrix(volume, grid, transform)
    shares = ((label, _share(indicator, matrix, grid.shape)) for label, indicator in indicators(volume.data))
    return Volume(vote(shares, grid.shape, volume.data.dtype), grid.affine)


def renumbered(data: np.ndarray, values: Mapping[int, int]) -> np.ndarray:
    """Labels (X, Y, Z) with other values, uint8; ``values``: the new value of each old one, 0 of all others."""
    found = np.zeros(data.shape, np.uint8)
    for new in set(values.values()):
        found[np.isin(data, [old for old, other in values.items() if other == new])] = new
    return found


def indicators(labels: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each label above 0, in rising order, with a float32 image that is 1 where the label is."""
    for label in np.unique(labels[labels > 0]):
        yield label, (labels == label).astype(np.float32)


def vote(shares: Iterable[tuple[int, np.ndarray]], shape: tuple[int, int, int], dtype: type) -> np.ndarray:
    """Give each voxel of a grid the label with the largest share of it.

    ``shares``: labels in rising order, each with its share of every voxel (float32); the background (0) has the rest.
    With shares that were interpolated linearly, thin parts keep their volume, which nearest-neighbour sampling would
    lose. Ties go to the smaller label.
    """
    best = np.zeros(shape, dtype)
    largest = np.zeros(shape, np.float32)
    total = np.zeros(shape, np.float32)
    for label, share in shares:
        wins = share > largest + 1e-6
        best[wins], largest[wins] = label, share[wins]
        total += share
    best[largest <= 1 - total + 1e-6] = 0
    return best


def _voxel_matrix(volume: Volume, grid: Grid, transform: np.ndarray | None) -> np.ndarray:
    """(4, 4) matrix from voxel indices of ``grid`` to voxel indices of ``volume``."""
    return np.linalg.inv(volume.affine) @ (np.eye(4) if transform is None else transform) @ grid.affine


def _share(indicator: np.ndarray, matrix: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The share of each voxel of a grid of ``shape`` that belongs to a label, float32.

    ``indicator``: float32, 1 where the label is; ``matrix``: see :func:`_voxel_matrix`. Only the box around the label
    is sampled, since most labels are much smaller than the image.
    """
    reach = np.ceil(3 * _blur(matrix)).astype(int) + 1
    (box,) = ndimage.find_objects(indicator.astype(np.uint8))
    first = np.maximum([side.start for side in box] - reach, 0)
    last = np.minimum([side.stop for side in box] + reach, indicator.shape)
    corners = np.array(list(itertools.product(*zip(first - 1, last, strict=True)))).T
    there = np.linalg.inv(matrix)[:3, :3] @ (corners - matrix[:3, 3:])
    low = np.clip(np.floor(there.min(axis=1)).astype(int), 0, shape)
    high = np.clip(np.ceil(there.max(axis=1)).astype(int) + 1, low, shape)
    share = np.zeros(shape, np.float32)
    if np.all(high > low):
        part = indicator[tuple(slice(*side) for side in zip(first, last, strict=True))]
        share[tuple(slice(*side) for side in zip(low, high, strict=True))] = ndimage.affine_transform(
            _smoothed(part, matrix),
            matrix[:3, :3],
            offset=matrix[:3, :3] @ low + matrix[:3, 3] - first,
            output_shape=tuple(high - low),
            order=1,
            mode="grid-constant",
        )
    return share


def _smoothed(data: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """An image smoothed for sampling at steps of ``matrix``; the image itself if these are one voxel or less."""
    blur = _blur(matrix)
    return ndimage.gaussian_filter(data, blur, mode="nearest", truncate=3) if blur.any() else data


def _blur(matrix: np.ndarray) -> np.ndarray:
    """Gaussian sigma along each axis, in voxels of the sampled image; 0 for steps of one voxel or less."""
    steps = np.abs(matrix[:3, :3]).max(axis=1)
    return np.sqrt(np.maximum(steps**2 - 1, 0) / 12)
