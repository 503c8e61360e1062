import itertools

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart import images
from headstart.images import Grid, Volume
from headstart.job import UserError


def rotation(axis, degrees):
    angle = np.deg2rad(degrees)
    matrix = np.eye(4)
    i, j = [k for k in range(3) if k != axis]
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def ball(shape=(40, 44, 48), centre=(20, 20, 24), radius=9, affine=None):
    affine = np.eye(4) if affine is None else affine
    distance = np.linalg.norm(np.moveaxis(np.indices(shape), 0, -1) - centre, axis=-1)
    return Volume((distance < radius).astype(np.uint8), affine)


def test_coarsened_grid_covers_the_same_box():
    affine = np.eye(4)
    affine[:3, 3] = (-98, -134, -72)
    coarse = Grid((197, 233, 189), affine).coarsened(2.5)
    assert coarse.shape == (79, 94, 76)
    np.testing.assert_allclose(coarse.spacing, 2.5)
    corner = coarse.affine @ [-0.5, -0.5, -0.5, 1]
    np.testing.assert_allclose(corner[:3], np.array([-98, -134, -72]) - 0.5)
    assert Grid((197, 233, 189), affine).coarsened(1).matches(Grid((197, 233, 189), affine))


@pytest.mark.parametrize(
    "code", ["".join(c) for p in itertools.permutations(["RL", "AP", "SI"]) for c in itertools.product(*p)]
)
def test_every_orientation_is_sampled_at_the_same_place(code):
    """48 axis codes: an image is sampled in the same way whichever it is stored with."""
    rng = np.random.default_rng(0)
    affine = np.diag([1.0, 1.2, 1.5, 1])
    affine[:3, 3] = (-10, 5, 3)
    upright = nib.Nifti1Image(rng.random((8, 9, 10)).astype(np.float32), affine)
    wanted = nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(code)))
    stored = upright.as_reoriented(wanted)
    volume = Volume(np.asarray(stored.dataobj), stored.affine)
    sampled = images.resample(volume, Grid(upright.shape, affine))
    np.testing.assert_allclose(sampled.data, upright.dataobj, atol=1e-5)


def test_resampling_under_a_shift_is_a_slice_of_the_array():
    rng = np.random.default_rng(1)
    volume = Volume(rng.random((20, 21, 22)).astype(np.float32), np.diag([1.0, 1, 1, 1]))
    shift = np.eye(4)
    shift[:3, 3] = (2, -3, 1)
    sampled = images.resample(volume, Grid((20, 21, 22), np.eye(4)), shift).data
    np.testing.assert_allclose(sampled[:18, 3:, :21], volume.data[2:, :18, 1:], atol=1e-5)
    assert (sampled[18:] == 0).all()


def test_coarse_sampling_averages_instead_of_aliasing():
    stripes = np.zeros((40, 40, 40), np.float32)
    stripes[::2] = 1
    coarse = images.resample(Volume(stripes, np.eye(4)), Grid((40, 40, 40), np.eye(4)).coarsened(4))
    np.testing.assert_allclose(coarse.data[2:-2, 2:-2, 2:-2], 0.5, atol=0.05)


@pytest.mark.parametrize("voxel_mm", [1, 2, 3, 4])
def test_labels_keep_their_volume_and_position(voxel_mm):
    rng = np.random.default_rng(3)
    kept = []
    for centre in rng.uniform(16, 24, (8, 3)):
        fine = ball(centre=centre)
        # Heads are rotated in their scans, which also breaks ties.
        rotated = rotation(0, 7) @ rotation(2, 11)
        coarse = images.resample_labels(fine, fine.grid.coarsened(voxel_mm), rotated)
        kept.append(coarse.data.sum() * coarse.grid.voxel_ml / (fine.data.sum() * fine.grid.voxel_ml))
        found = coarse.affine[:3, :3] @ np.argwhere(coarse.data).mean(0) + coarse.affine[:3, 3]
        np.testing.assert_allclose((rotated @ [*found, 1])[:3], centre, atol=0.5)
    assert np.mean(kept) == pytest.approx(1, abs=0.03)


def test_labels_rotated_and_rotated_back_are_the_labels():
    fine = ball(radius=12)
    rotated = rotation(2, 17) @ rotation(0, 9)
    there = images.resample_labels(fine, fine.grid, rotated)
    back = images.resample_labels(there, fine.grid, np.linalg.inv(rotated))
    overlap = 2 * (back.data & fine.data).sum() / (back.data.sum() + fine.data.sum())
    assert overlap > 0.97


def test_labels_keep_their_values_and_outside_is_background():
    rng = np.random.default_rng(2)
    labels = rng.choice(np.array([0, 3, 58, 207], np.uint16), (12, 12, 12))
    grid = Grid((20, 20, 20), rotation(1, 20) @ np.diag([0.9, 0.9, 0.9, 1]))
    sampled = images.resample_labels(Volume(labels, np.eye(4)), grid)
    assert sampled.data.dtype == np.uint16
    assert set(np.unique(sampled.data)) <= {0, 3, 58, 207}
    same = images.resample_labels(Volume(labels, np.eye(4)), Grid((12, 12, 12), np.eye(4)))
    np.testing.assert_array_equal(same.data, labels)


def test_a_written_image_is_read_back_with_its_affine(tmp_path):
    affine = rotation(2, 12) @ np.diag([-1.0, 1, 3, 1])
    affine[:3, 3] = (40, -260, 12)
    volume = Volume(np.arange(24, dtype=np.uint8).reshape(2, 3, 4), affine)
    images.write(tmp_path / "a.nii.gz", volume, np.uint8)
    back = images.read(tmp_path / "a.nii.gz", None)
    np.testing.assert_array_equal(back.data, volume.data)
    assert back.grid.matches(volume.grid)
    assert back.data.dtype == np.uint8
    header = nib.load(tmp_path / "a.nii.gz").header
    assert header["qform_code"] == header["sform_code"] == 1
    np.testing.assert_allclose(header.get_qform(), header.get_sform(), atol=1e-4)
    first = (tmp_path / "a.nii.gz").read_bytes()
    images.write(tmp_path / "a.nii.gz", volume, np.uint8)
    assert (tmp_path / "a.nii.gz").read_bytes() == first


def test_the_distance_of_grids_is_that_of_their_farthest_voxels():
    """Small differences of many entries of the matrix add up over the image."""
    grid = Grid((201, 241, 177), np.eye(4))
    moved = np.eye(4)
    moved[:3, :3] += 9e-4
    assert grid.distance(Grid(grid.shape, moved)) == pytest.approx(np.sqrt(3) * 9e-4 * (200 + 240 + 176))
    assert not grid.matches(Grid(grid.shape, moved))
    shifted = np.eye(4)
    shifted[0, 3] = 0.004
    assert grid.matches(Grid(grid.shape, shifted))


def test_a_sheared_image_is_written_without_a_qform(tmp_path):
    """A qform holds no shear: readers that prefer it would place the image elsewhere."""
    affine = np.array([[6.0, 3, 0, -57], [0, 6, 0, -69], [0, 0, 6, -51], [0, 0, 0, 1]])
    images.write(tmp_path / "a.nii.gz", Volume(np.zeros((20, 24, 18)), affine), np.uint8)
    header = nib.load(tmp_path / "a.nii.gz").header
    assert header["qform_code"] == 0
    assert header["sform_code"] == 1
    np.testing.assert_allclose(images.read(tmp_path / "a.nii.gz").affine, affine)


def test_unreadable_images_are_one_sentence_with_their_name(tmp_path):
    good = tmp_path / "good.nii.gz"
    images.write(good, ball(), np.uint8)
    (tmp_path / "cut.nii.gz").write_bytes(good.read_bytes()[:200])
    (tmp_path / "text.nii.gz").write_text("not an image")
    (tmp_path / "empty.nii").write_bytes(b"")
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4, 2), np.uint8), np.eye(4)), tmp_path / "series.nii.gz")
    for name in ("cut.nii.gz", "text.nii.gz", "empty.nii", "series.nii.gz", "absent.nii.gz"):
        with pytest.raises(UserError, match=name):
            images.read(tmp_path / name)


def test_a_trailing_axis_of_one_is_squeezed(tmp_path):
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6, 1), np.uint8), np.eye(4)), tmp_path / "a.nii.gz")
    assert images.read(tmp_path / "a.nii.gz").data.shape == (4, 5, 6)


@pytest.mark.parametrize(
    ("slices", "columns"),
    [
        (0, [(-1, 0, 0), (0, 1.5, 0), (0, 0, 2)]),
        (1, [(-1, 0, 0), (0, 0, 1.5), (0, 2, 0)]),
        (2, [(0, 1, 0), (0, 0, 1.5), (-2, 0, 0)]),
    ],
)
def test_analyze_images_are_placed_by_the_direction_of_their_slices(tmp_path, slices, columns):
    """OASIS-1 documents the same for its sagittal slices: x is minus the third axis, y the first, z the second."""
    image = nib.Spm2AnalyzeImage(np.zeros((6, 5, 4, 1), np.int16), None)
    image.header.set_zooms((1, 1.5, 2, 1))
    image.header["orient"] = bytes([slices])
    nib.save(image, tmp_path / "scan.img")
    read = images.read(tmp_path / "scan.img")
    assert read.data.shape == (6, 5, 4)
    np.testing.assert_allclose(read.affine[:3, :3].T, columns)
    np.testing.assert_allclose(read.affine @ [2.5, 2, 1.5, 1], [0, 0, 0, 1])
    placed = np.diag([-1.0, 1, 1, 1])
    nib.save(nib.Spm2AnalyzeImage(np.zeros((6, 5, 4), np.int16), placed), tmp_path / "placed.img")
    np.testing.assert_allclose(images.read(tmp_path / "placed.img").affine, placed)


@given(st.lists(st.integers(-2, 40), min_size=8, max_size=8), st.dictionaries(st.integers(-2, 50), st.integers(0, 9)))
def test_each_value_is_replaced_and_others_are_zero(labels, values):
    data = np.reshape(labels, (2, 2, 2))
    found = images.renumbered(data, values)
    assert found.dtype == np.uint8
    assert found.ravel().tolist() == [values.get(label, 0) for label in labels]
