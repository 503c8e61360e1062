import numpy as np
import pytest

from headstart.metrics.ranking import roc_area


def test_roc_area_by_hand():
    positive = np.array([True, False, True, False])
    assert roc_area(np.array([0.9, 0.1, 0.8, 0.2]), positive) == 1
    assert roc_area(np.array([0.1, 0.9, 0.2, 0.8]), positive) == 0
    assert roc_area(np.zeros(4), positive) == 0.5
    assert roc_area(np.array([0.3, 0.2, 0.1, 0.1]), positive) == pytest.approx((2 + 0.5) / 4)
    assert np.isnan(roc_area(np.zeros(2), np.ones(2, bool)))
