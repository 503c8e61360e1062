"""One synthetic subject from one seed."""

from dataclasses import dataclass

import numpy as np

from headstart import seeds
from headstart.images import Grid, Volume
from headstart.phantom import scanner
from headstart.phantom.anatomy import SpatialMapping, apply_affine, draw_mapping
from headstart.phantom.head import draw_head
from headstart.phantom.lesions import draw_lesions
from headstart.phantom.recipe import Recipe
from headstart.phantom.tissue import STRUCTURES, Contrast, anatomy_classes, brain_box, build_maps, draw_contrast, paint
from headstart.template.template import Template

_AGES = {"none": (20, 80), "stroke": (40, 85), "ms": (20, 60)}
LESION_SHARE = 0.5


@dataclass(frozen=True)
class Subject:
    """A scan and its ground truth, all on the scan's grid in its stored orientation.

    t1w: int16.
    brain, lesion: uint8 masks; lesion is empty in healthy subjects.
    tissue: uint8, 0 background, 1 CSF, 2 GM, 3 WM, also in lesions.
    structures: uint8, FIRST's values.
    anatomy: uint8, see :func:`headstart.phantom.tissue.anatomy_classes`.
    landmarks: (N, 6) float64, native x y z and template x y z of points in the brain, RAS+ mm.
    mapping: from native to template mm.
    age: in years; sex: ``F`` or ``M``.
    recipe: the parameters of its dataset.
    """

    t1w: Volume
    brain: Volume
    tissue: Volume
    structures: Volume
    anatomy: Volume
    lesion: Volume
    landmarks: np.ndarray
    mapping: SpatialMapping
    age: int
    sex: str
    recipe: Recipe


def demographics(recipe: Recipe, seed: int) -> dict[str, object]:
    """Age in years and sex (``F`` or ``M``) of the subject that :func:`make_subject` makes from the same seed."""
    rng = seeds.generator(seed, "demographics")
    youngest, oldest = _AGES[recipe.lesions]
    return {"age": int(rng.integers(youngest, oldest, endpoint=True)), "sex": str(rng.choice(["F", "M"]))}


def make_subject(template: Template, recipe: Recipe, seed: int) -> Subject:
    """Make one subject: anatomy, lesions, head, scan and ground truth. The same arguments give the same bytes."""
    drawn = demographics(recipe, seed)
    maps = build_maps(template)
    middle, _ = brain_box(maps)
    mapping = draw_mapping(maps.grid, middle, recipe, drawn["sex"], seeds.generator(seed, "anatomy"))
    growth = abs(np.linalg.det(mapping.affine[:3, :3]))
    lesion = draw_lesions(maps, recipe, growth, seeds.generator(seed, "lesions"))
    contrast = draw_contrast(seeds.generator(seed, "contrast"))
    head = draw_head(maps, seeds.generator(seed, "head"))
    grid = scanner.draw_grid(head, mapping, recipe, seeds.generator(seed, "grid"))
    around, hull_mm = scanner.sample_head(head, mapping, grid, contrast, seeds.generator(seed, "texture"))
    brain = scanner.sample_brain(maps, paint(maps, contrast), lesion, mapping, grid, hull_mm)
    signal = _put_in_head(around, brain, contrast, recipe, seeds.generator(seed, "damage"))
    received = scanner.receive(signal, grid, recipe, seeds.generator(seed, "receiver"))
    code = str(seeds.generator(seed, "orientation").choice(recipe.orientations))
    label_maps = {
        name: scanner.store(brain.spread(values, grid.shape), grid, code)
        for name, values in _label_values(brain).items()
    }
    return Subject(
        t1w=scanner.store(received, grid, code),
        **label_maps,
        landmarks=_landmarks(brain, grid, mapping, recipe.landmarks, seeds.generator(seed, "landmarks")),
        mapping=mapping,
        **drawn,
        recipe=recipe,
    )


def _put_in_head(
    around: np.ndarray, brain: scanner.BrainSamples, contrast: Contrast, recipe: Recipe, rng: np.random.Generator
) -> np.ndarray:
    """Signal (X, Y, Z) of brain and head together, with darker lesions; ``around`` is overwritten."""
    share = brain.shares.sum(axis=0)
    signal = brain.signal
    if brain.lesion is not None:
        # A stroke's scar is nearly as dark as CSF; an MS lesion is between CSF and grey matter.
        whiteness = rng.uniform(0.0, 0.3) if recipe.lesions == "stroke" else rng.uniform(0.4, 0.75)
        scar = (contrast.csf + whiteness * (contrast.gm - contrast.csf)) * share
        signal = signal + brain.lesion * np.minimum(scar - signal, 0)
    flat = around.reshape(-1)
    flat[brain.voxels] = signal + (1 - share) * flat[brain.voxels]
    return around


def _label_values(brain: scanner.BrainSamples) -> dict[str, np.ndarray]:
    """Labels of the voxels near the brain, each (N,) uint8, by their names in :class:`Subject`."""
    inside = brain.in_brain
    tissue = ((brain.shares.argmax(axis=0) + 1) * inside).astype(np.uint8)
    parts = brain.parts * inside
    lesion = np.zeros(inside.shape) if brain.lesion is None else brain.lesion
    return {
        "brain": inside.astype(np.uint8),
        "tissue": tissue,
        "structures": np.where(np.isin(parts, STRUCTURES), parts, 0).astype(np.uint8),
        "anatomy": anatomy_classes(tissue, parts),
        "lesion": (inside & (lesion > LESION_SHARE)).astype(np.uint8),
    }


def _landmarks(
    brain: scanner.BrainSamples, grid: Grid, mapping: SpatialMapping, count: int, rng: np.random.Generator
) -> np.ndarray:
    """(N, 6) native and template RAS+ mm of the centres of up to ``count`` random voxels of the brain."""
    inside = brain.voxels[brain.in_brain]
    chosen = np.sort(rng.choice(inside, min(count, inside.size), replace=False))
    native = apply_affine(grid.affine, np.stack(np.unravel_index(chosen, grid.shape)).astype(np.float64))
    return np.concatenate([native, mapping.to_template(native)]).T
