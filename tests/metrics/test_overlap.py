import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from headstart.metrics import overlap

TRUTH = np.array([[1, 1, 0, 0], [1, 1, 0, 0]])
PREDICTION = np.array([[0, 1, 1, 0], [0, 1, 0, 0]])
NONE = np.zeros((2, 4), int)

SHAPES = hnp.array_shapes(min_dims=3, max_dims=3, max_side=4)


@st.composite
def pairs(draw, classes):
    shape = draw(SHAPES)
    labels = hnp.arrays(np.uint8, shape, elements=st.integers(0, classes - 1))
    return draw(labels), draw(labels)


def test_dice_and_iou_worked_by_hand():
    # 4 true voxels, 3 predicted, 2 in both: 2*2 / (4+3) and 2 / (4+3-2)
    assert overlap.dice(PREDICTION, TRUTH, "skip") == pytest.approx(4 / 7)
    assert overlap.iou(PREDICTION, TRUTH, "skip") == pytest.approx(2 / 5)


def test_mean_iou_worked_by_hand():
    truth = np.array([0, 0, 0, 1, 1, 2])
    prediction = np.array([0, 0, 1, 1, 1, 1])
    # class 0: 2/3; class 1: 2/4; class 2: 0/1; class 3 occurs in neither
    assert overlap.volume_score(prediction, truth, 4, "miou", "skip") == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert overlap.volume_score(prediction, truth, 4, "miou", "one") == pytest.approx((2 / 3 + 1 / 2 + 0 + 1) / 4)


@pytest.mark.parametrize("score", [overlap.dice, overlap.iou])
def test_empty_masks(score):
    assert math.isnan(score(NONE, NONE, empty="skip"))
    assert score(NONE, NONE, empty="one") == 1
    for empty in ("skip", "one"):
        assert score(PREDICTION, NONE, empty=empty) == 0
        assert score(NONE, TRUTH, empty=empty) == 0
        assert score(TRUTH, TRUTH, empty=empty) == 1


def test_an_unknown_policy_is_rejected():
    with pytest.raises(KeyError):
        overlap.dice(TRUTH, TRUTH, empty="zero")


@pytest.mark.parametrize(
    "score", [overlap.dice, overlap.iou, lambda p, t, empty: overlap.volume_score(p, t, 2, "miou", empty)]
)
def test_shapes_must_agree(score):
    with pytest.raises(ValueError, match="shape"):
        score(PREDICTION, TRUTH[:, :3], "skip")
    with pytest.raises(ValueError, match="shape"):
        score(PREDICTION, TRUTH.ravel(), "skip")


def test_labels_out_of_range_are_rejected():
    right = np.zeros((1, 2, 2), int)
    for wrong in (3, -1):
        for pair in ((right + wrong, right), (right, right + wrong)):
            with pytest.raises(ValueError, match="outside"):
                overlap.counts(*pair, classes=3)


def test_masks_of_any_nonzero_value():
    assert overlap.dice(PREDICTION * 7, TRUTH * 255, "skip") == overlap.dice(PREDICTION, TRUTH, "skip")


def test_counts_worked_by_hand():
    truth = np.array([[[0, 1], [1, 1]], [[0, 0], [0, 0]]], np.uint8)
    prediction = np.array([[[0, 0], [1, 1]], [[2, 0], [0, 0]]], np.uint8)
    found = overlap.counts(prediction, truth, 3)
    assert found.true_positive.tolist() == [[1, 2, 0], [3, 0, 0]]
    assert found.false_positive.tolist() == [[1, 0, 0], [0, 0, 1]]
    assert found.false_negative.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert found.over_volume().true_positive.tolist() == [[4, 2, 0]]


@settings(max_examples=60, deadline=None)
@given(pairs(classes=2))
def test_dice_and_iou_agree_with_sets_of_voxels(pair):
    prediction, truth = (set(map(tuple, np.argwhere(mask))) for mask in pair)
    together = len(prediction) + len(truth)
    expected = 2 * len(prediction & truth) / together if together else math.nan
    assert overlap.dice(*pair, "skip") == pytest.approx(expected, nan_ok=True)
    expected = len(prediction & truth) / len(prediction | truth) if together else math.nan
    assert overlap.iou(*pair, "skip") == pytest.approx(expected, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(pairs(classes=2))
def test_dice_and_iou_are_symmetric_bounded_and_functions_of_each_other(pair):
    dice, iou = overlap.dice(*pair, empty="one"), overlap.iou(*pair, empty="one")
    assert overlap.dice(*reversed(pair), empty="one") == dice
    assert 0 <= iou <= dice <= 1
    assert dice == pytest.approx(2 * iou / (1 + iou))


@settings(max_examples=60, deadline=None)
@given(pairs(classes=4))
def test_counts_agree_with_one_slice_and_class_at_a_time(pair):
    prediction, truth = pair
    found = overlap.counts(prediction, truth, 4)
    for index in range(len(truth)):
        for label in range(4):
            p, t = prediction[index] == label, truth[index] == label
            assert found.true_positive[index, label] == (p & t).sum()
            assert found.false_positive[index, label] == (p & ~t).sum()
            assert found.false_negative[index, label] == (~p & t).sum()
            assert found.dice("skip")[index, label] == pytest.approx(overlap.dice(p, t, "skip"), nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(pairs(classes=3))
def test_mean_iou_is_the_mean_over_the_classes_present(pair):
    prediction, truth = pair
    scores = [overlap.iou(prediction == label, truth == label, "skip") for label in range(3)]
    assert overlap.volume_score(prediction, truth, 3, "miou", "skip") == pytest.approx(np.nanmean(scores))


@given(pairs(classes=3))
def test_the_score_of_a_volume_is_that_of_its_slices_as_one(arrays):
    prediction, truth = arrays
    together = [each.reshape(1, -1) for each in arrays]
    found = overlap.volume_score(prediction, truth, 3, "miou", "one")
    assert found == pytest.approx(overlap.volume_score(*together, 3, "miou", "one"))
    masks = [overlap.dice(prediction == label, truth == label, "one") for label in (1, 2)]
    assert overlap.volume_score(prediction, truth, 3, "dice", "one") == pytest.approx(sum(masks) / 2)


def test_the_dice_of_empty_volumes_is_undefined_or_one():
    assert math.isnan(overlap.volume_score(NONE, NONE, 2, "dice", "skip"))
    assert overlap.volume_score(NONE, NONE, 2, "dice", "one") == 1
