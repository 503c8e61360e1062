import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from headstart.metrics import distance


def masks(*boxes, shape=(6, 8, 9)):
    made = np.zeros((len(boxes), *shape), np.uint8)
    for mask, box in zip(made, boxes, strict=True):
        mask[box] = 1
    return made


def hausdorff95(prediction, truth, voxel_mm):
    return distance.surface_distances(prediction, truth, voxel_mm).hausdorff95()


def surface_dice(prediction, truth, voxel_mm, tolerance_mm):
    return distance.surface_distances(prediction, truth, voxel_mm).surface_dice(tolerance_mm)


def test_worked_by_hand_along_each_axis():
    here = np.s_[1, 2, 3]
    for there, millimetres in ((np.s_[4, 2, 3], 3 * 3.0), (np.s_[1, 4, 3], 2 * 0.5), (np.s_[1, 2, 7], 4 * 2.0)):
        assert hausdorff95(*masks(here, there), (3.0, 0.5, 2.0)) == millimetres
    assert hausdorff95(*masks(here, np.s_[4, 2, 7]), 2.5) == pytest.approx(2.5 * 5)


def test_the_farthest_twentieth_is_excluded_and_the_worse_direction_counts():
    truth, prediction = masks(np.s_[0, 0, :], np.s_[0, 0, :], shape=(1, 8, 100))
    prediction[0, 7, :5] = 1
    # of 105 predicted voxels 5 lie 7 away: the 95th percentile is the value of rank 98.8, still 0
    assert hausdorff95(prediction, truth, 1) == 0
    prediction[0, 7, 5] = 1
    # of 106, 6: rank 99.75 lies between the last 0 and the first 7
    assert hausdorff95(prediction, truth, 1) == pytest.approx(0.75 * 7)
    assert hausdorff95(truth, prediction, 1) == pytest.approx(0.75 * 7)


def test_only_surface_voxels_count():
    truth, prediction = masks(np.s_[:5, :5, :5], np.s_[:5, :5, :5])
    prediction[2, 2, 2] = 0
    # the six neighbours of the hole are surface, 1 from the outer surface of 98: rank 97.85 is between the last 0 and
    # the first 1
    assert hausdorff95(prediction, truth, 1) == pytest.approx(0.85)
    assert hausdorff95(truth, truth, 1) == 0


def test_empty_masks():
    empty, full = masks(np.s_[:0], np.s_[:])
    assert math.isnan(hausdorff95(empty, empty, 1))
    assert hausdorff95(empty, full, 1) == hausdorff95(full, empty, 1) == math.inf
    assert hausdorff95(full, full, 1) == 0


def test_the_surface_dice_worked_by_hand():
    truth, prediction = masks(np.s_[0, 0, :6], np.s_[0, 0, 3:7], shape=(1, 2, 9))
    # Truth 0 to 5, prediction 3 to 6: distances of truth 3, 2, 1, 0, 0, 0, of prediction 0, 0, 0, 1.
    shares = [surface_dice(prediction, truth, 2.0, mm) for mm in (0, 1.9, 2, 4, 6)]
    assert shares == pytest.approx([6 / 10, 6 / 10, 8 / 10, 9 / 10, 1])
    assert surface_dice(truth, prediction, 2.0, 2) == 8 / 10


def test_the_surface_dice_of_empty_masks():
    empty, full = masks(np.s_[:0], np.s_[:])
    assert math.isnan(surface_dice(empty, empty, 1, 2))
    assert surface_dice(empty, full, 1, 99) == surface_dice(full, empty, 1, 99) == 0
    assert surface_dice(full, full, 1, 0) == 1


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="shape"):
        hausdorff95(np.ones((2, 3, 4)), np.ones((2, 3)), 1)


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=1, max_dims=3, max_side=5), elements=st.booleans()))
def test_the_bounding_box_is_the_smallest_that_contains_the_mask(mask):
    box = distance.bounding_box(mask)
    assert mask[box].sum() == mask.sum()
    if mask.any():
        for axis, side in enumerate(box):
            across = mask[box].any(axis=tuple(other for other in range(mask.ndim) if other != axis))
            assert across[0]
            assert across[-1]
            assert len(across) == side.stop - side.start
    else:
        assert mask[box].size == 0
