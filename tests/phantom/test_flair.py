"""A FLAIR beside the T1: the same anatomy and lesions after a known movement, and nothing else is changed by it."""

import dataclasses
import hashlib
from functools import partial

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation
from settings_of import recipe

from headstart import seeds
from headstart.images import Volume
from headstart.phantom.contrast import FLAIR, T1W, draw_contrast
from headstart.phantom.subject import Subject, make_subject

# The images of a subject with a FLAIR.
BOTH = ("T1w", "FLAIR")
FINE = {"voxel_mm": (1.5, 1.5), "noise": 0.01, "bias": 0.05}


def carried(volume, subject, movement=None, order=0):
    """What an image on the first's grid has at the voxels of the second, if the head moved like this in between."""
    movement = subject.movement if movement is None else movement
    shape = subject.second.data.shape
    voxels = np.vstack([np.indices(shape).reshape(3, -1), np.ones(np.prod(shape))])
    at = np.linalg.inv(volume.affine) @ np.linalg.inv(movement) @ subject.second.affine @ voxels
    return ndimage.map_coordinates(volume.data, at[:3], order=order, mode="nearest").reshape(shape)


def coordinate(volume, axis):
    """The RAS+ mm of each voxel along one axis."""
    return np.tensordot(volume.affine[axis, :3], np.indices(volume.data.shape), axes=1) + volume.affine[axis, 3]


def hashes(subject):
    """Hashes of all arrays of a subject but those of the FLAIR."""
    kept = [field.name for field in dataclasses.fields(Subject) if field.name not in ("second", "movement", "recipe")]
    values = {name: getattr(subject, name) for name in kept}
    arrays = {
        name: [value.data, value.affine] if isinstance(value, Volume) else [np.asarray(value)]
        for name, value in values.items()
        if name != "mapping"
    }
    arrays["mapping"] = [subject.mapping.affine, subject.mapping.displacement]
    return {
        name: [hashlib.sha256(np.ascontiguousarray(part).tobytes()).hexdigest() for part in parts]
        for name, parts in arrays.items()
    }


@pytest.fixture(scope="module")
def with_ms(template):
    return make_subject(template, recipe("ms", images=BOTH, **FINE), 3)


@pytest.fixture(scope="module")
def with_stroke(template):
    return make_subject(template, recipe("stroke", images=BOTH, **FINE), 4)


@pytest.fixture(scope="module")
def several(template, coarse):
    return [make_subject(template, recipe(images=BOTH, **coarse), seed) for seed in range(5)]


@pytest.mark.parametrize("kind", ["none", "stroke", "ms"])
def test_all_but_the_flair_is_the_same_without_it(template, coarse, kind):
    plain, with_flair = (
        make_subject(template, recipe(kind, images=images, **coarse), 2) for images in (("T1w",), BOTH)
    )
    assert hashes(with_flair) == hashes(plain)
    assert (plain.second, plain.movement) == (None, None)


def test_the_same_seed_gives_the_same_flair_and_another_seed_another(template, coarse, several):
    again = make_subject(template, recipe(images=BOTH, **coarse), 1)
    assert again.second.data.tobytes() == several[1].second.data.tobytes()
    assert again.movement.tobytes() == several[1].movement.tobytes()
    assert again.second.data.dtype == np.int16
    assert not np.allclose(several[0].movement, several[1].movement, atol=0.1)


@pytest.mark.parametrize("kind", ["with_ms", "with_stroke"])
def test_csf_is_dark_grey_matter_above_white_matter_and_lesions_are_bright(request, kind):
    subject = request.getfixturevalue(kind)
    flair, t1w = subject.second.data, subject.first.data
    tissue, lesion = carried(subject.tissue, subject), carried(subject.lesion, subject) > 0
    csf, gm, wm = (np.median(flair[(tissue == label) & ~lesion]) for label in (1, 2, 3))
    assert csf < 0.4 * wm
    assert 1.03 * wm < gm < 1.3 * wm
    assert 1.2 * wm < np.median(flair[lesion]) < 1.85 * wm
    assert np.median(flair[lesion]) > 1.05 * gm
    dark = np.median(t1w[subject.anatomy.data == 4]) / np.median(t1w[subject.anatomy.data == 1])
    assert csf / wm < dark
    structures, healthy = carried(subject.structures, subject), ~ndimage.binary_dilation(lesion, iterations=2)
    for sides in ((10, 49), (11, 50), (12, 51), (13, 52), (17, 53), (18, 54)):
        assert 0.97 * wm < np.median(flair[np.isin(structures, sides) & healthy]) < 1.05 * gm


def test_drawn_signals_are_in_their_order():
    for seed in range(100):
        stream = partial(seeds.generator, seed)
        t1w, flair = (draw_contrast(sequence, "ms", stream) for sequence in (T1W, FLAIR))
        assert flair.csf < t1w.csf < t1w.lesion < t1w.gm < t1w.wm
        assert flair.csf < flair.wm < min(flair.structures.values())
        assert max(flair.structures.values()) <= flair.gm
        assert max(flair.gm, 1.3) < flair.lesion < 1.8


def test_the_head_around_the_brain_has_dark_bone_and_bright_fat(with_ms):
    distance = ndimage.distance_transform_edt(with_ms.brain.data == 0, sampling=with_ms.brain.grid.spacing)
    depth = carried(Volume(distance, with_ms.brain.affine), with_ms, order=1)
    flair = with_ms.second.data
    height = coordinate(with_ms.second, 2)
    brain = carried(with_ms.brain, with_ms) > 0
    top = height > height[brain].mean() + 0.2 * np.ptp(height[brain])
    profile = [np.median(flair[top & (depth > d) & (depth <= d + 1.5)]) for d in np.arange(0.5, 26, 1.5)]
    white = np.median(flair[carried(with_ms.anatomy, with_ms) == 1])
    brightest = int(np.argmax(profile))
    assert min(profile[:brightest]) < 0.25 * white
    assert profile[brightest] > white
    assert profile[-1] < 0.1 * white


def test_the_recorded_movement_fits_best(with_stroke):
    """What the labels let expect of a FLAIR correlates less with it for any other movement, or for none."""
    subject = with_stroke
    signals = np.array([0.1, 0.1, 1.15, 1.0])[subject.tissue.data]
    expected = Volume(np.where(subject.lesion.data > 0, 1.5, signals), subject.first.affine)
    near = ndimage.binary_dilation(carried(subject.brain, subject) > 0, iterations=2)

    def fit(movement):
        return np.corrcoef(carried(expected, subject, movement, order=1)[near], subject.second.data[near])[0, 1]

    best = fit(subject.movement)
    assert best > 0.9
    assert fit(np.eye(4)) < best - 0.02
    middle = nib.affines.apply_affine(subject.brain.affine, np.argwhere(subject.brain.data).mean(axis=0))
    for step in np.vstack([np.eye(6), -np.eye(6)]):
        other = np.eye(4)
        other[:3, :3] = Rotation.from_euler("xyz", 1.5 * step[:3], degrees=True).as_matrix()
        other[:3, 3] = middle - other[:3, :3] @ middle + step[3:]
        assert fit(subject.movement @ other) < best - 0.002, step


def test_a_movement_is_rigid_and_within_the_recipe(several):
    for subject in several:
        turn = subject.movement[:3, :3]
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) > 0
        assert np.abs(Rotation.from_matrix(turn).as_euler("xyz", degrees=True)).max() <= 3
        middle = nib.affines.apply_affine(subject.brain.affine, np.argwhere(subject.brain.data).mean(axis=0))
        # The shift is that of the template's centre, which lies within centimetres of the brain's.
        assert np.abs(nib.affines.apply_affine(subject.movement, middle) - middle).max() < 4 + 2
    assert max(np.linalg.norm(subject.movement[:3, 3]) for subject in several) > 1


def test_without_movement_the_matrix_is_the_identity(template, coarse):
    still = make_subject(template, recipe(images=BOTH, movement_deg=0, movement_mm=0, **coarse), 1)
    np.testing.assert_allclose(still.movement, np.eye(4), atol=1e-12)


def test_the_grid_is_of_its_own_with_thick_axial_slices(several):
    for subject in several:
        spacing = subject.second.grid.spacing
        axis = int(np.argmax(np.abs(subject.second.affine[2, :3]) / spacing))
        assert 2 <= spacing[axis] <= 4
        in_plane = np.delete(spacing, axis)
        assert in_plane[0] == pytest.approx(in_plane[1])
        assert 2.8 <= in_plane[0] <= 3.2
        assert not np.isclose(in_plane[0], subject.first.grid.spacing[0])
    codes = [tuple(nib.aff2axcodes(image.affine) for image in (one.first, one.second)) for one in several]
    assert any(t1w != flair for t1w, flair in codes)


def test_slices_of_the_flair_are_as_thick_as_the_recipe_says(template, coarse):
    subject = make_subject(template, recipe(images=BOTH, further_slice_mm=(5, 6), orientations=("SPL",), **coarse), 1)
    spacing = subject.second.grid.spacing
    assert 5 <= spacing[0] <= 6
    assert spacing[1:].max() <= 3.2
    assert subject.first.grid.spacing.max() <= 3.2


def test_the_whole_brain_is_in_the_flair(several):
    for subject in several:
        brain = carried(subject.brain, subject) > 0
        volume = brain.sum() * subject.second.grid.voxel_ml
        assert volume == pytest.approx(subject.brain.data.sum() * subject.brain.grid.voxel_ml, rel=0.03)


def test_fluid_in_a_lesion_keeps_its_signal(template):
    """A cleft of CSF through both hemispheres, where a stroke crosses it, is as dark as elsewhere in both images."""
    cleft = (np.abs(coordinate(template.brain, 1) - 5) < 7) & (template.brain.data > 0)
    affine = template.t1.affine
    changed = {
        "csf": np.where(cleft, 1, template.csf.data), "gm": np.where(cleft, 0, template.gm.data),
        "wm": np.where(cleft, 0, template.wm.data), "structures": np.where(cleft, 0, template.structures.data),
    }  # fmt: skip
    split = dataclasses.replace(template, **{name: Volume(data, affine) for name, data in changed.items()})
    subject = make_subject(split, recipe("stroke", images=BOTH, voxel_mm=(2, 2), noise=0, bias=0), 4)
    pairs = {
        "t1w": (subject.first.data, subject.tissue.data, subject.lesion.data),
        "flair": (subject.second.data, *(carried(volume, subject) for volume in (subject.tissue, subject.lesion))),
    }
    for image, tissue, lesion in pairs.values():
        fluid = ndimage.binary_erosion(tissue == 1)
        assert (fluid & (lesion > 0)).sum() > 50
        ratio = np.median(image[fluid & (lesion > 0)]) / np.median(image[fluid & (lesion == 0)])
        assert ratio == pytest.approx(1, abs=0.1)


def test_a_flair_that_is_the_first_image_has_the_labels_on_its_grid(template):
    subject = make_subject(template, recipe("ms", images=("FLAIR", "T1w"), **FINE), 3)
    flair, tissue, lesion = subject.first.data, subject.tissue.data, subject.lesion.data > 0
    assert tissue.shape == lesion.shape == flair.shape
    csf, gm, wm = (np.median(flair[(tissue == label) & ~lesion]) for label in (1, 2, 3))
    assert csf < 0.5 * wm
    assert wm < gm < np.median(flair[lesion])
    there = carried(subject.tissue, subject)
    csf, gm, wm = (np.median(subject.second.data[there == label]) for label in (1, 2, 3))
    assert csf < gm < wm
    alone = make_subject(template, recipe("ms", images=("FLAIR",), **FINE), 3)
    assert hashes(alone) == hashes(subject)
