import numpy as np
import pandas as pd
import pytest
from simulated_scores import pooled_scores
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from headstart.evaluate import anova, comparisons, tables


def contributions(scores):
    """Of the mean of scores (R, S)."""
    return anova.influence(scores[None], np.ones_like(scores)[None])[0]


def mean_squares(scores):
    """Mean squares of scans, resamples and residual of scores (R, S), by ordinary least squares."""
    resample, scan = (axis.ravel() for axis in np.indices(scores.shape))
    table = pd.DataFrame({"score": scores.ravel(), "resample": resample, "scan": scan})
    found = anova_lm(ols("score ~ C(resample) + C(scan)", table).fit())
    return found["mean_sq"][["C(scan)", "C(resample)", "Residual"]].to_numpy()


def test_variance_and_degrees_worked_by_hand():
    """Scan means 1, 2 and 3, resample means 1.5 and 2.5, no noise: 1 / 3 over scans and 0.5 / 2 over resamples."""
    found = anova.spread([contributions(np.array([[0.5, 1.5, 2.5], [1.5, 2.5, 3.5]]))], [0])
    assert found.of_scans == pytest.approx(1 / 3)
    assert found.of_resamples == pytest.approx(1 / 4)
    assert found.variance == pytest.approx(7 / 12)
    assert found.degrees == pytest.approx((7 / 12) ** 2 / ((1 / 3) ** 2 / 2 + (1 / 4) ** 2 / 1))


@pytest.mark.parametrize("shape", [(2, 3), (5, 8), (10, 4)])
def test_the_variance_agrees_with_least_squares(shape):
    rng = np.random.default_rng(3)
    effects = rng.normal(0, 1, (1, shape[1])) + rng.normal(0, 1, (shape[0], 1))
    scores = effects + rng.normal(0, 0.2, shape)
    scan, resample, residual = mean_squares(scores) / scores.size
    found = anova.spread([contributions(scores)], [0])
    assert found.of_scans == pytest.approx(scan)
    assert found.of_resamples == pytest.approx(resample)
    assert found.variance == pytest.approx(scan + resample - residual)


def test_the_variance_of_a_mean_over_sizes_shares_scans_and_adds_resamples():
    """Over three sizes with the same scores, scans keep their variance and resamples have a third of it."""
    scores = np.random.default_rng(1).normal(0, 1, (1, 7)) + np.random.default_rng(2).normal(0, 1, (4, 1))
    one = anova.spread([contributions(scores)], [0])
    mean = anova.spread([contributions(scores) / 3] * 3, [0] * 3)
    assert mean.of_scans == pytest.approx(one.of_scans)
    assert mean.of_resamples == pytest.approx(one.of_resamples / 3)
    whole = one.of_scans + one.of_resamples / 3
    assert mean.degrees == pytest.approx(whole**2 / (one.of_scans**2 / 6 + (one.of_resamples / 3) ** 2 / 9))


def test_the_variance_is_not_less_than_that_of_scans_or_resamples_alone():
    for seed in range(30):
        found = anova.spread([contributions(np.random.default_rng(seed).normal(size=(3, 4)))], [0])
        assert found.variance >= max(found.of_scans, found.of_resamples)


def test_of_one_resample_or_scan_only_the_other_factor_is_known():
    scores = np.random.default_rng(0).normal(size=(1, 5))
    found = anova.spread([contributions(scores)], [0])
    assert found.variance == found.of_scans == pytest.approx(scores.var(ddof=1) / 5)
    assert found.degrees == 4
    assert np.isnan(found.of_resamples)
    assert not found.complete
    turned = anova.spread([contributions(scores.T)], [0])
    assert turned.of_resamples == pytest.approx(found.of_scans)
    assert np.isnan(turned.of_scans)
    alone = anova.spread([contributions(scores[:, :1])], [0])
    assert np.isnan(alone.variance)
    assert alone.degrees == 0


def test_noise_is_not_subtracted_where_resamples_have_scans_of_their_own():
    totals, counts = np.random.default_rng(0).random((1, 4, 6)), np.ones((1, 4, 6))
    counts[0, 0, 0] = totals[0, 0, 0] = 0
    found = anova.spread(list(anova.influence(totals, counts)), [0])
    assert found.variance == pytest.approx(found.of_scans + found.of_resamples)


def folded(scans, folds, repeats, seed=0):
    """Which scan each resample of a repeated cross-validation tests, (R, S)."""
    rng = np.random.default_rng(seed)
    parts = [part for _ in range(repeats) for part in np.array_split(rng.permutation(scans), folds)]
    return np.array([np.isin(np.arange(scans), part) for part in parts])


def of_folds(scores, known):
    """Contributions to the mean of scores (R, S) where they are known."""
    return anova.influence(np.where(known, scores, 0)[None], known[None].astype(float))[0]


def test_a_cross_validation_worked_by_hand():
    """Folds with the scores 1, 3 and 5, 9: the mean is 4.5, and single scores differ from it by -3.5 to 4.5."""
    known = np.array([[True, True, False, False], [False, False, True, True]])
    found = anova.spread([of_folds(np.array([[1.0, 3, 0, 0], [0, 0, 5, 9]]), known)], [0])
    single = (3.5**2 + 1.5**2 + 0.5**2 + 4.5**2) / (3 * 4)
    assert found.of_scans == pytest.approx(single)
    assert found.variance == pytest.approx(2.5**2)  # of folds' means 2 and 7: half the square of their difference, by 2
    assert found.of_resamples == pytest.approx(2.5**2 - single)
    assert found.degrees == pytest.approx(2.5**4 / (single**2 / 3 + 2.5**4 / 1))


def test_folds_of_one_repeat_are_the_units_of_a_one_way_analysis_of_variance():
    """Five folds of three scans each: the variance is the mean square between folds divided by the scans."""
    known = folded(15, 5, 1)
    scores = np.random.default_rng(1).normal(size=15) + np.random.default_rng(2).normal(size=(5, 1))
    table = pd.DataFrame({"score": scores[known], "fold": np.nonzero(known)[0]})
    between = anova_lm(ols("score ~ C(fold)", table).fit())["mean_sq"]["C(fold)"]
    found = anova.spread([of_folds(scores, known)], [0])
    assert between / 15 > found.of_scans
    assert found.variance == pytest.approx(between / 15)


@pytest.mark.parametrize("deviations", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0.5, 2)])
def test_the_variance_with_cross_validation_is_that_of_the_mean(deviations):
    """Over many studies of 15 scans and two repeats of five folds, from known effects of scans, networks and noise."""
    rng, found, means = np.random.default_rng(3), [], []
    of_scan, of_resample, noise = deviations
    for trial in range(600):
        known = folded(15, 5, 2, trial)
        scores = of_scan * rng.normal(size=15) + of_resample * rng.normal(size=(10, 1))
        scores = scores + noise * rng.normal(size=(10, 15))
        spread = anova.spread([of_folds(scores, known)], [0])
        found.append(spread.of_scans + spread.of_resamples)
        means.append(scores[known].mean())
    expected = of_scan**2 / 15 + of_resample**2 / 10 + noise**2 / 30
    assert np.var(means) == pytest.approx(expected, rel=0.15)
    assert np.mean(found) == pytest.approx(expected, rel=0.15)


def test_a_pool_of_scans_adds_what_its_sets_have_in_common():
    scores = np.random.default_rng(0).normal(size=(5, 1)) + np.random.default_rng(1).normal(0, 0.1, (1, 9))
    these, others = (anova.spread([contributions(scores)], [share]) for share in (0, 1.5))
    assert others.of_resamples == pytest.approx(these.of_resamples * (1 + 5 * 1.5))
    assert others.of_scans == these.of_scans


def test_correlation_of_differences_from_one_source_that_varies_alone():
    rng = np.random.default_rng(0)
    first, second, varying = (contributions(rng.normal(size=(6, 8)) * sd) for sd in (0, 0, 1))
    found = anova.correlation([[first - varying], [second - varying], [varying]], [0])
    assert found == pytest.approx(np.array([[1, 1, -1], [1, 1, -1], [-1, -1, 1]]))


def test_coverage_of_gains_for_the_scans_of_a_pool_and_for_others():
    """Ten sets of half of a pool: for the population about 95 % are covered, and without the correction far less."""
    spread, covered = {"own_scan": 0.02, "own_resample": 0.05, "seed": 0.01, "noise": 0.03}, []
    for trial in range(120):
        collected, with_these = pooled_scores(["a", "scratch"], 8, 16, 10, 12, trial, spread)
        found = []
        for population in ({}, {"simulated": 16}):
            (cell,) = tables.cells(collected, 2, trial, population)
            found.append(comparisons.compare([cell]).iloc[0])
        truths = (with_these["a"] - with_these["scratch"], 0, 0)
        covered.append(
            [row["low"] <= truth <= row["high"] for row, truth in zip([found[0], *found], truths, strict=True)]
        )
    these, uncorrected, population = np.mean(covered, axis=0)
    assert these > 0.89
    assert uncorrected < 0.75
    assert population > 0.89


def test_a_scan_with_a_score_on_one_side_alone_contributes_to_a_difference():
    one, other = np.array([[0.2, np.nan, np.nan]]), np.array([[0.1, 0.3, np.nan]])
    np.testing.assert_array_equal(anova.difference(one, other), [[0.1, -0.3, np.nan]])
