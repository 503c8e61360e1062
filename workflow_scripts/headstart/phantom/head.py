"""The head around the brain, as smooth distance functions in template space.

Layers outwards from the brain: CSF, skull with marrow, scalp with bright fat, air; below, neck with spine, airway and
spinal cord; in front, face with eyes and sinus. Lengths are in mm.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from headstart.images import Grid
from headstart.phantom.anatomy import MARGIN_MM, apply_affine
from headstart.phantom.contrast import Contrast
from headstart.phantom.tissue import BRAIN_STEM, Maps, brain_box

_LATTICE_MM = 4.0
_CLOSING_MM = 10.0

# Centre and half size of the MNI brain's box, in MNI mm: the shapes below are defined in it and scaled to any brain.
_MNI_MIDDLE = np.array([0.0, -17.0, 4.0])
_MNI_HALF = np.array([70.0, 90.0, 74.0])

# What lies around the brain, from the muscle, which fills the head, to what is painted last.
LAYERS = (
    "muscle", "fat", "skin", "orbit", "eye", "sinus", "airway", "bone", "marrow", "vertebra", "canal", "cord", "csf",
)  # fmt: skip
_UNEVEN = {"muscle", "fat", "marrow", "vertebra"}


@dataclass(frozen=True)
class Head:
    """A subject's head; ``hull_mm`` (X, Y, Z) on ``grid`` is the signed distance to the brain's smooth hull."""

    hull_mm: np.ndarray
    grid: Grid
    middle: np.ndarray
    half: np.ndarray
    stem_end: np.ndarray
    csf_mm: float
    skull_mm: float
    scalp_mm: float

    def shapes(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Signed distances in mm, negative inside, by the name of the shape, at points (3, ...) in template mm."""
        at = apply_affine(np.linalg.inv(self.grid.affine), points)
        hull = ndimage.map_coordinates(self.hull_mm, at, output=np.float32, order=1, mode="nearest")
        mni = self._to_mni(points)
        below = points - self.stem_end.reshape(3, *[1] * (points.ndim - 1)).astype(points.dtype)
        skin = hull - (self.csf_mm + self.skull_mm + self.scalp_mm)
        face, nose = _ellipsoid(mni, (0, 48, -62), (60, 50, 70)), _ellipsoid(mni, (0, 97, -52), (14, 17, 24))
        for shape in (_neck(below), face, nose):
            skin = _smooth_union(skin, shape, 10.0)
        eyes = [_ellipsoid(mni, (x, 62, -40), (12, 12, 12)) for x in (-33, 33)]
        return {
            "hull": hull,
            "skin": skin,
            "eyes": np.minimum(*eyes),
            "sinus": _ellipsoid(mni, (0, 70, -52), (13, 18, 14)),
            "airway": _tube(below, 38.0, 7.0, top=-5.0),
            "spine": _tube(below, 0.0, 19.0, top=-22.0),
            "canal": _tube(below, 0.0, 9.0, top=14.0),
            "cord": _tube(below, 0.0, 5.0, top=8.0),
        }

    def paint(
        self, shapes: dict[str, np.ndarray], width: np.ndarray, texture: np.ndarray, contrast: Contrast
    ) -> np.ndarray:
        """Signal around the brain at any points, from the distances of :meth:`shapes`; all arrays have one shape.

        ``width`` is the extent in mm of a voxel across the layers, over which an edge is spread (partial volume);
        ``texture`` has standard deviation 1 and makes muscle, fat, marrow and vertebrae inhomogeneous.
        """
        uneven = 1 + 0.08 * texture
        signals = {name: value * uneven if name in _UNEVEN else value for name, value in contrast.around.items()}
        signal = signals["muscle"]
        for layer, distance in self._layers(shapes):
            share = _inside(distance, width)
            share *= signals[layer] - signal
            signal += share
        signal *= _inside(shapes["skin"], width)
        return signal

    def label(self, shapes: dict[str, np.ndarray]) -> np.ndarray:
        """Which of :data:`LAYERS` each point shows, counted from 1, and 0 in air: uint8, from :meth:`shapes`."""
        labels = np.full(shapes["skin"].shape, 1 + LAYERS.index("muscle"), np.uint8)
        for layer, distance in self._layers(shapes):
            labels[distance < 0] = 1 + LAYERS.index(layer)
        labels[shapes["skin"] >= 0] = 0
        return labels

    def _layers(self, shapes: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
        """The layers of a head in the muscle, with their signed distances in mm; each lies over those before."""
        hull, skin = shapes["hull"], shapes["skin"]
        skull = hull - self.csf_mm
        middle_of_skull = np.abs(skull - 0.5 * self.skull_mm) - 0.2 * self.skull_mm
        yield "fat", -self.scalp_mm - skin
        yield "skin", -1.5 - skin
        yield "orbit", shapes["eyes"] - 6
        yield "eye", shapes["eyes"]
        yield "sinus", shapes["sinus"]
        yield "airway", shapes["airway"]
        yield "bone", skull - self.skull_mm
        yield "marrow", middle_of_skull
        yield "vertebra", shapes["spine"]
        yield "canal", shapes["canal"]
        yield "cord", shapes["cord"]
        yield "csf", skull

    def _to_mni(self, points: np.ndarray) -> np.ndarray:
        """Map points (3, ...) from template mm to MNI mm by the boxes of the two brains."""
        scale = _MNI_HALF / self.half
        affine = np.eye(4)
        affine[:3, :3] = np.diag(scale)
        affine[:3, 3] = _MNI_MIDDLE - scale * self.middle
        return apply_affine(affine, points)


def draw_head(maps: Maps, rng: np.random.Generator) -> Head:
    """Draw the thicknesses of the layers of a head around the template's brain."""
    middle, half = brain_box(maps)
    hull, grid = _hull_distance(maps)
    return Head(
        hull,
        grid,
        middle,
        half,
        _stem_end(maps, middle, half),
        csf_mm=float(rng.uniform(2.0, 3.5)),
        skull_mm=float(rng.uniform(5.0, 7.5)),
        scalp_mm=float(rng.uniform(4.0, 6.5)),
    )


def _hull_distance(maps: Maps) -> tuple[np.ndarray, Grid]:
    """Signed distance in mm (float32) to the brain mask with its sulci closed, on a lattice with a wide margin."""
    step = np.maximum(1, np.round(_LATTICE_MM / maps.grid.spacing)).astype(int)
    spacing = maps.grid.spacing * step
    pad = np.ceil(MARGIN_MM / spacing).astype(int)
    brain = (maps.parts > 0)[tuple(slice(None, None, s) for s in step)]
    brain = np.pad(brain, [(p, p) for p in pad])
    grown = ndimage.distance_transform_edt(~brain, sampling=spacing) <= _CLOSING_MM
    closed = ndimage.distance_transform_edt(grown, sampling=spacing) > _CLOSING_MM
    closed |= brain
    outside = ndimage.distance_transform_edt(~closed, sampling=spacing)
    signed = outside - ndimage.distance_transform_edt(closed, sampling=spacing)
    affine = maps.grid.affine.copy()
    affine[:3, :3] *= step
    affine[:3, 3] -= affine[:3, :3] @ pad
    return ndimage.gaussian_filter(signed, 1.2).astype(np.float32), Grid(signed.shape, affine)


def _stem_end(maps: Maps, middle: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Lower end of the brain stem in template mm; without a brain stem, the bottom of the box under its centre."""
    stem = np.argwhere(maps.parts == BRAIN_STEM)
    if not len(stem):
        return middle - np.array([0, 0, half[2]])
    places = stem @ maps.grid.affine[:3, :3].T + maps.grid.affine[:3, 3]
    lowest = places[:, 2].min()
    return np.append(places[places[:, 2] < lowest + 6][:, :2].mean(axis=0), lowest)


def _inside(distance: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Share of a voxel of extent ``width`` that is inside a shape at signed ``distance`` (both in mm)."""
    share = distance / width
    np.subtract(0.5, share, out=share)
    return np.clip(share, 0, 1, out=share)


def _ellipsoid(points: np.ndarray, centre: tuple, radii: tuple) -> np.ndarray:
    """Signed distance to an axis-aligned ellipsoid, exact on its surface and accurate to first order near it."""
    place = (slice(None), *[None] * (points.ndim - 1))
    scaled = (points - np.array(centre, points.dtype)[place]) / np.array(radii, points.dtype)[place]
    length = np.sqrt((scaled**2).sum(axis=0)) + 1e-6
    slope = np.sqrt(((scaled / np.array(radii, points.dtype)[place]) ** 2).sum(axis=0)) + 1e-6
    return length * (length - 1) / slope


def _tube(below: np.ndarray, forward_mm: float, radius_mm: float, top: float) -> np.ndarray:
    """Signed distance to a vertical tube ``forward_mm`` in front of the brain stem's end and up to ``top`` mm above."""
    across = np.hypot(below[0], below[1] - forward_mm) - radius_mm
    return np.maximum(across, below[2] - top)


def _neck(below: np.ndarray) -> np.ndarray:
    """Signed distance to the neck: a vertical oval column that reaches into the base of the skull."""
    across = (np.hypot(below[0] / 58, (below[1] - 8) / 66) - 1) * 60
    return np.maximum(across, below[2] - 35)


def _smooth_union(one: np.ndarray, other: np.ndarray, blend_mm: float) -> np.ndarray:
    """Signed distance to the union of two shapes, with the crease between them filled over ``blend_mm``."""
    overlap = np.maximum(blend_mm - np.abs(one - other), 0) / blend_mm
    return np.minimum(one, other) - overlap**2 * blend_mm / 4
