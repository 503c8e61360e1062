"""The table of benchmarks/head_start.py: gains are paired, their p-values adjusted, and short trainings not judged."""

import numpy as np
import pandas as pd
import pytest
from head_start_table import FAMILY, compared, falling, holm

EFFECTS = {"scratch": 0, "good": 0.1, "equal": 0, "harmful": -0.1}


def scores(draws=4, scans=7):
    """Scores of sources with these true gains over scratch, in two lengths of training and at two sizes."""
    rng = np.random.default_rng(0)
    of_scan, rows = rng.normal(0.6, 0.1, scans), []
    for steps in (50, 200):
        for size in (1, 2):
            for source, effect in EFFECTS.items():
                for draw in range(draws - (source == "equal")):
                    rows += [
                        {"target": "anatomy", "network": "unet", "steps": steps, "augmentation": "plain", "scans": size,
                         "source": source, "rate": 1e-3, "draw": draw, "fall": np.nan if steps == 50 else 0.1,
                         "scan": str(scan), "device": "cpu",
                         "score": of_scan[scan] + effect + rng.normal(0, 0.01)} for scan in range(scans)
                    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_falling_is_the_fraction_of_the_judged_trainings():
    assert falling(pd.Series([0.06, 0.05, np.nan, -1, 0.5])) == 0.5
    assert falling(pd.Series([0.01, np.nan])) == 0
    assert np.isnan(falling(pd.Series([np.nan, np.nan])))


def test_holm_worked_by_hand_and_unknown_p_values_do_not_count():
    adjusted = holm([0.01, np.nan, 0.04, 0.03])
    assert adjusted[[0, 2, 3]] == pytest.approx([0.03, 0.06, 0.06])
    assert np.isnan(adjusted[1])
    assert len(holm([])) == 0


def test_p_values_agree_with_intervals_and_are_adjusted_over_sources_and_sizes_of_a_length():
    table = compared(scores())
    assert table.loc[table["steps"] == 50, "falling"].isna().all()
    assert (table.loc[table["steps"] == 200, "falling"] == 1).all()
    gains = table[table["source"] != "scratch"]
    assert table.loc[table["source"] == "scratch", ["gain", "p", "p_holm"]].isna().all(axis=None)
    assert ((gains["p"] < 0.05) == ((gains["gain_low"] > 0) | (gains["gain_high"] < 0))).all()
    for _, family in gains.groupby(FAMILY):
        assert len(family) == 6
        assert family["p_holm"].tolist() == holm(family["p"]).tolist()


def test_gains_and_harm_of_known_size_are_found():
    gains = compared(scores()).set_index("source")
    for source in ("good", "harmful"):
        assert gains.loc[source, "gain"].to_numpy() == pytest.approx(np.full(4, EFFECTS[source]), abs=0.01)
        assert (gains.loc[source, "p_holm"] < 0.05).all()
    assert (gains.loc["equal", "p_holm"] > 0.05).all()


def test_a_gain_is_taken_over_the_training_sets_that_both_have():
    rows = scores()
    table = compared(rows)
    found = table[(table["source"] == "equal") & (table["steps"] == 200) & (table["scans"] == 1)].iloc[0]
    alike = rows[(rows["steps"] == 200) & (rows["scans"] == 1) & (rows["draw"] < 3)].groupby("source")["score"].mean()
    assert found["training_sets"] == 3
    assert found["gain"] == pytest.approx(alike["equal"] - alike["scratch"])
