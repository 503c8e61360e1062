"""Whether labels lie on the voxels of their scan, and how they are brought there."""

import nibabel as nib
import numpy as np
import pytest
from bad_inputs import AFFINE, head, lesion, write
from settings_of import MASKS

from headstart.datasets import intake
from headstart.job import UserError


def moved(mm):
    return AFFINE + [[0, 0, 0, mm], [0] * 4, [0] * 4, [0] * 4]


def read(folder):
    return intake.read_labels([folder / "mask.nii.gz"], folder / "T1w.nii.gz", MASKS)


@pytest.fixture
def t1w(tmp_path):
    write(tmp_path / "T1w.nii.gz", head())
    return tmp_path


@pytest.mark.parametrize(
    ("mm", "words"), [(0, []), (0.004, []), (0.02, []), (0.3, ["0.3 mm from"]), (0.55, ["0.55 mm"])]
)
def test_a_mask_within_a_tenth_of_a_voxel_is_taken_voxel_by_voxel(t1w, mm, words):
    write(t1w / "mask.nii.gz", lesion(), moved(mm))
    mask, repairs = read(t1w)
    np.testing.assert_array_equal(mask.data, lesion())
    np.testing.assert_array_equal(mask.affine, AFFINE)
    assert len(repairs) == len(words)
    assert all(word in repair for word, repair in zip(words, repairs, strict=True))


@pytest.mark.parametrize("mm", [0.7, 12])
def test_a_mask_elsewhere_is_refused_with_its_distance(t1w, mm):
    write(t1w / "mask.nii.gz", lesion(), moved(mm))
    with pytest.raises(UserError, match=f"lies up to {mm:g} mm from"):
        read(t1w)


@pytest.mark.parametrize("code", ["LAS", "LPI", "ASL", "SAR", "PIR", "SRP"])
def test_axes_in_another_order_are_turned_without_loss(t1w, code):
    upright = nib.Nifti1Image(lesion(), AFFINE)
    change = nib.orientations.ornt_transform(nib.io_orientation(AFFINE), nib.orientations.axcodes2ornt(tuple(code)))
    stored = upright.as_reoriented(change)
    write(t1w / "mask.nii.gz", np.asarray(stored.dataobj), stored.affine)
    mask, repairs = read(t1w)
    np.testing.assert_array_equal(mask.data, lesion())
    assert repairs == ["labels: axes reordered to those of the scan"]


def test_a_mask_on_the_other_form_of_the_scan_is_taken_and_recorded(tmp_path):
    write(tmp_path / "T1w.nii.gz", head(), srow_x=moved(5)[0])
    write(tmp_path / "mask.nii.gz", lesion())
    mask, repairs = read(tmp_path)
    np.testing.assert_array_equal(mask.data, lesion())
    np.testing.assert_array_equal(mask.affine, moved(5))
    assert "by the qform of the scan" in repairs[0]


def test_a_mask_on_the_scan_by_its_own_other_form_is_taken_and_recorded(t1w):
    write(t1w / "mask.nii.gz", lesion(), srow_x=moved(5)[0])
    mask, repairs = read(t1w)
    np.testing.assert_array_equal(mask.affine, AFFINE)
    assert "by the qform of the labels" in repairs[0]


def test_a_mask_whose_forms_are_mirror_images_is_refused(t1w):
    write(t1w / "mask.nii.gz", lesion(), srow_x=(np.diag([-1.0, 1, 1, 1]) @ AFFINE)[0])
    with pytest.raises(UserError, match="left and right cannot be distinguished"):
        read(t1w)


@pytest.mark.parametrize("data", [lesion(), lesion()[:-1]])
def test_labels_named_by_another_space_are_not_to_be_resampled(t1w, data):
    mask = t1w / "sub-01_space-MNI152NLin6Asym_label-lesion_mask.nii.gz"
    write(mask, data, moved(12))
    with pytest.raises(UserError, match="by its name it is in the space MNI152NLin6Asym; give labels in the scan's"):
        intake.read_labels([mask], t1w / "T1w.nii.gz", MASKS)
