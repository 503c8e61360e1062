"""Values of masks and label maps as files store them."""

import numpy as np
import pytest
from bad_inputs import four_each, head, saved, write
from settings_of import LABEL_MAP

from headstart.datasets import intake


@pytest.mark.parametrize("values", [[*range(208)], [*range(202), 2035], [*range(100), 12175]])
def test_labels_stored_with_a_slope_are_restored_exactly(tmp_path, values):
    write(tmp_path / "T1w.nii.gz", head())
    for stored_as in (np.int16, np.uint16):
        saved(four_each(values), stored_as)(tmp_path / "labels.nii.gz")
        labels, repairs = intake.read_labels([tmp_path / "labels.nii.gz"], tmp_path / "T1w.nii.gz", LABEL_MAP)
        np.testing.assert_array_equal(labels.data, four_each(values))
        assert "rounded" in repairs[0]
