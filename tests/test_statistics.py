import numpy as np
import pytest

from headstart import statistics


def test_the_estimate_is_the_mean_over_all_slices():
    totals, counts = np.array([[[3.0, 1.0], [2.0, 0.5]]]), np.array([[[4, 1], [4, 1]]])
    assert statistics.mean_score(totals, counts) == pytest.approx([6.5 / 10])


def test_the_bootstrap_agrees_with_a_plain_loop():
    rng = np.random.default_rng(0)
    totals, counts = rng.random((2, 4, 6)), rng.integers(1, 9, (2, 4, 6)).astype(float)
    drawn = statistics.bootstrap_means(totals, counts, 20_000, 1)
    plain = []
    for _ in range(4000):
        r, s = rng.integers(0, 4, 4), rng.integers(0, 6, 6)
        plain.append(totals[:, r][:, :, s].sum((1, 2)) / counts[:, r][:, :, s].sum((1, 2)))
    np.testing.assert_allclose(drawn.mean(0), np.mean(plain, 0), rtol=0.02)
    np.testing.assert_allclose(drawn.std(0), np.std(plain, 0), rtol=0.06)


def test_equal_sources_differ_by_nothing_in_every_draw():
    rng = np.random.default_rng(1)
    one = rng.random((1, 3, 5))
    drawn = statistics.bootstrap_means(np.concatenate([one, one]), np.ones((2, 3, 5)), 500, 2)
    assert (drawn[:, 0] == drawn[:, 1]).all() and drawn[:, 0].std() > 0


def test_an_interval_covers_what_it_should():
    """95 % intervals of the mean of 20 scans x 10 resamples, both random, hold the true mean about 95 % of the time."""
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(200):
        scans, resamples = rng.normal(0, 1, 20), rng.normal(0, 0.5, (10, 1))
        scores = (0.5 + scans + resamples + rng.normal(0, 0.3, (10, 20)))[None]
        drawn = statistics.bootstrap_means(scores, np.ones_like(scores), 500, trial)
        found = statistics.interval(scores.mean(), drawn[:, 0])
        covered += found.low <= 0.5 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_same_seed_gives_the_same_draws_and_no_score_is_no_interval():
    scores = np.random.default_rng(3).random((1, 2, 3))
    first = statistics.bootstrap_means(scores, np.ones_like(scores), 50, 7)
    assert (first == statistics.bootstrap_means(scores, np.ones_like(scores), 50, 7)).all()
    nothing = statistics.bootstrap_means(scores * 0, scores * 0, 50, 7)
    assert np.isnan(nothing).all() and np.isnan(statistics.interval(np.nan, nothing[:, 0]).low)
