import numpy as np
import pandas as pd
import pytest
from scipy import stats
from simulated_scores import lesion_free, simulated_scores

from headstart.evaluate import comparisons, tables
from headstart.evaluate.significance import ALPHA


def compare(collected, draws=400, seed=1):
    return comparisons.compare(tables.cells(collected, draws, seed))


def test_every_pair_occurs_once_at_each_size_and_over_all_with_the_baseline_second():
    found = compare(simulated_scores({"scratch": 0, "b": 1, "a": 2}, (5, 10), 2, 4, 0))
    pairs = found.groupby("size")[["source", "against"]].apply(lambda part: set(map(frozenset, part.to_numpy())))
    assert set(pairs.index) == {5, 10, "all"}
    assert all(seen == {frozenset(pair) for pair in ("ab", ("a", "scratch"), ("b", "scratch"))} for seen in pairs)
    against = found[found["against"] == "scratch"]
    assert len(against) == 6
    mean = against[against["size"] != "all"].groupby("source")["difference"].mean()
    overall = against[against["size"] == "all"].set_index("source")["difference"]
    assert overall[mean.index].to_numpy() == pytest.approx(mean.to_numpy())


def test_one_size_has_no_row_over_all_and_one_source_no_row():
    assert set(compare(simulated_scores({"scratch": 0, "a": 2}, (3,), 2, 3, 0))["size"]) == {3}
    alone = compare(simulated_scores({"a": 2}, (3, 6), 2, 3, 0))
    assert alone.empty
    assert list(alone.columns) == comparisons.COLUMNS


def test_difference_and_effect_size_worked_by_hand():
    """Five scans, two resamples; by scan the gains are 0.1 to 0.5: mean 0.3, variance 0.025, d = 0.3 / sqrt(0.025)."""
    rows = [
        {"target": "t", "source": source, "size": 4, "resample": r, "metric": "dice", "scan": s, "level": "volume",
         "total": 0.3 + gain * (s / 10 + (r - 1.5) / 50), "count": 1}
        for source, gain in (("a", 1), ("scratch", 0)) for r in (1, 2) for s in (1, 2, 3, 4, 5)
    ]  # fmt: skip
    row = compare(pd.DataFrame(rows)).iloc[0]
    assert row["difference"] == pytest.approx(0.3)
    assert row["effect"] == pytest.approx(0.3 / 0.025**0.5)
    # Without noise the two variances add up: 0.025 / 5 over scans, and 0.0002 / 2 over resamples.
    assert row[["error_scans", "error_resamples"]].tolist() == pytest.approx([0.005**0.5, 0.0001**0.5])
    assert row["error"] == pytest.approx(0.0051**0.5)
    assert row["degrees"] == pytest.approx(0.0051**2 / (0.005**2 / 4 + 0.0001**2))
    reach = stats.t.ppf(0.975, row["degrees"]) * row["error"]
    assert row[["low", "high"]].tolist() == pytest.approx([0.3 - reach, 0.3 + reach])
    assert row["p"] == pytest.approx(2 * stats.t.sf(0.3 / row["error"], row["degrees"]))
    assert (row["resamples"], row["scans"]) == (2, 5)


def test_an_effect_size_is_given_from_five_scans_on():
    found = {scans: compare(simulated_scores({"scratch": 0, "a": 2}, (3,), 2, scans, 0)) for scans in (4, 5)}
    assert np.isnan(found[4]["effect"].iloc[0])
    assert found[5]["effect"].notna().all()


def test_the_three_families():
    found = compare(simulated_scores({"scratch": 0, "a": 0, "b": 20, "c": 0}, (10,), 5, 20, 0))
    pairs = found.groupby("family")[["source", "against"]].apply(lambda part: set(map(tuple, part.to_numpy())))
    assert pairs.to_dict() == {
        "scratch": {("a", "scratch"), ("b", "scratch"), ("c", "scratch")},
        "highest": {("b", "a"), ("b", "c")},
        "other": {("a", "c")},
    }
    assert (found.loc[found["family"] == "highest", "difference"] > 0).all()


def test_equal_sources_are_rarely_significantly_different():
    """Of three sources that equal scratch, any may be significantly different in one study of twenty."""
    null, seen = {"scratch": 0, "a": 0, "b": 0, "c": 0}, 0
    for trial in range(60):
        found = compare(simulated_scores(null, (10,), 5, 10, trial), seed=trial)
        seen += found.loc[found["family"] == "scratch", "significant"].any()
    assert seen <= 7  # of 60; 5 % on average, and more than 7 in one of a hundred such tests


def test_a_planted_difference_is_significant():
    found = compare(simulated_scores({"scratch": 0, "a": 20}, (10,), 5, 20, 3), 1000).iloc[0]
    assert found["p_adjusted"] < ALPHA
    assert found["significant"]
    assert found["low"] > 0


def test_interval_adjusted_p_and_significance_agree_in_every_row():
    sources = {"scratch": 0, "a": 6, "b": 3, "c": 0}
    found = pd.concat(compare(simulated_scores(sources, (10, 20), 3, 8, trial)) for trial in range(8))
    excluded = (found["low"] > 0) | (found["high"] < 0)
    assert (found["significant"] == (found["p_adjusted"] < ALPHA)).all()
    assert (found["significant"] == excluded).all()
    assert 0 < excluded.sum() < len(found)
    assert (found["p_adjusted"] >= found["p"]).all()


@pytest.mark.parametrize(("resamples", "scans"), [(1, 1), (1, 9), (3, 1)])
def test_one_scan_or_one_resample_has_differences_and_no_test(resamples, scans):
    found = compare(simulated_scores({"scratch": 0, "a": 2, "b": 9}, (3, 6), resamples, scans, 0))
    assert found["difference"].notna().all()
    assert found[["low", "high", "p", "p_adjusted", "detectable"]].isna().all(axis=None)
    assert not found["significant"].any()


def test_the_probability_of_the_highest_mean():
    cells = list(tables.cells(simulated_scores({"scratch": 0, "a": 60, "b": 0}, (5, 10), 3, 6, 0), 500, 1))
    found = comparisons.highest(cells).set_index("source")["highest"]
    assert found.sum() == pytest.approx(1)
    assert found["a"] > 0.9
    cells = list(tables.cells(simulated_scores({"scratch": 0, "a": 60}, (5, 10), 1, 6, 0), 500, 1))
    assert comparisons.highest(cells)["highest"].isna().all()


def test_gains_are_the_comparisons_with_the_baseline_at_single_sizes():
    found = compare(simulated_scores({"scratch": 0, "b": 1, "a": 2}, (5, 10), 2, 4, 0))
    gains = comparisons.gains(found)
    assert gains[["size", "source"]].to_numpy().tolist() == [[5, "a"], [5, "b"], [10, "a"], [10, "b"]]
    assert set(gains["baseline"]) == {"scratch"}
    pairs = found[(found["against"] == "scratch") & (found["size"] != "all")].reset_index(drop=True)
    assert gains["gain"].equals(pairs["difference"])
    for column in ("low", "high", "p_adjusted", "significant"):
        assert gains[column].equals(pairs[column])


def test_there_are_no_gains_without_the_baseline():
    gains = comparisons.gains(compare(simulated_scores({"a": 0, "b": 1}, (5, 10), 2, 4, 0)))
    assert gains.empty
    assert "gain" in gains.columns


def test_intervals_hold_where_only_one_source_finds_lesions_in_a_scan_without_any():
    """The 0 of a single source is in its mean, and so in the variance of the difference."""
    held = [compare(lesion_free(trial), draws=1).iloc[0] for trial in range(150)]
    assert np.mean([row["low"] <= 0 <= row["high"] for row in held]) > 0.93


def test_sources_that_are_equal_in_every_draw_are_equally_often_the_highest():
    scores = simulated_scores({"scratch": 0, "better": 20}, (5, 10), 3, 6, 0)
    copied = pd.concat([scores, scores[scores["source"] == "better"].assign(source="a copy")])
    found = comparisons.highest(tables.cells(copied, 400, 1)).set_index("source")["highest"]
    assert found["a copy"] == found["better"] == pytest.approx((1 - found["scratch"]) / 2)
