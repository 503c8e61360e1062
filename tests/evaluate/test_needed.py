import hashlib
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from simulated_scores import SPREAD, simulated_scores, true_score

from headstart.evaluate import needed, tables
from headstart.evaluate.needed import FORECAST, MORE, READ_OFF, Number

STILL = dict.fromkeys(SPREAD, 1e-9)
QUIET = {effect: deviation / 4 for effect, deviation in SPREAD.items()}
SIZES = (10, 20, 40)


def cells_of(sources, sizes=SIZES, resamples=4, scans=8, seed=0, spread=STILL, draws=400):
    return list(tables.cells(simulated_scores(sources, sizes, resamples, scans, seed, spread), draws, seed))


def needed_of(cells, wanted=None, have=None):
    """The table, by fraction of the highest mean score (0 for the wanted score) and source."""
    table = needed.needed(cells, {"simulated": {"wanted": wanted, "have": have}}, 0)
    return table.fillna({"of_best": 0}).set_index(["of_best", "source"])


def hand_made(means, resamples=3, draws=50):
    """The cells of a source without noise that has these mean scores by set size."""
    return [
        tables.Cell({"target": "simulated", "size": size, "metric": "dice", "level": "volume"}, ["a"],
                    np.array([mean]), np.full((draws, 1), mean), np.full((1, 2), mean), resamples, 2,
                    [np.zeros((1, resamples, 2))], [0.0])
        for size, mean in means.items()
    ]  # fmt: skip


def test_the_scans_needed_are_read_off_within_the_measured_sizes():
    found = needed_of(cells_of({"scratch": 0, "better": 5}), wanted=true_score(25), have=12)
    base, better = found.loc[0, "scratch"], found.loc[0, "better"]
    assert (base["needed_is"], better["needed_is"]) == (READ_OFF, READ_OFF)
    assert base["needed"] == pytest.approx(25, abs=0.5)
    assert better["needed"] == pytest.approx(20, abs=0.5)
    assert better["needed_low"] == pytest.approx(better["needed_high"], abs=0.01)
    assert better["more"] == pytest.approx(8, abs=0.5)
    assert better["factor"] == pytest.approx(base["needed"] / better["needed"])
    assert better["factor_low"] <= better["factor"] + 1e-6
    assert np.isnan(base["factor"])
    assert better["highest_mean"]
    assert not base["highest_mean"]


def test_beyond_the_measured_sizes_they_are_forecast_up_to_three_times_the_largest():
    cells = cells_of({"scratch": 0, "better": 5}, (10, 20, 40, 80))
    found = needed_of(cells, wanted=true_score(160)).loc[0, "scratch"]
    assert found["needed_is"] == FORECAST
    assert found["needed"] == pytest.approx(160, rel=0.25)
    far = needed_of(cells, wanted=true_score(600)).loc[0, "scratch"]
    assert (far["needed"], far["needed_is"]) == (240, MORE)
    assert far["more_is"] == "n/a"


def test_a_score_that_the_curve_will_never_have_is_not_reached():
    found = needed_of(hand_made({10: 0.5, 20: 0.5, 40: 0.5}), wanted=0.6, have=5).loc[0, "a"]
    assert found["needed_is"] == "not reached"
    assert np.isnan(found["needed"])
    assert (found["needed_low"], found["needed_low_is"]) == (120, MORE)
    assert found["more_is"] == "not reached"


@pytest.mark.parametrize(
    ("means", "resamples"),
    [({10: 0.4, 20: 0.5}, 3), ({10: 0.3, 20: 0.4, 40: 0.5}, 1)],
    ids=["two sizes", "one resample"],
)
def test_nothing_is_forecast_from_two_sizes_or_from_single_resamples(means, resamples):
    cells = hand_made(means, resamples)
    found = needed_of(cells, wanted=0.55, have=15).loc[0, "a"]
    largest = max(means)
    assert (found["needed"], found["needed_is"]) == (largest, MORE)
    assert (found["more"], found["more_is"]) == (largest - 15, MORE)
    assert needed.backtest(cells, 0).empty


def test_below_the_smallest_size_only_a_bound_is_known():
    found = needed_of(hand_made({10: 0.4, 20: 0.5, 40: 0.6}), wanted=0.3, have=4).loc[0, "a"]
    assert (found["needed"], found["needed_is"]) == (10, "<")
    assert (found["more"], found["more_is"]) == (6, "<")


def test_who_has_enough_needs_no_more():
    found = needed_of(hand_made({10: 0.4, 20: 0.5, 40: 0.6}), wanted=0.5, have=30).loc[0, "a"]
    assert (found["more"], found["more_is"]) == (0, READ_OFF)


def test_fractions_of_the_best_score_are_answered_without_a_wanted_one():
    found = needed_of(hand_made({10: 0.3, 20: 0.45, 40: 0.5}))
    assert list(found.index) == [(0.8, "a"), (0.9, "a"), (0.95, "a")]
    assert found["wanted"].tolist() == pytest.approx([0.4, 0.45, 0.475])
    assert found.loc[0.9, "a"]["needed"].item() == pytest.approx(20)
    assert found["have"].isna().all()
    assert set(found["more_is"]) == {"n/a"}


def test_a_single_size_is_left_out():
    assert needed_of(cells_of({"scratch": 0, "a": 5}, (10,)), wanted=0.4).empty
    assert list(needed.needed([], {}, 0).columns) == needed.COLUMNS


def test_without_intervals_the_numbers_remain():
    cells = cells_of({"scratch": 0, "a": 5}, resamples=1, scans=1)
    found = needed_of(cells, wanted=true_score(25)).loc[0, "a"]
    assert found["needed"] == pytest.approx(20, abs=0.5)
    assert found[["needed_low_is", "needed_high_is", "factor_low_is"]].tolist() == ["n/a"] * 3


def reached(estimate, sign, drawn):
    return needed.Reached(Number(estimate, sign), Number(0, "="), Number(0, "="), np.array(drawn), 10.0, 120.0)


@pytest.mark.parametrize(
    ("base", "own", "factor"),
    [
        ((40, READ_OFF), (20, READ_OFF), (2, READ_OFF)),
        ((60, FORECAST), (20, READ_OFF), (3, FORECAST)),
        ((120, MORE), (20, READ_OFF), (6, MORE)),
        ((np.nan, "not reached"), (20, READ_OFF), (6, MORE)),
        ((40, READ_OFF), (120, MORE), (1 / 3, "<")),
        ((40, READ_OFF), (10, "<"), (4, MORE)),
        ((10, "<"), (20, READ_OFF), (0.5, "<")),
        ((120, MORE), (120, MORE), (np.nan, "n/a")),
        ((10, "<"), (10, "<"), (np.nan, "n/a")),
    ],
)
def test_the_factor_worked_by_hand(base, own, factor):
    found = needed._factor(reached(*base, [30.0]), reached(*own, [10.0]))
    assert found[0].value == pytest.approx(factor[0], nan_ok=True)
    assert found[0].sign == factor[1]
    assert [end.value for end in found[1:]] == pytest.approx([3, 3])


def test_the_interval_of_the_factor_keeps_what_draws_leave_open():
    base, own = [20.0, np.inf, np.inf, -np.inf], [10.0, 20.0, np.inf, 20.0]
    _, low, high = needed._factor(reached(40, READ_OFF, base), reached(20, READ_OFF, own))
    # By draw: 2; more than 120 / 20; anything; less than 10 / 20.
    assert low == Number(0, READ_OFF)
    assert high == Number(6, MORE)


def test_the_back_test_predicts_the_largest_size_from_the_others():
    found = needed.backtest(cells_of({"scratch": 0, "better": 5}, (10, 20, 40, 80)), 0).set_index("source")
    row = found.loc["scratch"]
    assert (row["fitted_on"], row["size"]) == ("10, 20, 40", 80)
    assert row["measured"] == pytest.approx(true_score(80))
    assert row["predicted"] == pytest.approx(row["measured"], abs=0.02)


def test_the_back_test_says_what_it_missed():
    kept, broken = (needed.backtest(hand_made({10: 0.4, 20: 0.5, 40: 0.58, 80: last}), 0) for last in (0.64, 0.2))
    assert (broken["measured"] < broken["low"]).all()
    assert not broken["held"].any()
    assert kept["predicted"].item() == pytest.approx(broken["predicted"].item())


def test_intervals_hold_the_number_needed_beyond_the_measured_sizes():
    held, tested = 0, 0
    for trial in range(30):
        cells = cells_of({"scratch": 0}, resamples=5, scans=15, seed=trial, spread=QUIET)
        row = needed_of(cells, wanted=true_score(80)).loc[0, "scratch"]
        low = row["needed_low"] if row["needed_low_is"] != "<" else 0
        high = np.inf if row["needed_high_is"] == MORE else row["needed_high"]
        held += low <= 80 <= high
        tested += needed.backtest(cells, trial)["held"].item()
    assert held >= 27
    assert tested >= 27


def test_the_script_writes_its_tables_and_the_same_bytes_again(run_script, tmp_path):
    scans = tmp_path / "scans.parquet"
    scores = simulated_scores({"scratch": 0, "a": 5}, (3, 6, 9), 2, 4, 0, levels=("slice", "volume"))
    scores.to_parquet(scans, index=False)
    seen = []
    for turn in ("first", "second"):
        written = SimpleNamespace(needed=tmp_path / turn / "needed.tsv", backtest=tmp_path / turn / "backtest.tsv")
        params = {"draws": 200, "seed": 3, "population": {}, "untrained": []}
        params["aims"] = {"simulated": {"wanted": 0.3, "have": None}}
        run_script("tabulate_needed", SimpleNamespace(scans=scans), params, written)
        seen.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in vars(written).values()])
    assert seen[0] == seen[1]
    tables_read = [pd.read_csv(path, sep="\t", keep_default_na=False) for path in vars(written).values()]
    assert [list(table.columns) for table in tables_read] == [needed.COLUMNS, needed.BACKTEST]
    assert [len(table) for table in tables_read] == [8, 2]
    assert set(tables_read[0]["level"]) == {"volume"}


def test_who_has_more_than_the_bound_of_a_number_may_or_may_not_have_enough():
    """More than 40 are needed, and 100 at hand: how many more is not known, and not 0."""
    cells = hand_made({10: 0.4, 20: 0.5, 40: 0.6}, resamples=1)
    found = needed_of(cells, wanted=0.7, have=100).loc[0, "a"]
    assert (found["needed"], found["needed_is"]) == (40, ">")
    for end in ("", "_low", "_high"):
        assert np.isnan(found[f"more{end}"])
        assert found[f"more{end}_is"] == "n/a"


def test_of_a_score_that_is_never_reached_no_number_of_further_scans_is_given():
    found = needed_of(hand_made({10: 0.5, 20: 0.5, 40: 0.5}), wanted=0.6, have=5).loc[0, "a"]
    assert np.isnan(found["more"])
    assert found["more_is"] == "not reached"
