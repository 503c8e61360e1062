import numpy as np
import pytest
from scipy import stats

from headstart.evaluate import simultaneous

MANY = 1e6


def equally_correlated(count, correlation):
    return np.full((count, count), float(correlation)) + np.eye(count) * (1 - correlation)


def test_one_difference_is_tested_by_student_without_adjustment():
    (found,) = simultaneous.test([0.3], [0.01], [7], np.ones((1, 1)))
    assert found.p == found.p_adjusted == pytest.approx(2 * stats.t.sf(3, 7))
    reach = stats.t.ppf(0.975, 7) * 0.1
    assert (found.low, found.high) == pytest.approx((0.3 - reach, 0.3 + reach))
    assert found.detectable == pytest.approx(reach + stats.t.ppf(0.8, 7) * 0.1)


def test_uncorrelated_differences_are_adjusted_as_by_sidak_and_equal_ones_not_at_all():
    apart = simultaneous.test([2.0, 0.5, 0.1], np.ones(3), [MANY] * 3, np.eye(3))
    for found in apart:
        assert found.p_adjusted == pytest.approx(1 - (1 - found.p) ** 3, abs=0.01)
    equal = simultaneous.test([2.0, 2.0, 2.0], np.ones(3), [MANY] * 3, np.ones((3, 3)))
    for found in equal:
        assert found.p_adjusted == pytest.approx(found.p, abs=0.004)


def test_many_degrees_of_freedom_give_the_quantile_of_dunnett():
    """Two-sided, five differences from one control with a correlation of 1/2: 2.51 (Dunnett 1964, Table III)."""
    (found, *_) = simultaneous.test([0.0] * 5, np.ones(5), [MANY] * 5, equally_correlated(5, 0.5))
    assert found.high == pytest.approx(2.51, abs=0.02)


def test_the_adjusted_p_is_below_the_level_if_and_only_if_the_interval_excludes_zero():
    rng = np.random.default_rng(0)
    decided = 0
    for _ in range(60):
        differences, variances = rng.normal(0, 2.4, 4), rng.chisquare(5, 4) / 5
        for found in simultaneous.test(differences, variances, rng.uniform(3, 30, 4), equally_correlated(4, 0.5)):
            assert (found.p_adjusted < 0.05) == (found.low > 0 or found.high < 0)
            decided += found.p_adjusted < 0.05
    assert 20 < decided < 220


def test_variances_are_moderated_by_two_degrees_of_freedom_of_their_mean():
    found = simultaneous.test([1, 1, 1], [1.0, 2.0, 3.0], [4, 4, 4], np.eye(3))
    assert [one.degrees for one in found] == [6, 6, 6]
    assert [one.error**2 for one in found] == pytest.approx([(4 * v + 2 * 2) / 6 for v in (1, 2, 3)])
    # The other of two differences, which shares a source with the first, has half of its own degrees to lend.
    assert simultaneous.test([1, 1], [1.0, 2.0], [2, 2], np.eye(2))[0].degrees == 3


def test_equal_models_do_not_differ_and_a_constant_difference_is_certain():
    none, certain = simultaneous.test([0.0, 0.1], [0.0, 0.0], [3, 3], np.zeros((2, 2)))
    assert none.p == none.p_adjusted == 1
    assert certain.p == certain.p_adjusted == 0
    assert certain.low == certain.high == 0.1


def test_the_detectable_difference_is_found_in_four_of_five_trials():
    rng, correlation = np.random.default_rng(1), equally_correlated(3, 0.5)
    (known, *_) = simultaneous.test([0, 0, 0], np.ones(3), [MANY] * 3, correlation)
    draws = rng.multivariate_normal([known.detectable, 0, 0], correlation, 2000)
    assert np.mean(np.abs(draws[:, 0]) > known.high) == pytest.approx(0.8, abs=0.03)


def test_differences_of_equal_models_lend_nothing_to_the_others():
    apart = simultaneous.test([0.3, 0.2], [0.02, 0.01], [4, 4], np.eye(2))
    beside = simultaneous.test([0.3, 0.0, 0.2, 0.0], [0.02, 0, 0.01, 0], [4, 4, 4, 4], np.eye(4))
    assert [(one.error, one.degrees) for one in (beside[0], beside[2])] == [(one.error, one.degrees) for one in apart]
    assert (beside[1].low, beside[1].high, beside[1].p) == (0, 0, 1)
