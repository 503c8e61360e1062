"""One synthetic subject from one seed."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from headstart import seeds
from headstart.images import Grid, Volume
from headstart.phantom import scanner
from headstart.phantom.anatomy import SpatialMapping, apply_affine, draw_mapping, draw_movement
from headstart.phantom.contrast import SEQUENCES, Contrast, Sequence, Stream, draw_contrast, paint
from headstart.phantom.head import Head, draw_head
from headstart.phantom.lesions import draw_lesions
from headstart.phantom.recipe import Recipe
from headstart.phantom.tissue import STRUCTURES, Maps, anatomy_classes, brain_box, build_maps
from headstart.template.template import Template

_AGES = {"none": (20, 80), "stroke": (40, 85), "ms": (20, 60)}
LESION_SHARE = 0.5


@dataclass(frozen=True)
class Subject:
    """A scan and its ground truth, all on the grid of the first image in its stored orientation except the second.

    first: int16.
    brain, lesion: uint8 masks; lesion is empty in healthy subjects.
    tissue: uint8, 0 background, 1 CSF, 2 GM, 3 WM, also in lesions.
    structures: uint8, FIRST's values.
    anatomy: uint8, see :func:`headstart.phantom.tissue.anatomy_classes`.
    landmarks: (N, 6) float64, native x y z and template x y z of points in the brain, RAS+ mm.
    mapping: from native to template mm.
    age: in years; sex: ``F`` or ``M``.
    recipe: the parameters of its dataset.
    second: int16, on a grid of its own; None unless the recipe has it.
    movement: (4, 4) float64 from RAS+ mm of the first image to those of the second; None without it.
    """

    first: Volume
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
    second: Volume | None = None
    movement: np.ndarray | None = None


@dataclass(frozen=True)
class _Person:
    """What is scanned; maps and lesion (X, Y, Z), None in healthy subjects, are on the template's grid."""

    maps: Maps
    lesion: np.ndarray | None
    head: Head


@dataclass(frozen=True)
class _Scan:
    """An image as it is stored, by the axis code ``code``; ``brain`` has indices into ``grid``, before that."""

    image: Volume
    brain: scanner.BrainSamples
    grid: Grid
    code: str


def demographics(recipe: Recipe, seed: int) -> dict[str, object]:
    """Age in years and sex (``F`` or ``M``) of the subject that :func:`make_subject` makes from the same seed."""
    rng = seeds.generator(seed, "demographics")
    youngest, oldest = _AGES[recipe.lesions]
    return {"age": int(rng.integers(youngest, oldest, endpoint=True)), "sex": str(rng.choice(["F", "M"]))}


def make_subject(template: Template, recipe: Recipe, seed: int) -> Subject:
    """Make one subject: anatomy, lesions, head, scan and ground truth. The same arguments give the same bytes.

    All but the second image and its movement is the same with and without it.
    """
    drawn = demographics(recipe, seed)
    stream = partial(seeds.generator, seed)
    maps = build_maps(template)
    middle, _ = brain_box(maps)
    mapping = draw_mapping(maps.grid, middle, recipe, drawn["sex"], stream("anatomy"))
    growth = abs(np.linalg.det(mapping.affine[:3, :3]))
    person = _Person(maps, draw_lesions(maps, recipe, growth, stream("lesions")), draw_head(maps, stream("head")))
    first = _scan(person, SEQUENCES[recipe.images[0]], mapping, recipe, stream)
    subject = Subject(
        first=first.image,
        **{
            name: scanner.store(first.brain.spread(values, first.grid.shape), first.grid, first.code)
            for name, values in _label_values(first.brain).items()
        },
        landmarks=_landmarks(first.brain, first.grid, mapping, recipe.landmarks, stream("landmarks")),
        mapping=mapping,
        **drawn,
        recipe=recipe,
    )
    return _with_second(subject, person, middle, seed) if len(recipe.images) > 1 else subject


def _with_second(subject: Subject, person: _Person, middle: np.ndarray, seed: int) -> Subject:
    """The subject with a second image after a movement; ``middle`` (3,): centre of the template's brain in mm."""
    image = subject.recipe.images[1]

    def stream(name: str) -> np.random.Generator:
        return seeds.generator(seed, f"{image.lower()} {name}")

    centre = apply_affine(np.linalg.inv(subject.mapping.affine), middle)
    movement = draw_movement(centre, subject.recipe, stream("movement"))
    recipe = replace(subject.recipe, slice_mm=subject.recipe.further_slice_mm)
    second = _scan(person, SEQUENCES[image], subject.mapping.after(movement), recipe, stream)
    return replace(subject, second=second.image, movement=movement)


def _scan(person: _Person, sequence: Sequence, mapping: SpatialMapping, recipe: Recipe, stream: Stream) -> _Scan:
    """Scan a person who lies in the scanner as ``mapping`` says."""
    contrast = draw_contrast(sequence, recipe.lesions, stream)
    grid = scanner.draw_grid(person.head, mapping, recipe, stream("grid"))
    around, hull_mm = scanner.sample_head(person.head, mapping, grid, contrast, stream("texture"))
    painted = paint(person.maps, contrast)
    brain = scanner.sample_brain(person.maps, painted, person.lesion, mapping, grid, hull_mm)
    received = scanner.receive(_put_in_head(around, brain, contrast), grid, recipe, stream("receiver"))
    code = str(stream("orientation").choice(recipe.orientations))
    return _Scan(scanner.store(received, grid, code), brain, grid, code)


def _put_in_head(around: np.ndarray, brain: scanner.BrainSamples, contrast: Contrast) -> np.ndarray:
    """Signal (X, Y, Z) of brain and head together, with lesions; ``around`` is overwritten."""
    share = brain.shares.sum(axis=0)
    signal = brain.signal
    if brain.lesion is not None:
        signal = signal + brain.lesion * _damage(brain, share, contrast)
    flat = around.reshape(-1)
    flat[brain.voxels] = signal + (1 - share) * flat[brain.voxels]
    return around


def _damage(brain: scanner.BrainSamples, share: np.ndarray, contrast: Contrast) -> np.ndarray:
    """What a lesion adds to the signal of each voxel (N,) that it fills; ``share`` is the brain's of the voxel.

    A lesion darker than grey matter only darkens, and a brighter one only brightens. Neither changes the signal of CSF
    in the sulci that it reaches into.
    """
    if contrast.lesion < contrast.gm:
        return np.minimum(contrast.lesion * share - brain.signal, 0)
    csf = brain.shares[0]
    return np.maximum(contrast.lesion * (share - csf) + contrast.csf * csf - brain.signal, 0)


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
