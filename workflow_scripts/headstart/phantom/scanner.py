"""The scanner: its grid, the averages over its voxels, its inhomogeneous gain and its noise.

All is computed on a grid whose axes run right, anterior and superior, or nearly so if it is oblique; only at the end
are the arrays reoriented as they are stored.
"""

from dataclasses import dataclass
from itertools import product

import nibabel as nib
import numpy as np
from scipy import ndimage

from headstart.images import Grid, Volume
from headstart.phantom.anatomy import SpatialMapping, apply_affine, draw_rotation
from headstart.phantom.contrast import Contrast
from headstart.phantom.fields import lattice_shape, smooth_noise, upsample
from headstart.phantom.head import Head
from headstart.phantom.recipe import Recipe
from headstart.phantom.tissue import PARTS, Maps

# Spacing of the lattice on which smooth quantities (distances, gain) are computed, to be interpolated linearly.
_LATTICE_MM = 4.0
_AIR_MM = 6.0
_GAIN_SCALE_MM = 45.0
# Voxels farther than this from the brain's hull contain no brain.
_REACH_MM = 5.0
_BRAIN_SHARE = 0.5


@dataclass(frozen=True)
class BrainSamples:
    """Contents of the voxels near the brain; each value is the mean over a voxel's box.

    voxels: (N,) flat indices into the scan's grid.
    shares: (3, N) float32 shares of CSF, GM, WM.
    parts: (N,) uint8, the part of the brain with the largest share of the voxel.
    signal: (N,) float32, the brain's signal times its share of the voxel.
    lesion: (N,) float32 in [0, 1], or None.
    """

    voxels: np.ndarray
    shares: np.ndarray
    parts: np.ndarray
    signal: np.ndarray
    lesion: np.ndarray | None

    @property
    def in_brain(self) -> np.ndarray:
        """(N,) bool: more than half of the voxel is brain."""
        return self.shares.sum(axis=0) > _BRAIN_SHARE

    def spread(self, values: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
        """An image of ``shape`` with ``values`` (N,) at the voxels and 0 elsewhere."""
        image = np.zeros(shape, values.dtype)
        image.reshape(-1)[self.voxels] = values
        return image


def draw_grid(head: Head, mapping: SpatialMapping, recipe: Recipe, rng: np.random.Generator) -> Grid:
    """Draw a scan's grid: voxel size, slice thickness and obliquity, cropped to the head and some of the neck."""
    in_plane = rng.uniform(*recipe.voxel_mm)
    thickness = in_plane if recipe.slice_mm is None else rng.uniform(*recipe.slice_mm)
    rotation = draw_rotation(recipe.oblique_deg, rng)
    neck = rng.uniform(*recipe.neck_mm)
    low, high = _extent(head, mapping, rotation, neck)
    voxel = np.array([in_plane, in_plane, thickness])
    affine = np.eye(4)
    affine[:3, :3] = rotation * voxel
    affine[:3, 3] = rotation @ low
    return Grid(tuple(int(n) for n in np.ceil((high - low) / voxel) + 1), affine)


def _extent(head: Head, mapping: SpatialMapping, rotation: np.ndarray, neck_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest coordinates (3,) of the head along the box's axes (columns of ``rotation``), with some air."""
    corners = head.grid.affine @ np.array([[*c, 1] for c in product(*((0, n - 1) for n in head.grid.shape))]).T
    box = rotation.T @ (np.linalg.inv(mapping.affine) @ corners)[:3]
    sides = [np.arange(a, b, 2 * _LATTICE_MM) for a, b in zip(box.min(axis=1), box.max(axis=1), strict=True)]
    lattice = np.stack(np.meshgrid(*sides, indexing="ij"))
    points = mapping.to_template(np.tensordot(rotation, lattice, axes=1))
    above = points[2] > head.middle[2] - head.half[2] - neck_mm
    inside = lattice[:, above & (head.shapes(points)["skin"] < _LATTICE_MM)]
    low, high = inside.min(axis=1) - _AIR_MM, inside.max(axis=1) + _AIR_MM
    low[2] += _AIR_MM  # the image ends within the neck: there is no air below it
    return low, high


def sample_head(
    head: Head, mapping: SpatialMapping, grid: Grid, contrast: Contrast, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Sample the head around the brain.

    Parameters
    ----------
    head
        The subject's head.
    mapping
        The subject's mapping to template space.
    grid
        The scan's grid.
    contrast
        The image's signals.
    rng
        Generator of the random numbers.

    Returns
    -------
    tuple of numpy.ndarray
        Signal, and distance in mm to the brain's hull, both (X, Y, Z) float32.
    """
    steps, lattices = sample_shapes(head, mapping, grid)
    shapes = {name: upsample(lattice, steps, grid.shape) for name, lattice in lattices.items()}
    # The change of the distance across a voxel's box; its long side matters only where it crosses the layers.
    slopes = np.gradient(ndimage.gaussian_filter(lattices["hull"], 1), *steps)
    width = upsample(np.sqrt(sum(slope**2 for slope in slopes)), steps, grid.shape)
    np.maximum(width, 0.5 * grid.spacing.min(), out=width)
    texture = smooth_noise(rng, lattices["hull"].shape, steps * grid.spacing, _LATTICE_MM)
    hull = shapes["hull"]
    # Most of the image is air or brain: only the voxels in between are painted layer by layer.
    signal = np.where(hull < 0, np.float32(contrast.csf), np.float32(0))
    between = np.flatnonzero((hull > -width) & (shapes["skin"] < width))
    layers = {name: shape.reshape(-1)[between] for name, shape in shapes.items()}
    uneven = upsample(texture, steps, grid.shape).reshape(-1)[between]
    signal.reshape(-1)[between] = head.paint(layers, width.reshape(-1)[between], uneven, contrast)
    return signal, hull


def sample_shapes(head: Head, mapping: SpatialMapping, grid: Grid) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Distances of :meth:`Head.shapes` on a lattice of every n-th voxel of a grid, and n along each axis, (3,)."""
    steps = np.maximum(1, np.round(_LATTICE_MM / grid.spacing)).astype(int)
    index = np.indices(lattice_shape(grid.shape, steps), dtype=np.float32)
    index *= steps.astype(np.float32)[:, None, None, None]
    return steps, head.shapes(mapping.to_template(apply_affine(grid.affine, index)))


def sample_brain(
    maps: Maps, signal: np.ndarray, lesion: np.ndarray | None, mapping: SpatialMapping, grid: Grid, hull_mm: np.ndarray
) -> BrainSamples:
    """Average the template's maps over the boxes of the voxels near the brain.

    A voxel's box is sampled at the centres of equal cells, no larger than about one template voxel, by linear
    interpolation of the maps.

    Parameters
    ----------
    maps
        The anatomy in template space.
    signal
        (X, Y, Z) signal on the template's grid.
    lesion
        (X, Y, Z) lesions on the template's grid, or None.
    mapping
        The subject's mapping to template space.
    grid
        The scan's grid.
    hull_mm
        (X, Y, Z) distance to the brain's hull on ``grid``, from :func:`sample_head`.
    """
    voxels = np.flatnonzero(hull_mm < _REACH_MM + 0.5 * np.linalg.norm(grid.spacing - grid.spacing.min()))
    index = np.stack(np.unravel_index(voxels, grid.shape)).astype(np.float32)
    images = [*maps.shares, signal] if lesion is None else [*maps.shares, signal, lesion]
    means = np.zeros((len(images), voxels.size), np.float32)
    votes = np.zeros((len(PARTS), voxels.size), np.uint8)
    codes = np.searchsorted(PARTS, maps.parts).astype(np.uint8)
    mixed = _mixed_cells(codes)
    every = np.arange(voxels.size)
    offsets = _offsets(grid, maps.grid)
    for offset in offsets:
        points = mapping.to_template(apply_affine(grid.affine, index + offset[:, None]))
        at = apply_affine(np.linalg.inv(maps.grid.affine), points)
        for mean, image in zip(means, images, strict=True):
            mean += ndimage.map_coordinates(image, at, order=1, mode="constant", cval=0) / len(offsets)
        votes[_largest_share(codes, mixed, at), every] += 1
    parts = np.array(PARTS, np.uint8)[votes.argmax(axis=0)]
    return BrainSamples(voxels, means[:3], parts, means[3], None if lesion is None else means[4])


def _offsets(grid: Grid, template: Grid) -> np.ndarray:
    """(M, 3) float32 offsets of a voxel's cells from its centre, in voxels."""
    cells = np.maximum(1, np.round(grid.spacing / template.spacing.min())).astype(int)
    sides = [(np.arange(n) + 0.5) / n - 0.5 for n in cells]
    return np.array(list(product(*sides)), np.float32)


def _mixed_cells(labels: np.ndarray) -> np.ndarray:
    """(X, Y, Z) bool: the eight voxels from (i, j, k) to (i + 1, j + 1, k + 1) have different labels."""
    mixed = np.zeros(labels.shape, bool)
    for axis in range(3):
        low = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        high = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        mixed[low] |= labels[low] != labels[high]
    for axis in range(3):
        low = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        high = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        mixed[low] |= mixed[high]
    return mixed


def _largest_share(labels: np.ndarray, mixed: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Labels (N,) with the largest weight in linear interpolation at voxel coordinates (3, N); ties: the smallest."""
    limit = np.array(labels.shape)[:, None] - 2
    cell = np.clip(np.floor(at).astype(np.intp), 0, limit)
    flat = np.ravel_multi_index(tuple(cell), labels.shape)
    result = labels.reshape(-1)[flat]
    unsure = np.flatnonzero(mixed.reshape(-1)[flat])
    part = np.clip(at[:, unsure] - cell[:, unsure], 0, 1)
    strides = np.array(labels.strides) // labels.itemsize
    shares = np.zeros((int(labels.max()) + 1, unsure.size), np.float32)
    every = np.arange(unsure.size)
    for corner in product((0, 1), repeat=3):
        weight = np.prod([part[a] if c else 1 - part[a] for a, c in enumerate(corner)], axis=0)
        shares[labels.reshape(-1)[flat[unsure] + strides @ corner], every] += weight
    result[unsure] = shares.argmax(axis=0)
    return result


def receive(signal: np.ndarray, grid: Grid, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """The scanner's 12-bit image of ``signal`` (X, Y, Z; overwritten), with inhomogeneous gain and Rician noise."""
    steps = np.maximum(1, np.round(2 * _LATTICE_MM / grid.spacing)).astype(int)
    gain = smooth_noise(rng, lattice_shape(grid.shape, steps), steps * grid.spacing, _GAIN_SCALE_MM)
    signal *= upsample(1 + recipe.bias * gain / np.abs(gain).max(), steps, grid.shape)
    signal += recipe.noise * rng.standard_normal(grid.shape, dtype=np.float32)
    other = recipe.noise * rng.standard_normal(grid.shape, dtype=np.float32)
    np.hypot(signal, other, out=signal)
    signal *= rng.uniform(600, 1400)
    return np.clip(np.rint(signal, out=signal), 0, 4095).astype(np.int16)


def store(image: np.ndarray, grid: Grid, code: str) -> Volume:
    """Reorient an image on a scan's grid to the axis code ``code``; each voxel keeps its position in the world."""
    now = nib.orientations.io_orientation(grid.affine)
    change = nib.orientations.ornt_transform(now, nib.orientations.axcodes2ornt(code))
    affine = grid.affine @ nib.orientations.inv_ornt_aff(change, grid.shape)
    return Volume(nib.orientations.apply_orientation(image, change), affine)
