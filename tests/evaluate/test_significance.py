import numpy as np
import pytest

from headstart.evaluate import significance


@pytest.mark.parametrize(("p_adjusted", "expected"), [(0.0499, True), (0.05, False), (1, False), (np.nan, False)])
def test_significant_is_an_adjusted_p_below_the_level(p_adjusted, expected):
    assert significance.significant(p_adjusted) == expected


def test_significance_of_an_array():
    assert significance.significant(np.array([0.01, 0.2, np.nan])).tolist() == [True, False, False]


def test_the_phrases_name_the_criterion():
    assert significance.DIFFERENT == "significantly different (adjusted p < 0.05)"
    assert significance.NO_DIFFERENCE == "no significant difference"
