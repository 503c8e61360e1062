import numpy as np
import pandas as pd
import pytest
from intervals import made_up

from headstart.evaluate import comparisons, tables
from headstart.evaluate.verdict import ALPHA


def compare(collected, draws=400, seed=1):
    return comparisons.compare(tables.cells(collected, draws, seed))


def test_every_pair_stands_once_at_each_size_and_over_all_and_the_baseline_second():
    found = compare(made_up({"scratch": 0, "b": 1, "a": 2}, (5, 10), 2, 4, 0))
    pairs = found.groupby("size")[["source", "against"]].apply(lambda part: set(map(tuple, part.to_numpy())))
    assert set(pairs.index) == {5, 10, "all"}
    assert all(seen == {("a", "b"), ("a", "scratch"), ("b", "scratch")} for seen in pairs)
    mean = found[found["size"] != "all"].groupby(["source", "against"])["difference"].mean()
    overall = found[found["size"] == "all"].set_index(["source", "against"])["difference"]
    assert overall[mean.index].to_numpy() == pytest.approx(mean.to_numpy())


def test_one_size_has_no_row_over_all_and_one_source_no_row():
    assert set(compare(made_up({"scratch": 0, "a": 2}, (3,), 2, 3, 0))["size"]) == {3}
    alone = compare(made_up({"a": 2}, (3, 6), 2, 3, 0))
    assert alone.empty and list(alone.columns) == comparisons.COLUMNS


def test_difference_and_effect_size_worked_by_hand():
    """Three scans, two resamples; by scan the gains are 0.1, 0.2 and 0.3: mean 0.2, standard deviation 0.1, d = 2."""
    rows = [
        {"target": "t", "source": source, "size": 4, "resample": r, "metric": "dice", "scan": s, "level": "volume",
         "total": 0.3 + gain * (s / 10 + (r - 1.5) / 50), "count": 1}
        for source, gain in (("a", 1), ("scratch", 0)) for r in (1, 2) for s in (1, 2, 3)
    ]  # fmt: skip
    row = compare(pd.DataFrame(rows)).iloc[0]
    assert row["difference"] == pytest.approx(0.2) and row["effect"] == pytest.approx(2)
    assert row["low"] < 0.2 < row["high"] and (row["resamples"], row["scans"]) == (2, 3)


def test_holm_by_hand_and_what_is_unknown_counts_for_nothing():
    corrected = comparisons.holm([0.01, np.nan, 0.04, 0.03])
    assert corrected[[0, 2, 3]] == pytest.approx([0.03, 0.06, 0.06]) and np.isnan(corrected[1])
    assert len(comparisons.holm([])) == 0


def test_equal_sources_seem_unequal_in_few_families():
    """Of four equal sources, six pairs, one study in twenty may tell any apart."""
    null, seen = {"scratch": 0, "a": 0, "b": 0, "c": 0}, 0
    for trial in range(60):
        seen += (compare(made_up(null, (10,), 5, 10, trial), seed=trial)["p_holm"] < ALPHA).any()
    assert seen <= 7  # of 60; 5 % on average, and more than 7 in one of a hundred such tests


def test_a_planted_difference_is_found():
    found = compare(made_up({"scratch": 0, "a": 20}, (10,), 5, 20, 3), 1000).iloc[0]
    assert found["p_holm"] < ALPHA and found["low"] > 0


def test_one_scan_in_one_resample_has_differences_and_no_p():
    found = compare(made_up({"scratch": 0, "a": 2}, (3, 6), 1, 1, 0))
    assert found["difference"].notna().all()
    assert found[["low", "high", "p", "p_holm", "effect"]].isna().all(axis=None)
