"""Values of masks and label maps as files store them."""

import numpy as np
import pytest
from bad_inputs import four_each, head, lesion, saved, write
from settings_of import LABEL_MAP, MASKS

from headstart.datasets import intake
from headstart.job import UserError


@pytest.mark.parametrize("values", [[*range(208)], [*range(202), 2035], [*range(100), 12175]])
def test_labels_stored_with_a_slope_are_restored_exactly(tmp_path, values):
    write(tmp_path / "T1w.nii.gz", head())
    for stored_as in (np.int16, np.uint16):
        saved(four_each(values), stored_as)(tmp_path / "labels.nii.gz")
        labels, repairs = intake.read_labels([tmp_path / "labels.nii.gz"], tmp_path / "T1w.nii.gz", LABEL_MAP)
        np.testing.assert_array_equal(labels.data, four_each(values))
        assert "rounded" in repairs[0]


@pytest.mark.parametrize("stored_as", [np.int64, np.float64])
def test_labels_beyond_32_bits_do_not_wrap_to_those_of_a_class(tmp_path, stored_as):
    write(tmp_path / "T1w.nii.gz", head())
    saved(four_each([1, 2**32 + 1]).astype(stored_as), stored_as)(tmp_path / "labels.nii.gz")
    record = intake.check_labels([tmp_path / "labels.nii.gz"], tmp_path / "T1w.nii.gz", {"lesion": [1]}, LABEL_MAP)
    assert record["label_voxels"] == {"lesion": 4}
    assert record["other_labels"] == {"4294967297": 4}


@pytest.mark.parametrize("highest", [2000, 1e9])
def test_a_small_value_of_a_mask_is_not_rounded_away_beside_a_large_one(tmp_path, highest):
    write(tmp_path / "T1w.nii.gz", head())
    write(tmp_path / "labels.nii.gz", four_each([1, highest]).astype(np.float32))
    with pytest.raises(UserError, match="4 voxels are neither 0 nor its highest value"):
        intake.read_labels([tmp_path / "labels.nii.gz"], tmp_path / "T1w.nii.gz", MASKS)


def test_a_class_that_covers_nearly_everything_is_a_warning(tmp_path):
    write(tmp_path / "T1w.nii.gz", head())
    write(tmp_path / "labels.nii.gz", 2 - lesion())
    record = intake.check_labels(
        [tmp_path / "labels.nii.gz"], tmp_path / "T1w.nii.gz", {"lesion": [2], "rest": [1]}, LABEL_MAP
    )
    assert record["warnings"] == ["lesion covers 99.6 % of all voxels: is it the background?"]
