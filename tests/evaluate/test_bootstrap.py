import numpy as np
import pytest
from scipy import stats

from headstart.evaluate import bootstrap


def drawn_means(totals, counts, draws=500, seed=1):
    by_resample, by_scan = (bootstrap.weights(draws, n, seed + k) for k, n in enumerate(totals.shape[1:]))
    return bootstrap.bootstrap_means(totals, counts, by_resample, by_scan)


def test_the_estimate_is_the_mean_over_all_slices():
    totals, counts = np.array([[[3.0, 1.0], [2.0, 0.5]]]), np.array([[[4, 1], [4, 1]]])
    assert bootstrap.mean_score(totals, counts) == pytest.approx([6.5 / 10])


def test_with_many_units_the_draws_are_those_of_a_plain_bootstrap():
    rng = np.random.default_rng(0)
    totals, counts = rng.random((2, 60, 80)) + rng.random((80,)), rng.integers(1, 9, (2, 60, 80)).astype(float)
    drawn = drawn_means(totals * counts, counts, 20_000)
    plain = []
    for _ in range(1000):
        r, s = rng.integers(0, 60, 60), rng.integers(0, 80, 80)
        plain.append((totals * counts)[:, r][:, :, s].sum((1, 2)) / counts[:, r][:, :, s].sum((1, 2)))
    np.testing.assert_allclose(drawn.mean(0), np.mean(plain, 0), rtol=0.005)
    np.testing.assert_allclose(drawn.std(0), np.std(plain, 0), rtol=0.1)


@pytest.mark.parametrize("scans", [4, 12])
def test_with_few_scans_the_interval_is_that_of_student(scans):
    scores = np.random.default_rng(scans).random((1, 1, scans))
    drawn = drawn_means(scores, np.ones_like(scores), 40_000)
    found = bootstrap.interval(scores.mean(), drawn[:, 0])
    reach = stats.t.ppf(0.975, scans - 1) * stats.sem(scores[0, 0])
    assert found.high - found.low == pytest.approx(2 * reach, rel=0.1)


def test_equal_sources_do_not_differ_in_any_draw():
    one = np.random.default_rng(1).random((1, 3, 5))
    drawn = drawn_means(np.concatenate([one, one]), np.ones((2, 3, 5)))
    np.testing.assert_allclose(drawn[:, 0], drawn[:, 1])
    assert drawn[:, 0].std() > 0


@pytest.mark.parametrize(("scans", "resamples"), [(5, 3), (20, 10)])
@pytest.mark.parametrize("spread", [(0.15, 0.05, 0.05), (0.03, 0.1, 0.05)])
def test_coverage_of_the_confidence_interval(scans, resamples, spread):
    """With random effects of scans, resamples and noise, 95 % CIs contain the true mean in at least 92 % of trials."""
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(250):
        of_scan, of_resample, noise = (
            sd * rng.normal(size=shape)
            for sd, shape in zip(spread, ((1, scans), (resamples, 1), (resamples, scans)), strict=True)
        )
        scores = (0.5 + of_scan + of_resample + noise)[None]
        found = bootstrap.interval(scores.mean(), drawn_means(scores, np.ones_like(scores), 400, 2 * trial)[:, 0])
        covered += found.low <= 0.5 <= found.high
    assert covered / 250 > 0.92


def test_p_is_below_the_level_if_and_only_if_the_interval_excludes_zero():
    rng = np.random.default_rng(3)
    for shift in np.linspace(-3, 3, 25):
        drawn = rng.normal(shift, 1, 4001)
        found = bootstrap.interval(shift, drawn)
        assert (bootstrap.p_value(drawn) < 0.05) == (found.low > 0 or found.high < 0)
    assert bootstrap.p_value(np.zeros(99)) == 1
    assert bootstrap.p_value(np.ones(99)) == pytest.approx(2 / 100)


def test_the_same_seed_gives_the_same_draws():
    assert (bootstrap.weights(50, 4, 7) == bootstrap.weights(50, 4, 7)).all()
    assert not (bootstrap.weights(50, 4, 7) == bootstrap.weights(50, 4, 8)).all()


def test_no_score_and_a_single_score_have_no_interval():
    for scores, counts in ((np.zeros((1, 2, 3)), np.zeros((1, 2, 3))), (np.ones((1, 1, 1)), np.ones((1, 1, 1)))):
        drawn = drawn_means(scores, counts, 50)
        assert np.isnan(drawn).all()
        assert np.isnan(bootstrap.interval(1, drawn[:, 0]).low)
        assert np.isnan(bootstrap.p_value(drawn[:, 0]))
    alone = np.array([[[0.5, 0, 0]]])
    assert np.isnan(drawn_means(alone, (alone > 0).astype(float))).all()


def test_an_interval_stays_within_the_range_of_a_score():
    assert bootstrap.interval(0.9, np.linspace(0, 2, 101), 0, 1)[1:] == (pytest.approx(0.05), 1)
