import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit, isotonic_regression
from simulated_scores import LAW, simulated_scores, true_score

from headstart.evaluate import learning_curves, tables

SIZES = np.array([10.0, 20.0, 40.0])
STILL = dict.fromkeys(("scan", "own_scan", "resample", "own_resample", "noise"), 1e-9)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_isotonic_regression_agrees_with_scipy(scores):
    np.testing.assert_allclose(
        learning_curves.monotone(np.array([scores]))[0], isotonic_regression(scores).x, atol=1e-12
    )


def test_where_a_curve_reaches_a_score_worked_by_hand():
    curve = np.array([[0.2, 0.4, 0.6]])

    def reached(score, of=curve):
        return learning_curves.reaching(of, SIZES, np.array([score]))[0]

    assert [reached(score) for score in (0.2, 0.4, 0.6)] == pytest.approx([10, 20, 40])
    halfway = (10**-0.5 + 20**-0.5) / 2
    assert reached(0.3) == pytest.approx(halfway**-2)
    assert reached(0.1) == -np.inf
    assert reached(0.7) == np.inf
    assert np.isnan(reached(np.nan))
    flat = np.array([[0.2, 0.4, 0.4]])
    assert reached(0.4, flat) == pytest.approx(((20**-0.5 + 40**-0.5) / 2) ** -2)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=3, max_size=3, unique=True), st.floats(0, 1))
def test_the_curve_has_the_score_at_the_size_that_reaches_it(scores, score):
    curve = np.sort(scores)
    reached = learning_curves.reaching(curve[None], SIZES, np.array([score]))[0]
    if np.isfinite(reached):
        assert np.interp(-(reached**learning_curves.RATE), -(SIZES**learning_curves.RATE), curve) == pytest.approx(
            score, abs=1e-6
        )
    else:
        assert score > curve[-1] if reached > 0 else score < curve[0]


def test_the_law_is_recovered_and_agrees_with_the_fit_of_scipy():
    sizes = np.array([5.0, 10, 20, 40, 80])
    a, b, c = learning_curves.fit_law(sizes, true_score(sizes)[None])[:, 0]
    assert (a, b, c) == pytest.approx(LAW, rel=0.05)
    noisy = true_score(sizes) + np.array([0.01, -0.01, 0.005, -0.004, 0.002])
    ours = learning_curves.fit_law(sizes, noisy[None])[:, 0]
    theirs, _ = curve_fit(lambda n, a, b, c: a - b * n**-c, sizes, noisy, LAW, bounds=([-9, 0, 0.05], [1, 99, 5]))
    errors = [((noisy - (a - b * sizes**-c)) ** 2).sum() for a, b, c in (ours, theirs)]
    assert errors[0] == pytest.approx(errors[1], rel=0.02)


def test_the_law_stays_within_its_bounds():
    a, b, _ = learning_curves.fit_law(SIZES, np.array([[0.2, 0.5, 0.95], [0.9, 0.5, 0.2], [0.4, 0.4, 0.4]]))
    assert (a <= 1).all()
    assert (b >= 0).all()
    assert b[1] == pytest.approx(0)
    assert a[1] == pytest.approx(np.mean([0.9, 0.5, 0.2]))


@pytest.mark.parametrize(
    ("sizes", "status"),
    [((3,), "1 set size: a law requires three"), ((3, 6), "2 set sizes: a law requires three"), ((3, 6, 9), "fitted")],
)
def test_a_law_requires_three_sizes(sizes, status):
    found = learning_curves.laws(tables.cells(simulated_scores({"scratch": 0}, sizes, 2, 3, 0, STILL), 50, 0))
    assert set(found["status"]) == {status}
    assert found["a"].isna().all() == (status != "fitted")


def test_scans_saved_without_noise_are_the_planted_number():
    collected = simulated_scores({"scratch": 0, "better": 12, "worse": -4}, range(10, 61, 10), 2, 3, 0, STILL)
    found = learning_curves.saved(tables.cells(collected, 50, 0)).set_index(["source", "size"])
    for size in (10, 20, 30, 40):
        row = found.loc["better", size]
        assert row["saved_is"] == row["low_is"] == row["high_is"] == "="
        assert row["saved"] == pytest.approx(12, abs=0.5)
        assert row["low"] == pytest.approx(row["high"], abs=0.1)
        assert row["saved_by_law"] == pytest.approx(12, abs=0.5)
    beyond, below = found.loc["better", 60], found.loc["worse", 10]
    assert (beyond["saved_is"], beyond["saved"]) == (">", 0)
    assert np.isnan(beyond["saved_by_law"])
    assert (below["saved_is"], below["saved"]) == ("<", 0)
    assert found.loc["worse", 30]["saved"] == pytest.approx(-4, abs=0.5)


def test_an_interval_of_scans_saved_is_infinite_beyond_the_measured_sizes():
    draws = np.array([-np.inf] * 10 + [3.0] * 80 + [np.inf] * 10)
    assert learning_curves.interval(draws) == (-np.inf, np.inf)
    assert learning_curves.interval(np.array([1.0] * 50 + [np.inf] * 50)) == (1, np.inf)
    assert np.isnan(learning_curves.interval(np.array([1, np.nan]))).all()


def test_coverage_of_the_planted_number_of_scans_saved():
    covered = 0
    for trial in range(40):
        cells = tables.cells(simulated_scores({"scratch": 0, "better": 8}, (10, 20, 40), 5, 15, trial), 300, trial)
        row = learning_curves.saved(cells).set_index("size").loc[10]
        low = {"=": row["low"], "<": -np.inf, ">": np.inf}[row["low_is"]]
        high = {"=": row["high"], "<": -np.inf, ">": np.inf}[row["high_is"]]
        covered += low <= 8 <= high
    assert covered >= 35


def test_targets_with_a_single_size_are_left_out_of_the_table():
    one, two = (
        learning_curves.saved(tables.cells(simulated_scores({"scratch": 0, "a": 5}, sizes, 2, 3, 0), 50, 0))
        for sizes in ((10,), (10, 20))
    )
    both = learning_curves.of_several_sizes(pd.concat([one.assign(target="one"), two]))
    assert len(one) == 1
    assert list(both["target"]) == ["simulated", "simulated"]
    assert learning_curves.of_several_sizes(one).empty
    assert learning_curves.of_several_sizes(one.head(0)).empty


def test_without_the_baseline_no_scans_are_saved():
    assert learning_curves.saved(tables.cells(simulated_scores({"a": 0, "b": 1}, (10, 20), 2, 3, 0), 50, 0)).empty


def test_a_source_that_equals_the_baseline_saves_no_scan_where_the_curve_is_flat():
    scores = simulated_scores({"scratch": 0}, SIZES, 3, 6, 0)
    scores.loc[scores["size"] == SIZES[1], "total"] = 0.9
    copied = pd.concat([scores, scores.assign(source="a copy")])
    found = learning_curves.saved(tables.cells(copied, 200, 1))
    assert found[["saved", "low", "high"]].to_numpy() == pytest.approx(np.zeros((3, 3)))
