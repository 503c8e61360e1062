import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from headstart.evaluate import forecast

SIZES = np.array([2.0, 4.0, 8.0])
CHANCES = (np.arange(200) + 0.5) / 200
EACH_LAW = pytest.mark.parametrize("law", forecast.LAWS.values(), ids=forecast.LAWS.keys())


def of_law(name, place=5, a=0.7, b=0.3):
    """A curve of one of the laws and shapes that forecasts are made of, as a function of the set size."""
    law = forecast.LAWS[name]
    shape = law.shapes(SIZES)[place]
    return lambda n: a - b * law.falling(np.asarray(n, float), shape)


def fitted(means, noise=0.0):
    """Curves fitted to draws with this standard deviation about a learning curve."""
    drawn = means + np.random.default_rng(0).normal(0, 1, (len(CHANCES), len(means))) * noise
    return forecast.fit(SIZES[: len(means)], means, drawn, CHANCES)


@EACH_LAW
def test_the_size_of_a_law_is_its_inverse(law):
    for shape in law.shapes(SIZES):
        # Below half the scale an exponential is 1 - n / s, beyond it no number of scans is told from another.
        for size in (1.0, 5.0, 20.0):
            assert law.size(law.falling(np.array(size), shape), shape) == pytest.approx(size, rel=1e-4)


@EACH_LAW
def test_laws_fall_and_tend_to_nothing_unless_they_are_endless(law):
    for shape in law.shapes(SIZES):
        values = law.falling(np.array([1.0, 2, 4, 8, 16, 1e300]), shape)
        assert (np.diff(values) <= 0).all()
        assert values[-1] < -100 if law.endless else values[-1] == pytest.approx(0, abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0, 1), min_size=3, max_size=3), st.sampled_from([0.1, 0.5, 2.0]), st.booleans())
def test_least_squares_agrees_with_scipy(scores, exponent, endless):
    falling = SIZES**-exponent
    a, b = forecast.least_squares(falling, np.array(scores), endless)
    design = np.stack([np.ones(3), -falling], axis=1)
    theirs = lsq_linear(design, scores, ([-np.inf, 0], [np.inf if endless else 1, np.inf]), tol=1e-12)
    assert ((design @ [a, b] - scores) ** 2).sum() == pytest.approx(2 * theirs.cost, abs=1e-7)
    assert b >= 0
    assert endless or a <= 1


@pytest.mark.parametrize("name", forecast.LAWS)
def test_a_curve_without_noise_is_continued_by_its_own_law(name):
    curve = of_law(name) if name != "logarithm" else of_law(name, a=0.2, b=0.1)
    found = fitted(curve(SIZES))
    for size in (16, 24):
        assert np.median(found.scores(size)) == pytest.approx(min(1, curve(size)), abs=0.01)
        assert np.median(found.sizes(float(curve(size)))) == pytest.approx(size, rel=0.2)


def test_scores_and_sizes_are_inverse_to_each_other():
    found = fitted(of_law("power")(SIZES), 0.02)
    score = 0.66
    reached = found.sizes(score)
    finite = np.isfinite(reached) & (reached > 0)
    assert finite.any()
    for k in np.flatnonzero(finite):
        one = forecast.Fitted(*(part[k : k + 1] for part in found))
        assert one.scores(reached[k])[0] == pytest.approx(score)
    assert (found.scores(1e9)[reached == np.inf] <= score).all()


def test_a_falling_curve_is_forecast_to_stay_where_it_is():
    found = fitted(np.array([0.6, 0.5, 0.4]))
    assert found.b == pytest.approx(0)
    assert found.scores(100) == pytest.approx(0.5)
    assert (found.sizes(0.51) == np.inf).all()
    assert (found.sizes(0.49) == 0).all()


def test_forecasts_do_not_exceed_a_perfect_score():
    steep = fitted(np.array([0.2, 0.6, 0.95]), 0.02)
    assert steep.scores(1e4).max() <= 1
    endless = steep.law == "logarithm"
    assert (steep.sizes(1)[~endless] == np.inf).all()
    assert np.isfinite(steep.sizes(1)[endless & (steep.b > 0)]).all()


def test_two_sizes_leave_all_laws_equally_probable_but_those_with_an_impossible_limit():
    falling = np.array([[0.5, 0.4], [0.9, 0.1], [0.3, 0.29]])
    drawn = np.array([[0.3, 0.4], [0.4, 0.5], [0.2, 0.4]])
    low = forecast.weights(np.array([0.3, 0.31]), drawn, falling, np.array(["power"] * 3))
    assert low == pytest.approx(1 / 3)
    # The third would tend to 0.3 + 0.3 * 0.1 / 0.01 = 3.3.
    steep = forecast.weights(np.array([0.3, 0.4]), drawn, falling, np.array(["power"] * 3))
    assert steep[:2] == pytest.approx(steep[0])
    assert steep[2] < steep[0] / 10


def test_weights_are_likelihoods_worked_by_hand(monkeypatch):
    monkeypatch.setattr(forecast, "noise", lambda means, drawn: 0.1)
    # The second law leaves (0.1, -0.2, 0.1) / 2 of the straight curve that the first one fits.
    falling, means = np.array([[1.0, 0.5, 0.0], [1.0, 0.5, 0.5]]), np.array([0.2, 0.4, 0.6])
    left = means - np.array([0.2, 0.5, 0.5])
    ratio = np.exp(-(left**2).sum() / (2 * 0.1**2))
    found = forecast.weights(means, None, falling, np.array(["power", "power"]))
    assert found[1] / found[0] == pytest.approx(ratio)
    assert found.sum() == pytest.approx(1)


def test_noise_is_what_set_sizes_do_not_share():
    rng = np.random.default_rng(0)
    means, own = np.array([0.3, 0.4, 0.5]), rng.normal(0, 0.02, (20_000, 3))
    assert forecast.noise(means, means + own) == pytest.approx(0.02, rel=0.03)
    shared = means + own + rng.normal(0, 0.5, (20_000, 1))
    assert forecast.noise(means, shared) == pytest.approx(0.02, rel=0.03)


def test_noise_and_laws_both_widen_a_forecast():
    def width(noise):
        low, high = np.quantile(fitted(of_law("power")(SIZES), noise).scores(24), (0.1, 0.9))
        return high - low

    assert width(0.001) < width(0.01) < width(0.05)
