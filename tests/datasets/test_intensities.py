"""Intensities have no unit: a scan with another offset and scale is the same picture."""

import numpy as np
import pytest
from bad_inputs import AFFINE, head
from hypothesis import given
from hypothesis import strategies as st

from headstart.datasets import intensities
from headstart.images import Volume
from headstart.job import UserError


def repaired(data):
    return intensities.repair("scan.nii.gz", Volume(data, AFFINE))


def noisy(level=4, seed=0):
    """A head with Rician noise in the air, as scanners give it."""
    rng = np.random.default_rng(seed)
    parts = [head() + rng.normal(0, level, head().shape), rng.normal(0, level, head().shape)]
    return np.hypot(*parts).astype(np.float32)


@given(st.floats(-1e5, 1e5), st.floats(1e-3, 1e4), st.booleans())
def test_any_offset_and_scale_give_the_same_picture(offset, scale, with_noise):
    plain = noisy() if with_noise else head().astype(np.float32)
    found, _, warnings = repaired((plain.astype(float) * scale + offset * scale / 100).astype(np.float32))
    expected, _, _ = repaired(plain)
    assert warnings == []
    assert np.abs(found.data / scale - expected.data).max() < 0.06 * np.ptp(plain)


@pytest.mark.parametrize("data", [head(), noisy(), noisy(20), noisy() - 10, head().astype(np.uint16)])
def test_ordinary_scans_keep_every_value(data):
    """Also with noise around 0 that is a little negative."""
    found, repairs, warnings = repaired(data)
    assert repairs == warnings == []
    np.testing.assert_array_equal(found.data, data.astype(np.float32))


def test_noise_around_the_head_that_is_as_bright_as_the_head_is_not_taken_for_the_level_of_air():
    """As in the quotient of MP2RAGE: from 0 to 4095 in the air."""
    data = np.where(head() > 0, head() * 4, np.random.default_rng(0).integers(0, 4096, head().shape)).astype(np.int16)
    assert repaired(data)[1:] == ([], [])
    shifted, repairs, _ = repaired(data - np.int16(2048))
    assert "air is 0" in repairs[0]
    assert np.abs(shifted.data - data).max() < 100


@pytest.mark.parametrize(("value", "count"), [(1e6, 1), (1e6, 20), (1e9, 1), (-1e6, 5)])
def test_stray_voxels_are_limited_and_counted(value, count):
    data = head().astype(np.float32)
    places = np.argwhere(data > 0)[:: len(np.argwhere(data > 0)) // count][:count]
    data[tuple(places.T)] = value
    found, repairs, warnings = repaired(data)
    assert repairs == [f"voxels beyond 10 times the range of intensities set to the median around them: {count}"]
    assert warnings == []
    assert np.abs(found.data - head()).max() < 0.25 * head().max()


def test_numbers_beyond_single_precision_are_set_to_air_without_a_warning_of_numpy(recwarn):
    data = head().astype(np.float64)
    data[10, 12, 9] = 1e300
    found, repairs, _ = repaired(data)
    assert found.data[10, 12, 9] == 0
    assert repairs == ["voxels that were NaN or infinite set to 0: 1"]
    assert not recwarn.list


def test_voxels_without_a_number_become_air_where_air_is_not_0():
    data = head() - np.float32(1024)
    data[10, 12, 9] = np.nan
    assert repaired(data)[0].data[10, 12, 9] == 0


def test_tissue_darker_than_air_is_refused():
    inside = head() > 0
    scores = np.where(inside, (head() - head()[inside].mean()) / head()[inside].std(), 0)
    with pytest.raises(UserError, match=r"scan.nii.gz has \d+.\d % of voxels far darker than air .*z-scores"):
        repaired(scores.astype(np.float32))


@pytest.mark.parametrize("data", [-head(), 700 - head(), -10 - head()])
def test_images_with_air_brighter_than_tissue_are_refused(data):
    with pytest.raises(UserError, match="or inverted; give the scan before that step"):
        repaired(data)


def test_a_large_offset_is_subtracted_in_the_precision_of_the_file():
    found, _, _ = repaired(head() + 1e9)
    assert np.abs(found.data - found.data.min() - head()).max() == 0


def test_stray_voxels_in_one_block_do_not_stay():
    data = head().astype(np.float32)
    data[8:10, 11:13, 8:10] = 1e6
    assert np.abs(repaired(data)[0].data - head()).max() < 0.2 * head().max()


def test_z_scores_of_the_whole_image_are_the_same_picture():
    scores = ((head() - head().mean()) / head().std()).astype(np.float32)
    found, repairs, _ = repaired(scores)
    assert "air is 0 instead of -" in repairs[0]
    np.testing.assert_allclose(found.data * head().std(), head(), atol=1e-3 * head().max())
