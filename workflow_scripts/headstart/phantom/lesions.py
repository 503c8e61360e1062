"""Lesions in template space: strokes in an arterial territory, and the small lesions of multiple sclerosis.

A lesion is the set of those eligible voxels nearest to its centre that add up to its volume. Their distance is that of
an ellipsoid plus smooth noise, so borders are irregular, while the volume is exactly the one drawn.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from headstart.images import Grid
from headstart.phantom.anatomy import apply_affine
from headstart.phantom.fields import lattice_shape, smooth_noise, upsample
from headstart.phantom.recipe import Recipe
from headstart.phantom.tissue import BRAIN_STEM, CEREBRUM, STRUCTURES, VENTRICLE, WM, Maps, brain_box

_BORDER_MM = 1.5
# Scales of the border's noise relative to the lesion's radius; the amplitude is lower at the smaller one.
_BORDER_SCALES = (0.5, 0.15)

# Territories of the arteries as ellipsoids: probability; offset of the centre from the brain's centre, relative to its
# half size (lateral, anterior, superior); relative axes.
_TERRITORIES = {
    "MCA": (0.65, (0.68, 0.10, 0.08), (1.0, 1.4, 1.1)),
    "ACA": (0.15, (0.16, 0.55, 0.45), (0.6, 1.5, 1.1)),
    "PCA": (0.20, (0.30, -0.66, -0.02), (0.9, 1.3, 0.9)),
}
_CENTRE_SD_MM = 7.0
# Volumes in mL: (median, sigma of the logarithm, smallest, largest).
_STROKE_ML = (25.0, 0.9, 5.0, 120.0)
_SATELLITE_ML = (1.5, 0.7, 0.4, 5.0)
_SATELLITES = (0.55, 0.30, 0.15)
_MS_ML = (0.12, 0.9, 0.02, 1.5)
_MS_COUNT = (10, 40)
_MS_FALL_OFF_MM = 6.0
_MS_LATTICE_MM = 2.0
_MS_ELONGATION = (1.3, 2.2)
_MS_GAP_MM = 2.0


@dataclass(frozen=True)
class _Blob:
    """A lesion to draw: centre (3,) in template mm, rotation (3, 3), relative axes (3,), volume in mL, roughness."""

    centre: np.ndarray
    rotation: np.ndarray
    axes: np.ndarray
    volume_ml: float
    roughness: float

    @property
    def radius_mm(self) -> float:
        """Radius of the ball with the same volume."""
        return (3000 * self.volume_ml / (4 * np.pi)) ** (1 / 3)


def draw_lesions(maps: Maps, recipe: Recipe, growth: float, rng: np.random.Generator) -> np.ndarray | None:
    """Draw a subject's lesions: (X, Y, Z) float32 in [0, 1] on the template's grid, above 0.5 inside; None if healthy.

    ``growth``: ratio of the template's volume to the subject's, since volumes are drawn in the subject's mL.
    """
    if recipe.lesions == "stroke":
        return _draw_stroke(maps, growth, rng)
    if recipe.lesions == "ms":
        return _draw_ms(maps, growth, rng)
    return None


def _draw_stroke(maps: Maps, growth: float, rng: np.random.Generator) -> np.ndarray:
    """One large lesion in one territory of one side, and up to two small ones elsewhere on that side."""
    side = rng.choice([-1.0, 1.0])
    hit = _cerebral(maps) & _on_side(maps, side)
    middle, half = brain_box(maps)
    territory = rng.choice(list(_TERRITORIES), p=[chance for chance, _, _ in _TERRITORIES.values()])
    _, offset, axes = _TERRITORIES[territory]
    centre = middle + np.array([side, 1, 1]) * offset * half + rng.normal(0, _CENTRE_SD_MM, 3)
    rotation = Rotation.from_euler("xyz", rng.normal(0, 15, 3), degrees=True).as_matrix()
    field = np.zeros(maps.grid.shape, np.float32)
    _add(field, _Blob(centre, rotation, np.array(axes), _draw_ml(_STROKE_ML, rng) * growth, 0.4), hit, maps, rng)
    for _ in range(rng.choice(len(_SATELLITES), p=_SATELLITES)):
        free = np.flatnonzero(hit & (field == 0) & (maps.shares[0] < 0.5))
        centre = _centres(maps.grid, rng.choice(free, 1))[0]
        ball = _Blob(centre, np.eye(3), rng.uniform(0.8, 1.25, 3), _draw_ml(_SATELLITE_ML, rng) * growth, 0.2)
        _add(field, ball, hit, maps, rng)
    return field


def _draw_ms(maps: Maps, growth: float, rng: np.random.Generator) -> np.ndarray:
    """Many small ovoids in cerebral white matter, most near the ventricles and pointing away from them."""
    white = (maps.parts == CEREBRUM) & (maps.shares[WM - 1] > 0.5)
    places, weights, away = _near_ventricles(maps, white)
    order = rng.choice(len(places), len(places), replace=False, p=weights)
    count = rng.integers(*_MS_COUNT, endpoint=True)
    field = np.zeros(maps.grid.shape, np.float32)
    made: list[_Blob] = []
    for index in order:
        long = rng.uniform(*_MS_ELONGATION)
        blob = _Blob(
            places[index],
            _rotation_to(away[index]),
            np.array([long, 1, 1]) / long ** (1 / 3),
            _draw_ml(_MS_ML, rng) * growth,
            0.25,
        )
        if all(np.linalg.norm(blob.centre - other.centre) > _min_distance(blob, other) for other in made):
            _add(field, blob, white, maps, rng)
            made.append(blob)
        if len(made) == count:
            break
    return field


def _min_distance(one: _Blob, other: _Blob) -> float:
    """Distance in mm between centres above which two lesions are separate."""
    return one.radius_mm * one.axes.max() + other.radius_mm * other.axes.max() + _MS_GAP_MM


def _near_ventricles(maps: Maps, white: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (N, 3) in white matter in mm, probabilities (N,), and unit vectors (N, 3) away from the ventricles."""
    step = np.maximum(1, np.round(_MS_LATTICE_MM / maps.grid.spacing)).astype(int)
    sparse = tuple(slice(None, None, s) for s in step)
    spacing = maps.grid.spacing * step
    distance = ndimage.distance_transform_edt(maps.parts[sparse] != VENTRICLE, sampling=spacing)
    at = np.argwhere(white[sparse])
    slope = np.gradient(ndimage.gaussian_filter(distance, 1), *spacing)
    away = np.stack([component[tuple(at.T)] for component in slope], axis=1)
    away = (away + [0, 0, 1e-6]) @ _directions(maps.grid).T
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    weights = np.exp(-distance[tuple(at.T)] / _MS_FALL_OFF_MM) + 1e-6
    return _to_mm(maps.grid, at * step), weights / weights.sum(), away


def _rotation_to(direction: np.ndarray) -> np.ndarray:
    """(3, 3) rotation whose first column is ``direction``."""
    across = np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))])
    across /= np.linalg.norm(across)
    return np.column_stack([direction, across, np.cross(direction, across)])


def _add(field: np.ndarray, blob: _Blob, eligible: np.ndarray, maps: Maps, rng: np.random.Generator) -> None:
    """Add a lesion to ``field`` in place: one connected set of eligible voxels with soft edges."""
    box = _box_around(blob, maps.grid)
    allowed = eligible[box]
    if not allowed.any():
        return
    distance = _ellipsoid_distance(blob, box, maps.grid)
    for part in _BORDER_SCALES:
        scale_mm = max(part * blob.radius_mm, 0.7)
        distance += blob.roughness * blob.radius_mm * np.sqrt(part) * _noise(allowed.shape, maps.grid, scale_mm, rng)
    inside = distance[allowed]
    count = min(max(int(round(blob.volume_ml / maps.grid.voxel_ml)), 1), inside.size) - 1
    reach = np.partition(inside, count)[count]
    soft = np.clip(0.5 + (reach + 1e-3 - distance) / _BORDER_MM, 0, 1) * allowed
    np.maximum(field[box], _largest_piece(soft), out=field[box])


def _ellipsoid_distance(blob: _Blob, box: tuple[slice, ...], grid: Grid) -> np.ndarray:
    """Distance in mm from the lesion's centre, scaled by its axes, at the voxels of ``box``; float32."""
    to_ball = blob.rotation.T / blob.axes[:, None]
    matrix = (to_ball @ grid.affine[:3, :3]).astype(np.float32)
    start = to_ball @ (grid.affine[:3, 3] - blob.centre)
    i, j, k = np.ogrid[box]
    squares = sum(
        (row[0] * i + (row[1] * j + (row[2] * k + np.float32(c)))) ** 2 for row, c in zip(matrix, start, strict=True)
    )
    return np.sqrt(squares, dtype=np.float32)


def _noise(shape: tuple[int, ...], grid: Grid, scale_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise on ``shape`` voxels of ``grid``, drawn on a lattice as coarse as its scale allows."""
    steps = np.maximum(1, np.floor(scale_mm / (1.5 * grid.spacing))).astype(int)
    return upsample(smooth_noise(rng, lattice_shape(shape, steps), steps * grid.spacing, scale_mm), steps, shape)


def _largest_piece(soft: np.ndarray) -> np.ndarray:
    """``soft`` around its largest connected set of voxels above 0.5, and 0 elsewhere."""
    inside = soft > 0.5
    pieces, count = ndimage.label(inside)
    if not count:
        return soft
    largest = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    rim = ndimage.binary_dilation(largest) & ~inside
    return np.where(largest | rim, soft, 0)


def _box_around(blob: _Blob, grid: Grid) -> tuple[slice, ...]:
    """Voxels that the lesion may reach: 2.5 radii, so that it can spread elsewhere where some are not eligible."""
    reach = 2.5 * blob.radius_mm * blob.axes.max() / grid.spacing + 2
    centre = np.linalg.solve(grid.affine, np.append(blob.centre, 1))[:3]
    low = np.clip(np.floor(centre - reach), 0, np.array(grid.shape) - 1).astype(int)
    high = np.clip(np.ceil(centre + reach), 0, np.array(grid.shape) - 1).astype(int)
    return tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))


def _cerebral(maps: Maps) -> np.ndarray:
    """Voxels supplied by the three cerebral arteries: cerebrum and its deep grey matter, including sulci."""
    table = np.zeros(max(STRUCTURES) + 1, bool)
    table[[CEREBRUM, *(label for label in STRUCTURES if label != BRAIN_STEM)]] = True
    return table[maps.parts]


def _on_side(maps: Maps, side: float) -> np.ndarray:
    """Voxels left (-1) or right (1) of the midline by more than a millimetre; broadcasts to the grid's shape."""
    x = _to_mm(maps.grid, np.column_stack([np.arange(maps.grid.shape[0]), *np.zeros((2, maps.grid.shape[0]))]))[:, 0]
    return (side * (x - brain_box(maps)[0][0]) > 1)[:, None, None]


def _draw_ml(law: tuple[float, float, float, float], rng: np.random.Generator) -> float:
    """Draw a volume in mL from a clipped log-normal law: (median, sigma of the logarithm, smallest, largest)."""
    median, sigma, smallest, largest = law
    return float(np.clip(median * np.exp(rng.normal(0, sigma)), smallest, largest))


def _centres(grid: Grid, flat: np.ndarray) -> np.ndarray:
    """Centres (N, 3) in mm of the voxels with flat indices (N,)."""
    return _to_mm(grid, np.column_stack(np.unravel_index(flat, grid.shape)))


def _to_mm(grid: Grid, index: np.ndarray) -> np.ndarray:
    """(N, 3) RAS+ mm of voxel indices (N, 3)."""
    return apply_affine(grid.affine, np.asarray(index, np.float64).T).T


def _directions(grid: Grid) -> np.ndarray:
    """(3, 3) unit vectors of the array's axes in RAS+ mm, as columns."""
    return grid.affine[:3, :3] / grid.spacing
