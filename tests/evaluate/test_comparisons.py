import numpy as np
import pandas as pd
import pytest
from simulated_scores import simulated_scores

from headstart.evaluate import comparisons, tables
from headstart.evaluate.significance import ALPHA


def compare(collected, draws=400, seed=1):
    return comparisons.compare(tables.cells(collected, draws, seed))


def test_every_pair_occurs_once_at_each_size_and_over_all_with_the_baseline_second():
    found = compare(simulated_scores({"scratch": 0, "b": 1, "a": 2}, (5, 10), 2, 4, 0))
    pairs = found.groupby("size")[["source", "against"]].apply(lambda part: set(map(tuple, part.to_numpy())))
    assert set(pairs.index) == {5, 10, "all"}
    assert all(seen == {("a", "b"), ("a", "scratch"), ("b", "scratch")} for seen in pairs)
    mean = found[found["size"] != "all"].groupby(["source", "against"])["difference"].mean()
    overall = found[found["size"] == "all"].set_index(["source", "against"])["difference"]
    assert overall[mean.index].to_numpy() == pytest.approx(mean.to_numpy())


def test_one_size_has_no_row_over_all_and_one_source_no_row():
    assert set(compare(simulated_scores({"scratch": 0, "a": 2}, (3,), 2, 3, 0))["size"]) == {3}
    alone = compare(simulated_scores({"a": 2}, (3, 6), 2, 3, 0))
    assert alone.empty
    assert list(alone.columns) == comparisons.COLUMNS


def test_difference_and_effect_size_worked_by_hand():
    """Three scans, two resamples; by scan the gains are 0.1, 0.2 and 0.3: mean 0.2, standard deviation 0.1, d = 2."""
    rows = [
        {"target": "t", "source": source, "size": 4, "resample": r, "metric": "dice", "scan": s, "level": "volume",
         "total": 0.3 + gain * (s / 10 + (r - 1.5) / 50), "count": 1}
        for source, gain in (("a", 1), ("scratch", 0)) for r in (1, 2) for s in (1, 2, 3)
    ]  # fmt: skip
    row = compare(pd.DataFrame(rows)).iloc[0]
    assert row["difference"] == pytest.approx(0.2)
    assert row["effect"] == pytest.approx(2)
    assert row["low"] < 0.2 < row["high"]
    assert (row["resamples"], row["scans"]) == (2, 3)


def test_holm_worked_by_hand_and_unknown_p_values_do_not_count():
    adjusted = comparisons.holm([0.01, np.nan, 0.04, 0.03])
    assert adjusted[[0, 2, 3]] == pytest.approx([0.03, 0.06, 0.06])
    assert np.isnan(adjusted[1])
    assert len(comparisons.holm([])) == 0


def test_equal_sources_are_rarely_significantly_different():
    """Of four equal sources (six pairs), any may be significantly different in one study of twenty."""
    null, seen = {"scratch": 0, "a": 0, "b": 0, "c": 0}, 0
    for trial in range(60):
        seen += compare(simulated_scores(null, (10,), 5, 10, trial), seed=trial)["significant"].any()
    assert seen <= 7  # of 60; 5 % on average, and more than 7 in one of a hundred such tests


def test_a_planted_difference_is_significant():
    found = compare(simulated_scores({"scratch": 0, "a": 20}, (10,), 5, 20, 3), 1000).iloc[0]
    assert found["p_holm"] < ALPHA
    assert found["significant"]
    assert found["low"] > 0


def test_significance_is_decided_by_the_adjusted_p_alone():
    found = pd.concat(
        compare(simulated_scores({"scratch": 0, "a": 6, "b": 1, "c": 0}, (10,), 5, 15, trial)) for trial in range(10)
    )
    assert (found["significant"] == (found["p_holm"] < ALPHA)).all()
    assert ((found["p"] < ALPHA) & ~found["significant"]).any()


def test_one_scan_in_one_resample_has_differences_and_no_p():
    found = compare(simulated_scores({"scratch": 0, "a": 2}, (3, 6), 1, 1, 0))
    assert found["difference"].notna().all()
    assert found[["low", "high", "p", "p_holm", "effect"]].isna().all(axis=None)
    assert not found["significant"].any()


def test_gains_are_the_comparisons_with_the_baseline_at_single_sizes():
    found = compare(simulated_scores({"scratch": 0, "b": 1, "a": 2}, (5, 10), 2, 4, 0))
    gains = comparisons.gains(found)
    assert gains[["size", "source"]].to_numpy().tolist() == [[5, "a"], [5, "b"], [10, "a"], [10, "b"]]
    assert set(gains["baseline"]) == {"scratch"}
    pairs = found[(found["against"] == "scratch") & (found["size"] != "all")].reset_index(drop=True)
    assert gains["gain"].equals(pairs["difference"])
    for column in ("low", "high", "p_holm", "significant"):
        assert gains[column].equals(pairs[column])


def test_there_are_no_gains_without_the_baseline():
    gains = comparisons.gains(compare(simulated_scores({"a": 0, "b": 1}, (5, 10), 2, 4, 0)))
    assert gains.empty
    assert "gain" in gains.columns
