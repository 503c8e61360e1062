"""Masks of competitors: read like labels, on either grid, and refused where they cannot be meant."""

import nibabel as nib
import numpy as np
import pytest

from headstart import images
from headstart.external import masks
from headstart.images import Grid, Volume
from headstart.job import UserError
from headstart.template import template

STUDY = template.grid(4)
OWN = Grid((20, 24, 18), nib.affines.from_matvec(np.diag([3.0, 2.5, 3.5]), [-30, -40, -20]))


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "t1.nii.gz"
    images.write(path, Volume(np.ones(OWN.shape, np.float32), OWN.affine), np.float32)
    return path


def box(grid, *values):
    data = np.zeros(grid.shape, np.int16)
    for number, value in enumerate(values):
        data[3 + 3 * number : 6 + 3 * number, 4:8, 5:9] = value
    return Volume(data, grid.affine)


def written(path, volume):
    images.write(path, volume, volume.data.dtype)
    return path


def test_classes_are_numbered_in_the_targets_order_and_others_are_background(tmp_path, scan):
    path = written(tmp_path / "m.nii.gz", box(OWN, 10, 20, 30))
    found = masks.read(path, scan, 2, [[20], [10, 11]], STUDY)
    assert found.data.dtype == np.uint8
    assert np.array_equal(found.data, box(OWN, 2, 1, 0).data)
    plain = written(tmp_path / "n.nii.gz", box(OWN, 1, 2))
    assert np.array_equal(masks.read(plain, scan, 2, None, STUDY).data, box(OWN, 1, 2).data)


def test_a_value_that_is_no_class_is_refused_unless_classes_are_given(tmp_path, scan):
    path = written(tmp_path / "m.nii.gz", box(OWN, 1, 255))
    with pytest.raises(UserError, match=r"m.nii.gz has the value 255, but its classes are numbered from 1 to 1"):
        masks.read(path, scan, 1, None, STUDY)


def test_axes_in_another_order_are_those_of_the_scan(tmp_path, scan):
    mask = box(OWN, 1)
    turned = nib.as_closest_canonical(nib.Nifti1Image(mask.data, mask.affine)).as_reoriented([[1, -1], [0, 1], [2, -1]])
    nib.save(turned, tmp_path / "m.nii.gz")
    found = masks.read(tmp_path / "m.nii.gz", scan, 1, None, STUDY)
    assert np.array_equal(found.data, mask.data)
    assert found.grid.matches(OWN)


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        (Grid(OWN.shape, OWN.affine + [[0, 0, 0, 5], *np.zeros((3, 4))]), "lies up to 5 mm from the voxels"),
        (Grid((10, 12, 9), OWN.affine @ np.diag([2, 2, 2, 1])), "has 10 x 12 x 9 voxels, but .* 20 x 24 x 18"),
    ],
)
def test_a_shifted_or_resampled_mask_is_refused_by_name(tmp_path, scan, grid, said):
    path = written(tmp_path / "m.nii.gz", box(grid, 1))
    with pytest.raises(UserError, match=f"m.nii.gz {said}"):
        masks.read(path, scan, 1, None, STUDY)


def test_a_mask_on_the_studys_grid_is_carried_to_the_scan(tmp_path, scan):
    """The template's box of 20 mm sides around the origin, in a scan that lies 10 mm further to the right."""
    data = np.zeros(STUDY.shape, np.uint8)
    centre = np.rint(np.linalg.inv(STUDY.affine) @ [0, 0, 0, 1])[:3].astype(int)
    data[tuple(slice(n - 2, n + 3) for n in centre)] = 1
    path = written(tmp_path / "m.nii.gz", Volume(data, STUDY.affine))
    mask = masks.read(path, scan, 1, None, STUDY)
    assert masks.in_study(mask, STUDY, np.eye(4)) is mask
    to_scan = np.eye(4)
    to_scan[0, 3] = 10
    own = masks.in_scan(mask, OWN, STUDY, to_scan)
    assert own.sum() * OWN.voxel_ml == pytest.approx(20**3 / 1000, rel=0.1)
    there = nib.affines.apply_affine(OWN.affine, np.argwhere(own)).mean(axis=0)
    middle = nib.affines.apply_affine(STUDY.affine, centre) + [10, 0, 0]
    assert there == pytest.approx(middle, abs=1.3)  # half a voxel


def test_a_mask_on_the_scans_grid_is_carried_to_the_study(tmp_path, scan):
    mask = Volume(np.zeros(OWN.shape, np.uint8), OWN.affine)
    mask.data[4:12, 8:16, 5:11] = 1
    path = written(tmp_path / "m.nii.gz", mask)
    read = masks.read(path, scan, 1, None, STUDY)
    assert masks.in_scan(read, OWN, STUDY, np.eye(4)) is read.data
    moved = masks.in_study(read, STUDY, np.eye(4))
    assert moved.grid.matches(STUDY)
    assert moved.data.sum() * STUDY.voxel_ml == pytest.approx(mask.data.sum() * OWN.voxel_ml, rel=0.1)


def truth():
    return box(OWN, 1).data.astype(np.uint8)


@pytest.mark.parametrize(("axis", "name"), [(0, "first"), (1, "second"), (2, "third")])
def test_a_mirrored_mask_is_refused_by_name(axis, name):
    turned = np.flip(truth(), axis)
    with pytest.raises(UserError, match=f"b.nii is mirrored along its {name} axis: .* is 0.00, and 1.00"):
        masks.check("targets.t.external.x", [("a.nii", truth() * 0, truth()), ("b.nii", turned, truth())])


def test_a_poor_mask_is_not_taken_for_a_mirrored_one():
    """A false lesion on the other side overlaps with the mirrored truth, though by less than a mirrored mask."""
    poor = np.zeros_like(truth())
    poor[15:17, 4:6, 5:7] = 1
    masks.check("targets.t.external.x", [("a.nii", poor, truth())])


def test_masks_that_are_all_empty_or_the_labels_themselves_are_refused():
    key = "targets.t.external.x"
    with pytest.raises(UserError, match=f"{key}: all masks are empty; correct them, or {key}.classes"):
        masks.check(key, [("a.nii", truth() * 0, truth()), ("b.nii", truth() * 0, None)])
    with pytest.raises(UserError, match=f"{key}: all masks are the manual labels themselves"):
        masks.check(key, [("a.nii", truth(), truth()), ("b.nii", truth(), truth())])
    masks.check(key, [("a.nii", truth(), truth()), ("b.nii", truth() * 0, truth())])
    masks.check(key, [("a.nii", truth(), None)])
