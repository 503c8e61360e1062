"""Registration of a further image of a person to their T1, on a synthetic FLAIR."""

import dataclasses
from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from further_image import brain_points, flair, make_person, motion
from scipy.io import loadmat
from settings_of import CONFIG, REGISTRATION

from headstart import images
from headstart.images import Volume
from headstart.job import UserError
from headstart.register import ants, brain_extraction, image_quality, quality_table, rigid

FAST = dataclasses.replace(REGISTRATION, voxel_mm=3, iterations=(200, 100, 50))
FASTEST = dataclasses.replace(REGISTRATION, voxel_mm=4, shrink=(2,), iterations=(40,))
LIMITS = CONFIG["quality"]["stop_images"]
STILL = np.eye(4)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return [make_person(tmp_path_factory.mktemp("people"), seed) for seed in (1, 2)]


@pytest.fixture
def align(tmp_path):
    """``align(person, image)`` writes an image and registers it to the T1 of a person."""

    def of(person, image, settings=FAST):
        path = tmp_path / "FLAIR.nii.gz"
        images.write(path, image, np.float32)
        return rigid.align(path, person.t1w, person.brain, person.transform, settings, threads=1)

    return of


def errors_mm(person, found, exact):
    """Distances in mm between where two matrices take the voxels of the brain."""
    return np.linalg.norm(((found - exact) @ brain_points(person))[:3], axis=0)


@pytest.mark.parametrize(
    ("rotation_deg", "shift_mm"),
    [((6, -8, 10), (8, -6, 5)), ((0, 0, 0), (0, 60, 0)), ((3, 2, 5), (600, -200, 50))],
    ids=["moved", "headers disagree", "headers far apart"],
)
def test_a_planted_movement_is_found(people, align, rotation_deg, shift_mm):
    exact = motion(people[0], rotation_deg, shift_mm)
    found = align(people[0], flair(people[0], exact), REGISTRATION)
    assert np.median(errors_mm(people[0], found.transform, exact)) <= 0.5
    assert found.quality["shift_mm"] == pytest.approx(np.linalg.norm(shift_mm), abs=1)
    assert quality_table.failures(found.quality, LIMITS) == []
    np.testing.assert_allclose(found.transform[:3, :3] @ found.transform[:3, :3].T, np.eye(3), atol=1e-4)
    assert np.linalg.det(found.transform) == pytest.approx(1, abs=1e-4)


def test_the_image_is_sampled_once_on_the_studys_grid_and_scaled_on_its_own(people, align):
    person, exact = people[0], motion(people[0], (3, -2, 4), (4, 3, -2))
    image = flair(person, exact)
    found = align(person, image)
    once = images.resample(image, person.brain.grid, found.transform @ person.transform)
    head = brain_extraction.head(once, person.brain)
    low, high = np.percentile(once.data[head], FAST.percentiles)
    np.testing.assert_allclose(found.image.data, (np.clip(once.data, low, high) - low) / (high - low), atol=1e-5)
    assert found.image.data.dtype == np.float32
    assert not found.stripped


def test_left_stays_left(people, align):
    person, exact = people[0], motion(people[0], (5, 0, -4), (3, 0, 0))
    image = flair(person, exact)
    points = np.moveaxis(np.indices(image.data.shape), 0, -1) @ image.affine[:3, :3].T + image.affine[:3, 3]
    middle = (exact @ brain_points(person)).mean(axis=1)[:3]
    image.data[(points - middle) @ (exact[:3, :3] @ person.transform[:3, 0]) > 0] *= 1.5  # the right is brighter
    found = align(person, image).image.data
    inside, half = person.brain.data > 0, found.shape[0] // 2  # RAS+: the left comes first
    assert found[half:][inside[half:]].mean() > 1.2 * found[:half][inside[:half]].mean()


def test_the_transform_is_written_so_that_itk_moves_the_t1_to_the_image(people, align, tmp_path):
    found = align(people[0], flair(people[0], motion(people[0], (4, 0, 0), (5, 2, 0))), FASTEST)
    (tmp_path / "x.mat").write_bytes(found.itk)
    assert any(key.startswith("AffineTransform") for key in loadmat(tmp_path / "x.mat"))
    np.testing.assert_allclose(images.read_affine(tmp_path / "x.mat") @ found.transform, np.eye(4), atol=1e-4)


def test_every_order_of_storage_gives_the_same_image(people, align):
    person, image = people[0], flair(people[0], motion(people[0], (2, 3, -4), (5, -3, 2)), (2, 2, 4))
    orders = [
        np.array([[axis, sign] for axis, sign in zip(axes, signs, strict=True)])
        for axes in permutations(range(3))
        for signs in product((1, -1), repeat=3)
    ]
    assert len(orders) == 48
    usual = align(person, image, FASTEST)
    for order in orders[1:]:
        stored = nib.Nifti1Image(image.data, image.affine).as_reoriented(order)
        found = align(person, Volume(np.asarray(stored.dataobj), stored.affine), FASTEST)
        assert np.median(errors_mm(person, found.transform, usual.transform)) < 0.5
        assert np.median(np.abs(found.image.data - usual.image.data)[person.brain.data > 0]) < 0.02


def test_registration_is_repeatable_with_one_thread(people, align):
    image = flair(people[0], motion(people[0], (2, 3, -4), (5, -3, 2)))
    first, second = (align(people[0], image, FASTEST) for _ in range(2))
    assert first.itk == second.itk
    assert first.image.data.tobytes() == second.image.data.tobytes()
    assert first.quality == second.quality


def mirrored(people):
    image = flair(people[0], STILL)
    return Volume(image.data, np.diag([-1.0, 1, 1, 1]) @ image.affine)


def the_t1(people):
    t1w, moved = people[0].subject.first, motion(people[0], (3, 5, 0), (0, 5, 0))
    return Volume(t1w.data.astype(np.float32), moved @ t1w.affine)


def half(people):
    image = flair(people[0], STILL)
    return Volume(image.data[:, :, : image.data.shape[2] * 2 // 3], image.affine)


@pytest.mark.parametrize(
    ("image", "measure"),
    [
        (mirrored, "mirrored"),
        (lambda people: flair(people[1], STILL), "mirrored"),
        (the_t1, "similarity"),
        (half, "covered"),
    ],
    ids=["mirrored", "another person", "the T1 again", "a part of the brain"],
)
def test_an_image_that_does_not_belong_to_the_t1_does_not_pass(people, align, image, measure):
    failed = quality_table.failures(align(people[0], image(people)).quality, LIMITS)
    assert any(reason.startswith(measure) for reason in failed)


@pytest.mark.parametrize(("rotation_deg", "shift_mm"), [((0, 15, 0), (0, 0, 0)), ((0, 0, 0), (15, 0, 0))])
def test_a_matrix_that_is_far_off_lowers_the_similarity(people, rotation_deg, shift_mm):
    person, image = people[0], flair(people[0], STILL)
    found = [
        image_quality.similarity(person.subject.first, image, person.subject.brain, matrix)
        for matrix in (STILL, motion(person, rotation_deg, shift_mm))
    ]
    assert found[1] - 1 < 0.9 * (found[0] - 1)


def test_measures_by_hand():
    brain = Volume(np.ones((4, 4, 4), np.uint8), np.eye(4))
    turned = np.array([[0, -1, 0, 3.0], [1, 0, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]])  # about the centre (1.5, 1.5)
    found = image_quality.movement(brain, turned)
    assert found == pytest.approx({"rotation_deg": 90, "shift_mm": 2})
    assert image_quality.covered(brain, brain.grid, turned) == pytest.approx(0.5)
    assert image_quality.apart_mm(brain, STILL, np.diag([1.0, 1, 1, 1]) + 2 * np.eye(4, k=3)) == pytest.approx(2)


def test_similarity_has_known_ends():
    rng = np.random.default_rng(0)
    brain = Volume(np.ones((20, 20, 20), np.uint8), np.eye(4))
    first, second = (Volume(rng.random((20, 20, 20), np.float32), np.eye(4)) for _ in range(2))
    inverted = Volume(1 - first.data, np.eye(4))
    assert image_quality.similarity(first, inverted, brain, STILL) == pytest.approx(2, abs=0.05)
    assert image_quality.similarity(first, second, brain, STILL) < 1.1
    assert image_quality.similarity(first, Volume(np.ones_like(first.data), np.eye(4)), brain, STILL) == 1
    far = STILL + 100 * np.eye(4, k=3)
    assert image_quality.similarity(first, second, brain, far) == 1


def test_an_image_that_cannot_be_registered_is_one_sentence_with_the_file(people, align):
    ones = Volume(np.ones((60, 60, 60), np.float32), np.diag([3.0, 3, 3, 1]))
    ones.data[30] = 0
    with pytest.raises(UserError, match=r"FLAIR.nii.gz") as caught:
        align(people[0], ones, FASTEST)
    assert "\n" not in str(caught.value)


def test_an_error_that_antspyx_passes_over_is_raised(monkeypatch):
    """The file of the transform then holds the start, the identity."""
    volume = Volume(np.random.default_rng(0).random((12, 12, 12), np.float32), np.diag([4.0, 4, 4, 1]))
    monkeypatch.setattr(ants, "_register", lambda *args, **kwargs: (np.eye(4), b""))
    with pytest.raises(UserError, match="could not register it from where it is"):
        ants.rigid(
            volume,
            volume,
            Volume(np.ones((12, 12, 12), np.uint8), volume.affine),
            shrink=(1,),
            iterations=(5,),
            sampling_rate=1,
            threads=1,
        )
