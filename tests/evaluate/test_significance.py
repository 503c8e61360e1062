import numpy as np
import pytest

from headstart.evaluate import significance


@pytest.mark.parametrize(("p_adjusted", "expected"), [(0.0499, True), (0.05, False), (1, False), (np.nan, False)])
def test_significant_is_an_adjusted_p_below_the_level(p_adjusted, expected):
    assert significance.significant(p_adjusted) == expected


def test_significance_of_an_array():
    assert significance.significant(np.array([0.01, 0.2, np.nan])).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("difference", "low", "high", "significantly", "word"),
    [
        (0.1, 0.01, 0.19, True, "better"),
        (-0.1, -0.19, -0.01, True, "worse"),
        (0.005, -0.019, 0.019, False, "equivalent"),
        (0.01, -0.001, 0.02, False, "undecided"),
        (0.015, 0.012, 0.018, True, "better"),
        (0.1, np.nan, np.nan, False, "undecided"),
    ],
)
def test_the_word_for_a_difference(difference, low, high, significantly, word):
    assert significance.judge(difference, low, high, significantly, 0.02) == word


def test_the_phrases_name_the_criterion():
    assert significance.DIFFERENT == "significantly different (adjusted p < 0.05)"
    assert significance.NO_DIFFERENCE == "no significant difference"
