import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.metrics import variance


def test_variance_explained_by_hand():
    images = np.array([[[0.0, 1.0]]])
    for predictions, expected in ((images, 1), (np.full_like(images, 0.5), 0), (np.array([[[0.0, 0.5]]]), 0.5)):
        assert variance.explained([variance.sums(predictions, images)]) == pytest.approx(expected)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any), st.integers(0, 2**32 - 1))
def test_parts_of_any_size_give_the_score_of_the_whole(sizes, seed):
    rng = np.random.default_rng(seed)
    # Parts with means of their own, far from 0 beside their spread: sums of plain squares would lose the digits.
    parts = [100 + rng.uniform(0, 1) + 1e-3 * rng.random(size) for size in sizes]
    made = [part + 1e-4 * rng.standard_normal(part.shape) for part in parts]
    images, predictions = np.concatenate(parts), np.concatenate(made)
    expected = 1 - np.square(predictions - images).sum() / (np.var(images) * len(images) or 1)
    found = variance.explained([variance.sums(*pair) for pair in zip(made, parts, strict=True)])
    if len(images) > 1:
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_float32_images_are_summed_in_float64():
    images = (1000 + np.random.default_rng(0).random((64, 128, 128))).astype(np.float32)
    exact = images.astype(np.float64)
    expected = 1 - np.square(0.25).sum() / np.var(exact)
    assert variance.explained([variance.sums(exact + 0.25, images)]) == pytest.approx(expected, rel=1e-12)


def test_parts_without_pixels_count_for_nothing():
    part = variance.sums(np.array([0.0, 0.5]), np.array([0.0, 1.0]))
    nothing = variance.sums(np.empty(0), np.empty(0))
    assert variance.explained([nothing, part, nothing]) == variance.explained([part])
    assert variance.explained([nothing]) == 1
