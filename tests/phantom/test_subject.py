"""One subject: the same from the same seed, with labels that agree with each other and with the scan."""

import dataclasses
import itertools

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from settings_of import recipe

from headstart.images import Volume
from headstart.phantom.subject import demographics, make_subject
from headstart.phantom.tissue import STRUCTURES


def structure_mm(subject, label):
    """Centre of a structure in RAS+ mm."""
    return nib.affines.apply_affine(
        subject.structures.affine, np.argwhere(subject.structures.data == label).mean(axis=0)
    )


def test_the_same_seed_gives_the_same_subject_and_another_seed_another(template, coarse, healthy):
    again, other = (make_subject(template, recipe(**coarse), seed) for seed in (1, 2))
    assert again.first.data.tobytes() == healthy.first.data.tobytes()
    assert again.anatomy.data.tobytes() == healthy.anatomy.data.tobytes()
    np.testing.assert_array_equal(again.landmarks, healthy.landmarks)
    assert other.first.data.tobytes() != healthy.first.data.tobytes()


def test_demographics_depend_only_on_the_seed(healthy):
    assert demographics(healthy.recipe, 1) == {"age": healthy.age, "sex": healthy.sex}
    drawn = [demographics(recipe("ms"), seed) for seed in range(50)]
    assert {one["sex"] for one in drawn} == {"F", "M"}
    assert all(20 <= one["age"] <= 60 for one in drawn)


@pytest.fixture(scope="module")
def reference(template, coarse):
    return make_subject(template, recipe(**coarse, orientations=("RAS",)), 7)


@pytest.mark.parametrize("code", ["LPI", "PSR", "ASL"])
def test_every_orientation_stores_the_same_world(template, reference, code):
    subject = make_subject(template, dataclasses.replace(reference.recipe, orientations=(code,)), 7)
    assert "".join(nib.aff2axcodes(subject.first.affine)) == code
    for left, right in ((10, 49), (17, 53)):
        assert structure_mm(subject, left)[0] < structure_mm(subject, right)[0]
        np.testing.assert_allclose(structure_mm(subject, left), structure_mm(reference, left), atol=1e-6)
    canonical = nib.as_closest_canonical(nib.Nifti1Image(subject.first.data, subject.first.affine))
    np.testing.assert_array_equal(np.asarray(canonical.dataobj), reference.first.data)


def test_left_in_the_ground_truth_is_left_in_the_scan(template, coarse):
    """A marker in one half of the template (a hole instead of the left putamen) is on the left of the ground truth."""
    wm = template.wm.data.copy()
    wm[template.structures.data == 12] = 0
    csf = np.where(template.structures.data == 12, template.brain.data, template.csf.data).astype(np.float32)
    structures = np.where(template.structures.data == 12, 0, template.structures.data)
    gm = np.clip(template.brain.data - wm - csf, 0, 1).astype(np.float32)
    affine = template.t1.affine
    marked = dataclasses.replace(
        template, csf=Volume(csf, affine), gm=Volume(gm, affine), wm=Volume(wm, affine),
        structures=Volume(structures, affine),
    )  # fmt: skip
    low_noise = recipe(**coarse, noise=0.01, bias=0, orientations=("LPI",))
    plain, with_hole = make_subject(template, low_noise, 5), make_subject(marked, low_noise, 5)
    darker = plain.first.data.astype(int) - with_hole.first.data > 0.2 * np.percentile(plain.first.data, 99)
    where = nib.affines.apply_affine(plain.first.affine, np.argwhere(darker).mean(axis=0))
    assert np.linalg.norm(where - structure_mm(plain, 12)) < 5
    assert np.linalg.norm(where - structure_mm(plain, 51)) > 30


def test_label_maps_agree_with_each_other(healthy):
    brain, tissue = healthy.brain.data > 0, healthy.tissue.data
    structures, anatomy = healthy.structures.data, healthy.anatomy.data
    assert set(np.unique(structures)) == {0, *STRUCTURES}
    assert set(np.unique(anatomy)) == set(range(7))
    np.testing.assert_array_equal(tissue > 0, brain)
    assert brain[structures > 0].all()
    assert brain[anatomy > 0].all()
    assert (tissue[anatomy == 1] == 3).all()
    assert (tissue[anatomy == 2] == 2).all()
    assert (tissue[anatomy == 4] == 1).all()
    np.testing.assert_array_equal(anatomy == 6, structures == 16)
    for volume in (healthy.brain, healthy.tissue, healthy.structures, healthy.anatomy):
        assert volume.grid.matches(healthy.first.grid)


def test_the_whole_brain_is_in_the_image(healthy, template):
    expected = template.brain.data.sum() * template.brain.grid.voxel_ml
    made = healthy.brain.data.sum() * healthy.brain.grid.voxel_ml
    assert made == pytest.approx(expected / abs(np.linalg.det(healthy.mapping.affine[:3, :3])), rel=0.1)
    edges = [healthy.brain.data.take(end, axis=axis) for axis in range(3) for end in (0, -1)]
    assert not any(edge.any() for edge in edges)


def test_t1_contrast(template, coarse):
    subject = make_subject(template, recipe(**coarse, bias=0.1), 11)
    t1w, tissue, structures = subject.first.data, subject.tissue.data, subject.structures.data
    cerebral = structures == 0
    csf, gm, wm = (np.median(t1w[(tissue == label) & cerebral]) for label in (1, 2, 3))
    assert csf < 0.5 * gm < 0.5 * wm
    pallidum, caudate = np.median(t1w[structures == 13]), np.median(t1w[structures == 11])
    assert 0.95 * gm < caudate < pallidum < 1.05 * wm
    air = np.concatenate([face.ravel() for face in (t1w[:2], t1w[-2:])])
    assert 0 < np.median(air) < 0.1 * wm


def test_a_dark_skull_and_a_bright_scalp_surround_the_brain(template):
    subject = make_subject(template, recipe(voxel_mm=(1.5, 1.5), orientations=("RAS",), bias=0, noise=0.01), 12)
    brain = subject.brain.data > 0
    distance = ndimage.distance_transform_edt(~brain, sampling=subject.brain.grid.spacing)
    top = np.indices(brain.shape)[2] > np.argwhere(brain)[:, 2].mean() + 0.2 * np.ptp(np.argwhere(brain)[:, 2])
    shells = [top & (distance > d) & (distance <= d + 1.5) for d in np.arange(0.5, 26, 1.5)]
    profile = [np.median(subject.first.data[shell]) for shell in shells]
    white = np.median(subject.first.data[subject.anatomy.data == 1])
    brightest = int(np.argmax(profile))
    assert min(profile[:brightest]) < 0.3 * white
    assert profile[brightest] > 0.7 * white
    assert profile[-1] < 0.1 * white


def test_thick_slices_are_thick_and_average_their_contents(template):
    no_noise = recipe(voxel_mm=(2.0, 2.0), slice_mm=(6.0, 6.0), orientations=("RAS",), noise=0.0, bias=0.0)
    subject = make_subject(template, no_noise, 13)
    np.testing.assert_allclose(subject.first.grid.spacing, (2, 2, 6), atol=1e-6)
    # At the top of the brain, thick slices contain both tissue and skull: fewer voxels have the signal of one tissue
    # than with thin slices.
    thin = make_subject(template, dataclasses.replace(no_noise, slice_mm=(2.0, 2.0)), 13)
    brain_ml = [p.brain.data.sum() * p.brain.grid.voxel_ml for p in (subject, thin)]
    assert brain_ml[0] == pytest.approx(brain_ml[1], rel=0.03)

    def pure(p):
        inside = p.first.data[p.anatomy.data == 1].astype(float)
        return (np.abs(inside / np.median(inside) - 1) < 0.01).mean()

    assert pure(subject) < pure(thin)


def test_slices_are_thick_along_the_axis_closest_to_inferior_superior(template, coarse):
    subject = make_subject(template, recipe(**coarse, slice_mm=(5.0, 6.0), orientations=("SPL",)), 14)
    assert subject.first.grid.spacing[0] >= 5 > subject.first.grid.spacing[1:].max()


def test_noise_in_air_is_rician(template):
    subject = make_subject(template, recipe(voxel_mm=(2.5, 2.5), noise=0.05, bias=0, orientations=("RAS",)), 15)
    corner = subject.first.data[:4, :, -8:].astype(float)  # above and beside the head
    # Without signal, the Rice distribution is Rayleigh's, whose mean is 1.913 times its standard deviation.
    assert corner.mean() / corner.std() == pytest.approx(1.913, rel=0.05)


def test_subjects_differ_in_position(strokes):
    centres = [nib.affines.apply_affine(p.brain.affine, np.argwhere(p.brain.data).mean(axis=0)) for p in strokes]
    distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(centres, 2)]
    assert max(distances) > 15
