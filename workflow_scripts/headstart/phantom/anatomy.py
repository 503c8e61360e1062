"""The mapping from a subject's space to template space, and movements of the head.

A mapping is a random affine, then a random diffeomorphic warp.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from headstart.images import Grid
from headstart.phantom.fields import smooth_noise
from headstart.phantom.recipe import Recipe

# The warp is drawn on a lattice of WARP_LATTICE_MM that reaches MARGIN_MM beyond the template, over face and neck.
WARP_LATTICE_MM = 6.0
MARGIN_MM = 48.0
# (sigma in mm, share of the variance): lobes move by centimetres, gyri by less.
_WARP_SCALES = ((32.0, 0.65), (14.0, 0.35))
_SQUARINGS = 6

# The template's brain is larger than a human's; these scale its volume to about 1.3 and 1.45 L (MNI152: 1.9 L).
_MEAN_SCALE = {"F": 0.89, "M": 0.92}
_SCALE_SD = 0.02
_AXIS_SCALE_SD = 0.02
_SHEAR_SD = 0.015


@dataclass(frozen=True)
class SpatialMapping:
    """Smooth invertible mapping from native RAS+ mm to template RAS+ mm.

    affine: (4, 4), applied first, from native mm to near template mm.
    displacement: (3, X, Y, Z) float32 in mm on ``grid``, sampled at the affine's result and added to it; linear between
        lattice points and constant beyond the lattice.
    """

    affine: np.ndarray
    displacement: np.ndarray
    grid: Grid

    def to_template(self, points: np.ndarray) -> np.ndarray:
        """Map points (3, ...) in native RAS+ mm to template RAS+ mm, of the same shape and floating type."""
        return self.warp(apply_affine(self.affine, points))

    def warp(self, points: np.ndarray) -> np.ndarray:
        """Add the displacement to points (3, ...), which the affine has already mapped near template mm."""
        at = apply_affine(np.linalg.inv(self.grid.affine), points)
        moved = np.empty_like(points)
        for axis in range(3):
            moved[axis] = ndimage.map_coordinates(
                self.displacement[axis], at, output=points.dtype, order=1, mode="nearest"
            )
        moved += points
        return moved

    def after(self, movement: np.ndarray) -> "SpatialMapping":
        """The mapping of the same head after ``movement``, (4, 4) from native RAS+ mm before it to those after it."""
        return replace(self, affine=self.affine @ np.linalg.inv(movement))


def apply_affine(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply a (4, 4) affine to points (3, ...), keeping their floating type."""
    flat = points.reshape(3, -1)
    moved = affine[:3, :3].astype(points.dtype) @ flat
    moved += affine[:3, 3:].astype(points.dtype)
    return moved.reshape(points.shape)


def draw_mapping(
    template: Grid, centre: np.ndarray, recipe: Recipe, sex: str, rng: np.random.Generator
) -> SpatialMapping:
    """Draw a subject's mapping.

    Parameters
    ----------
    template
        The template's grid.
    centre
        (3,) centre of the template's brain in mm.
    recipe
        The parameters of the dataset.
    sex
        ``F`` or ``M``.
    rng
        Generator of the random numbers.
    """
    grid = _warp_grid(template)
    return SpatialMapping(_draw_affine(centre, recipe, sex, rng), _draw_displacement(grid, recipe.warp_mm, rng), grid)


def draw_movement(centre: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """Draw a rigid movement of a head about its ``centre`` (3,): (4, 4) from native RAS+ mm before to after it."""
    movement = np.eye(4)
    movement[:3, :3] = draw_rotation(recipe.movement_deg, rng)
    movement[:3, 3] = centre + rng.uniform(-1, 1, 3) * recipe.movement_mm - movement[:3, :3] @ centre
    return movement


def draw_rotation(largest_deg: float, rng: np.random.Generator) -> np.ndarray:
    """(3, 3) rotation by up to ``largest_deg`` about each axis."""
    return Rotation.from_euler("xyz", rng.uniform(-1, 1, 3) * largest_deg, degrees=True).as_matrix()


def _warp_grid(template: Grid) -> Grid:
    """The lattice of the warp: the template's box and axes, with a margin on every side."""
    inner = template.coarsened(WARP_LATTICE_MM)
    margin = int(np.ceil(MARGIN_MM / WARP_LATTICE_MM))
    affine = inner.affine.copy()
    affine[:3, 3] -= inner.affine[:3, :3] @ np.full(3, margin)
    return Grid(tuple(n + 2 * margin for n in inner.shape), affine)


def _draw_affine(centre: np.ndarray, recipe: Recipe, sex: str, rng: np.random.Generator) -> np.ndarray:
    """(4, 4) from native to template mm: size and shape of the head, its rotation and position in the scanner."""
    scale = rng.normal(_MEAN_SCALE[sex], _SCALE_SD) * np.exp(rng.normal(0, _AXIS_SCALE_SD, 3))
    shape = np.diag(scale) + np.triu(rng.normal(0, _SHEAR_SD, (3, 3)), k=1)
    rotation = draw_rotation(recipe.rotation_deg, rng)
    from_template = np.eye(4)
    from_template[:3, :3] = rotation @ shape
    from_template[:3, 3] = rng.uniform(-1, 1, 3) * recipe.origin_mm - rotation @ shape @ centre
    return np.linalg.inv(from_template)


def _draw_displacement(grid: Grid, warp_mm: float, rng: np.random.Generator) -> np.ndarray:
    """(3, X, Y, Z) float32 displacement in mm: the exponential of a smooth velocity field, and therefore invertible."""
    velocity = np.zeros((3, *grid.shape), np.float32)
    for scale_mm, share in _WARP_SCALES:
        for component in velocity:
            component += np.sqrt(share) * smooth_noise(rng, grid.shape, grid.spacing, scale_mm)
    velocity *= warp_mm / np.sqrt((velocity**2).sum(axis=0).mean())
    return _exponential(velocity, grid)


def _exponential(velocity: np.ndarray, grid: Grid) -> np.ndarray:
    """Displacement in mm after following ``velocity`` (3, X, Y, Z) for unit time, by scaling and squaring."""
    to_voxels = np.linalg.inv(grid.affine[:3, :3]).astype(np.float32)
    lattice = np.indices(grid.shape, dtype=np.float32)
    displacement = velocity / 2**_SQUARINGS
    for _ in range(_SQUARINGS):
        at = lattice + np.tensordot(to_voxels, displacement, axes=1)
        displacement = displacement + np.stack(
            [ndimage.map_coordinates(component, at, order=1, mode="nearest") for component in displacement]
        )
    return displacement
