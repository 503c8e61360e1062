"""The template's anatomy as continuous maps."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from headstart.images import Grid
from headstart.phantom.anatomy import apply_affine
from headstart.template.template import STRUCTURES as STRUCTURE_NAMES
from headstart.template.template import Template

CSF, GM, WM = 1, 2, 3

# Parts of the brain that are not among FIRST's structures; those keep FIRST's values, which are all 10 or more.
OUTSIDE, CEREBRUM, CEREBELLUM, VENTRICLE = 0, 1, 2, 3
BRAIN_STEM = 16
STRUCTURES = tuple(STRUCTURE_NAMES)
_DEEP_GREY = (10, 11, 12, 13, 26, 49, 50, 51, 52, 58)
PARTS = (OUTSIDE, CEREBRUM, CEREBELLUM, VENTRICLE, *STRUCTURES)

_CEREBELLUM_LABELS = (7, 8, 46, 47)
_VENTRICLE_LABELS = (4, 5, 14, 15, 43, 44)
_CORTEX_LABELS = (3, 42)  # and, if the parcels are not merged, all from _PARCELS_FROM
_PARCELS_FROM = 1000

# The edges between tissues are blurred in an average of many people; with the cube of the probabilities they are about
# as sharp as in one person.
_SHARPENING = 3
_REGION_LATTICE_MM = 3.0


@dataclass(frozen=True)
class Maps:
    """The anatomy on the template's grid.

    shares: (3, X, Y, Z) float32, each voxel's shares of CSF, GM and WM, which sum to 1 in the brain and 0 outside.
    parts: (X, Y, Z) uint8, one of ``PARTS``.
    grid: the template's grid.
    """

    shares: np.ndarray
    parts: np.ndarray
    grid: Grid


def build_maps(template: Template) -> Maps:
    """Sharpen the template's tissue maps, and label the part of the brain in each voxel.

    A voxel of a structure contains no CSF, so that scan, tissues and structures always agree.
    """
    brain = template.brain.data > 0
    structures = np.where(brain, template.structures.data, 0).astype(np.uint8)
    shares = np.stack([template.csf.data, template.gm.data, template.wm.data]).astype(np.float32)
    shares[1] += np.where(structures > 0, shares[0], 0)
    shares[0][structures > 0] = 0
    shares **= _SHARPENING
    total = shares.sum(axis=0)
    shares *= np.divide(brain, total, out=np.zeros_like(total), where=total > 0)
    parts = np.where(brain, CEREBRUM, OUTSIDE).astype(np.uint8)
    cerebellum, ventricle = _regions(template.parcellation.data, template.t1.grid)
    is_csf = (shares[0] > shares[1]) & (shares[0] > shares[2])
    parts[brain & cerebellum] = CEREBELLUM
    parts[ventricle & is_csf] = VENTRICLE
    np.copyto(parts, structures, where=structures > 0)
    return Maps(shares, parts, template.t1.grid)


def _regions(parcellation: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Boolean (X, Y, Z) masks of cerebellum and ventricles, extended into the gaps of the parcellation.

    A voxel without label gets the label that prevails around it.
    """
    step = np.maximum(1, np.round(_REGION_LATTICE_MM / grid.spacing)).astype(int)
    sparse = parcellation[:: step[0], :: step[1], :: step[2]]
    is_cerebellum = np.isin(sparse, _CEREBELLUM_LABELS)
    is_ventricle = np.isin(sparse, _VENTRICLE_LABELS)

    def around(mask: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(mask.astype(np.float32), 1.5, truncate=3)

    def fill(mask: np.ndarray) -> np.ndarray:
        for axis in range(3):
            mask = np.repeat(mask, step[axis], axis=axis)
        return mask[tuple(slice(n) for n in grid.shape)]

    near_cerebellum = fill(around(is_cerebellum) > around((sparse > 0) & ~is_cerebellum))
    cerebellum = np.isin(parcellation, _CEREBELLUM_LABELS) | ((parcellation == 0) & near_cerebellum)
    near_ventricle = fill(around(is_ventricle) > 0.1)
    cortex = np.isin(parcellation, _CORTEX_LABELS) | (parcellation >= _PARCELS_FROM)
    return cerebellum, near_ventricle & ~cortex


def brain_box(maps: Maps) -> tuple[np.ndarray, np.ndarray]:
    """Centre (3,) and half size (3,) of the brain's box in template mm."""
    inside = maps.parts != OUTSIDE
    sides = [np.flatnonzero(inside.any(axis=others))[[0, -1]] for others in ((1, 2), (0, 2), (0, 1))]
    low, high = apply_affine(maps.grid.affine, np.array(sides, np.float64)).T
    return (low + high) / 2, np.abs(high - low) / 2


def anatomy_classes(tissue: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Coarse anatomy (uint8) from tissues and parts of the same shape.

    1 white matter, 2 cortical grey matter (hippocampus and amygdala with it), 3 basal ganglia and thalami,
    4 ventricular CSF, 5 cerebellum, 6 brain stem, 0 everything else.
    """
    table = np.zeros((4, max(PARTS) + 1), np.uint8)
    table[WM], table[GM] = 1, 2
    table[CSF, VENTRICLE] = 4
    table[GM : WM + 1, CEREBELLUM] = 5
    table[CSF : WM + 1, list(_DEEP_GREY)] = 3
    table[CSF : WM + 1, BRAIN_STEM] = 6
    return table[tissue, parts]
