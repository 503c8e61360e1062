"""Label maps of synthetic heads in template space, of brain and head, from which images of any contrast can be made.

No scan is simulated: a head is the template under a random smooth mapping, as in :mod:`headstart.phantom.subject`, but
placed as an exact registration would place it.
"""

from dataclasses import replace

import numpy as np

from headstart import seeds
from headstart.images import Grid, Volume
from headstart.label_table import Label
from headstart.phantom import scanner
from headstart.phantom.anatomy import draw_mapping
from headstart.phantom.contrast import T1W
from headstart.phantom.fields import upsample
from headstart.phantom.head import LAYERS, draw_head
from headstart.phantom.lesions import draw_lesions
from headstart.phantom.recipe import Recipe
from headstart.phantom.subject import LESION_SHARE, demographics
from headstart.phantom.tissue import CEREBELLUM, CSF, GM, PARTS, STRUCTURES, VENTRICLE, WM, Maps, brain_box
from headstart.template.template import STRUCTURES as STRUCTURE_NAMES

# As bright as in T1-weighted scans between the 1st and 99th percentile of a head.
_CSF_T1, _GM_T1, _WM_T1 = 0.24, 0.56, 0.88
_WHITE, _CORTEX, _FLUID, _VENTRICLES, _GREY_CEREBELLUM, _WHITE_CEREBELLUM, _LESION = 1, 2, 3, 4, 5, 6, 7
# Values around the brain are this much above those of Head.label; the largest of a structure is 58.
_HEAD_FROM = 60
# Material and brightness of the layers of a head; an airway is air.
_AROUND = {
    "muscle": ("muscle", 0.42), "fat": ("fat", 0.95), "skin": ("skin", 0.55), "orbit": ("fat", 0.95),
    "eye": ("eye", 0.22), "sinus": ("bone", 0.06), "bone": ("bone", 0.06), "marrow": ("marrow", 0.4),
    "vertebra": ("vertebra", 0.48), "canal": ("CSF", _CSF_T1), "cord": ("brain stem", 0.816), "csf": ("CSF", _CSF_T1),
}  # fmt: skip


def _structures() -> list[Label]:
    """The labels of FIRST's structures, which keep its values; the two sides are of one material."""
    whiteness = {value: white for values, white in T1W.structures.items() for value in values}
    names = {value: name.removeprefix("left ").removeprefix("right ") for value, name in STRUCTURE_NAMES.items()}
    return [
        Label(value, name, name, round(_GM_T1 + whiteness[value] * (_WM_T1 - _GM_T1), 3), brain=True)
        for value, name in names.items()
    ]


# Ventricles and the fluid around the brain are the same material, as are white matter of cerebrum and cerebellum.
LABELS = (
    Label(_WHITE, "cerebral white matter", "white matter", _WM_T1, brain=True),
    Label(_CORTEX, "cerebral cortex", "cortex", _GM_T1, brain=True),
    Label(_FLUID, "CSF", "CSF", _CSF_T1, brain=True),
    Label(_VENTRICLES, "ventricles", "CSF", _CSF_T1, brain=True),
    Label(_GREY_CEREBELLUM, "cerebellar cortex", "cerebellar cortex", _GM_T1, brain=True),
    Label(_WHITE_CEREBELLUM, "cerebellar white matter", "white matter", _WM_T1, brain=True),
    Label(_LESION, "lesion", "lesion", 0.35, brain=True),
    *_structures(),
    *(
        Label(_HEAD_FROM + number, f"{layer} outside", *_AROUND[layer], brain=False)
        for number, layer in enumerate(LAYERS, 1)
        if layer in _AROUND
    ),
)


def draw_label_map(maps: Maps, recipe: Recipe, grid: Grid, seed: int) -> Volume:
    """Draw the label map of one head: uint8 with the values of :data:`LABELS`. The same arguments give the same bytes.

    Parameters
    ----------
    maps
        The template's anatomy, from :func:`headstart.phantom.tissue.build_maps`.
    recipe
        Warp and lesions; what is of scanners is not used.
    grid
        In template space with axes RAS+; a voxel has the label of the largest part of it in the brain, and that of its
        centre around it.
    seed
        Of the head.
    """
    sex = demographics(recipe, seed)["sex"]
    drawn = draw_mapping(maps.grid, brain_box(maps)[0], recipe, sex, seeds.generator(seed, "anatomy"))
    growth = abs(np.linalg.det(drawn.affine[:3, :3]))
    lesion = draw_lesions(maps, recipe, growth, seeds.generator(seed, "lesions"))
    mapping = replace(drawn, affine=np.eye(4))
    head = draw_head(maps, seeds.generator(seed, "head"))
    steps, lattices = scanner.sample_shapes(head, mapping, grid)
    around = head.label({name: upsample(lattice, steps, grid.shape) for name, lattice in lattices.items()})
    labels = _values_around()[around]
    hull_mm = upsample(lattices["hull"], steps, grid.shape)
    no_signal = np.zeros(maps.grid.shape, np.float32)
    brain = scanner.sample_brain(maps, no_signal, lesion, mapping, grid, hull_mm)
    inside = brain.in_brain
    labels.reshape(-1)[brain.voxels[inside]] = _values_in_brain(brain)[inside]
    return Volume(labels, grid.affine)


def finer(grid: Grid, factor: int) -> Grid:
    """The same slices on a grid whose voxels are cut into ``factor`` x ``factor`` along the first two axes."""
    by = np.array([factor, factor, 1])
    affine = grid.affine.copy()
    affine[:3, :3] = grid.affine[:3, :3] / by
    affine[:3, 3] = grid.affine[:3, 3] - affine[:3, :3] @ ((by - 1) / 2)
    return Grid(tuple(int(n) for n in by * grid.shape), affine)


def _values_around() -> np.ndarray:
    """Values of what :meth:`Head.label` returns."""
    kept = np.array([0, *(layer in _AROUND for layer in LAYERS)])
    return (kept * (_HEAD_FROM + np.arange(len(kept)))).astype(np.uint8)


def _values_in_brain(brain: scanner.BrainSamples) -> np.ndarray:
    """Values of the voxels near the brain, (N,) uint8, from tissue and part of each."""
    table = np.zeros((WM + 1, max(PARTS) + 1), np.uint8)
    table[CSF], table[GM], table[WM] = _FLUID, _CORTEX, _WHITE
    table[CSF, VENTRICLE] = _VENTRICLES
    table[GM, CEREBELLUM], table[WM, CEREBELLUM] = _GREY_CEREBELLUM, _WHITE_CEREBELLUM
    table[:, list(STRUCTURES)] = STRUCTURES
    values = table[brain.shares.argmax(axis=0) + 1, brain.parts]
    return values if brain.lesion is None else np.where(brain.lesion > LESION_SHARE, np.uint8(_LESION), values)
