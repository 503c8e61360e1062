import hashlib
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from simulated_scores import SPREAD, simulated_scores

from headstart.evaluate import comparisons, learning_curves, tables, verdict

OUTPUTS = ("verdict", "saved", "comparisons", "gains", "curves")
QUIET = {effect: deviation / 4 for effect, deviation in SPREAD.items()}
MARGIN = 0.02


def verdict_on(sources, sizes=(10, 20, 40), resamples=5, scans=20, seed=0, spread=SPREAD, **drawn):
    """The verdict; ``drawn``: ``pool`` and ``training_scans``."""
    pools = {"simulated": drawn["pool"]} if drawn else {}
    population = pools if drawn.get("training_scans") == "population" else {}
    cells = list(tables.cells(simulated_scores(sources, sizes, resamples, scans, seed, spread), 1000, seed, population))
    compared, saved = comparisons.compare(cells), learning_curves.saved(cells)
    asked = (MARGIN, pools, drawn.get("training_scans", "these"))
    return verdict.verdict(cells, compared, saved, *asked).iloc[0]


def test_a_planted_head_start_is_found_with_its_number_of_scans():
    found = verdict_on({"scratch": 0, "good": 15, "useless": 0}, spread=QUIET)
    assert found["highest"] == "good"
    assert found["significantly_better"] == "good"
    assert found["significantly_worse"] == ""
    assert found["equivalent"] == "useless"
    assert found["undecided"] == ""
    assert found["not_different_from"] == ""
    assert found["low"] > 0
    assert found["p_adjusted"] < 0.05
    assert found["size"] == 10
    assert found["saved_is"] == "="
    assert abs(found["saved"] - 15) < 3
    assert 0 < found["saved_low"] < 15 < found["saved_high"]
    assert found["gains"].startswith("10: +0.")
    assert found["head_start_up_to"] == "good: 40"
    assert found["probability_highest"].startswith("good: 1.00; ")
    assert found["sentence"].startswith("simulated: good is significantly better than scratch: mean gain +0.")
    assert "averaged over 10, 20 and 40 labelled scans (adjusted p" in found["sentence"]
    assert "), and at each set size by itself; trained on" in found["sentence"]
    assert "trained on 10 labelled scans it saves 1" in found["sentence"]
    assert "it is significantly different (adjusted p < 0.05) from all others; " in found["sentence"]
    assert found["sentence"].endswith("; equivalent to scratch (95 % CI within ±0.02): useless.")


def test_two_equally_good_sources_show_no_significant_difference():
    found = verdict_on({"scratch": 0, "good": 15, "as-good": 15})
    assert set(found["significantly_better"].split(", ")) == {"good", "as-good"}
    other = ({"good", "as-good"} - {found["highest"]}).pop()
    assert found["not_different_from"] == other
    assert f"it shows no significant difference from {other}" in found["sentence"]
    assert found["sentence"].endswith(f"also significantly better than scratch (adjusted p < 0.05): {other}.")


def test_where_nothing_is_decided_no_source_is_called_best_and_what_could_be_seen_is_said():
    found = verdict_on({"scratch": 0, "a": 0, "b": 0}, seed=1)
    assert found["significantly_better"] == found["significantly_worse"] == ""
    assert set(found["undecided"].split(", ")) == {"a", "b"}
    assert found["sentence"].startswith(
        "simulated: no source differs significantly from scratch (adjusted p < 0.05); the highest mean gain is "
    )
    assert found["sentence"].endswith(
        f"undecided: {found['undecided']} (a gain of {found['detectable']:.3f} would have been found with a "
        "probability of 80 %; more test scans would narrow the intervals most)."
    )
    assert "best" not in found["sentence"] + verdict.headline(found)
    assert "undecided (adjusted p = " in verdict.headline(found)


def test_the_gain_that_would_have_been_found_is_that_of_the_undecided_sources():
    cells = list(tables.cells(simulated_scores({"scratch": 0, "good": 15, "a": 0}, (10, 20, 40), 5, 20, 1), 1000, 1))
    compared, saved = comparisons.compare(cells), learning_curves.saved(cells)
    compared.loc[compared["source"] == "good", "detectable"] = 0.5
    found = verdict.verdict(cells, compared, saved, MARGIN, {}, "these").iloc[0]
    of_a = compared.query("source == 'a' and against == 'scratch' and size == 'all' and level == 'volume'")
    assert (found["significantly_better"], found["undecided"]) == ("good", "a")
    assert found["detectable"] == of_a["detectable"].item() < 0.5
    decided = verdict.verdict(cells, compared, saved, 0.3, {}, "these").iloc[0]
    assert (decided["undecided"], decided["detectable"]) == ("", 0.5)


@pytest.mark.parametrize(("loud", "expected"), [("own_scan", "test scans"), ("own_resample", "resamples")])
def test_what_narrows_the_intervals_first(loud, expected):
    found = verdict_on({"scratch": 0, "a": 0}, spread=QUIET | {loud: 0.1}, resamples=6, scans=6)
    assert found["narrows_first"] == expected


def test_a_source_that_harms_is_significantly_worse():
    found = verdict_on({"scratch": 15, "a": 0})
    assert found["significantly_better"] == ""
    assert found["significantly_worse"] == "a"
    assert found["high"] < 0
    assert "no source is significantly better than scratch (adjusted p < 0.05)" in found["sentence"]
    assert found["sentence"].endswith("significantly worse than scratch (adjusted p < 0.05): a.")
    assert "significantly worse (adjusted p = 0.00" in verdict.headline(found)


def test_help_and_harm_are_both_in_the_sentence():
    found = verdict_on({"scratch": 10, "good": 40, "bad": 0, "worse": -3}, spread=QUIET)
    assert found["significantly_better"] == "good"
    assert set(found["significantly_worse"].split(", ")) == {"bad", "worse"}
    assert "good is significantly better than scratch" in found["sentence"]
    assert found["sentence"].endswith("significantly worse than scratch (adjusted p < 0.05): bad, worse.")
    assert verdict.headline(found).endswith("\nsignificantly worse: bad, worse")


def hand_made(**changed):
    """A row of the verdict on two sources, of which ``a`` has the highest mean."""
    row = dict.fromkeys(verdict.COLUMNS, np.nan) | dict.fromkeys(verdict.WORDS.values(), "")
    row |= {"target": "t", "metric": "dice", "sizes": "2, 4", "training_scans": "these", "resamples": 3, "scans": 9,
            "sources": 3, "highest": "a", "baseline": "scratch", "gain": 0.2, "low": -0.05, "high": 0.45,
            "p_adjusted": 0.2, "margin": 0.02, "detectable": 0.4, "narrows_first": "resamples",
            "not_different_from": "b"}  # fmt: skip
    return row | changed


def test_harm_by_another_source_than_the_highest_is_said():
    row = hand_made(significantly_worse="b", undecided="a")
    assert verdict.sentence(row) == (
        "no source is significantly better than scratch (adjusted p < 0.05); the highest mean gain is a's, +0.200 Dice "
        "[95 % CI -0.050, +0.450], averaged over 2 and 4 labelled scans (adjusted p = 0.2); significantly worse than "
        "scratch (adjusted p < 0.05): b; undecided: a (a gain of 0.400 would have been found with a probability "
        "of 80 %; more resamples would narrow the intervals most)"
    )


@pytest.mark.parametrize(
    ("reach", "said"),
    [
        ("a: 4; b: 2", "(adjusted p = 0.01), and at each set size by itself; "),
        ("a: 2", "(adjusted p = 0.01), by itself with up to 2 labelled scans; "),
        ("", "(adjusted p = 0.01), but at no single set size; "),
    ],
)
def test_up_to_which_set_size_a_source_is_better_is_said(reach, said):
    saved = {"saved": 4.0, "saved_low": 4.0, "saved_high": 4.0} | dict.fromkeys(
        ("saved_is", "saved_low_is", "saved_high_is"), ">"
    )
    row = hand_made(significantly_better="a", p_adjusted=0.01, head_start_up_to=reach, low=0.1, **saved)
    assert said in verdict.sentence(row)
    assert ("; a head start, set size by set size: b with up to 2 labelled scans" in verdict.sentence(row)) == (
        "b" in reach
    )


def test_a_head_start_with_one_scan_is_said_where_the_mean_over_sizes_decides_nothing():
    row = hand_made(undecided="a, b", sizes="1, 2, 4", head_start_up_to="a: 1")
    assert "; a head start, set size by set size: a with up to 1 labelled scan; undecided: a, b" in verdict.sentence(
        row
    )


def test_the_highest_mean_need_not_be_the_significant_one():
    row = hand_made(significantly_better="b", undecided="a")
    assert verdict.sentence(row).startswith("significantly better than scratch (adjusted p < 0.05): b; the highest ")
    assert verdict.headline(row).endswith("undecided (adjusted p = 0.2)\nsignificantly better: b")


def test_a_single_labelled_scan_is_singular():
    assert "with 1 labelled scan (adjusted p" in verdict_on({"scratch": 0, "a": 1}, (1,), 2, 3)["sentence"]


def test_the_sentence_names_what_training_sets_are_drawn_from():
    sources = {"scratch": 0, "a": 1}
    these = verdict_on(sources, pool=60)
    assert "averaged over 10, 20 and 40 labelled scans of these 60 (" in these["sentence"]
    others = verdict_on(sources, pool=60, training_scans="population")
    assert "averaged over 10, 20 and 40 labelled scans of any like these 60 (" in others["sentence"]
    assert others["high"] - others["low"] > these["high"] - these["low"]
    seeds = verdict_on(sources, (3,), 2, 3, pool=3)
    assert "with all 3 labelled scans, where resamples differ by their seeds alone (" in seeds["sentence"]


@pytest.mark.parametrize(
    ("sources", "expected", "title"),
    [
        ({"scratch": 0, "a": 30, "b": 0}, "with 3 labelled scans (adjusted p", "highest mean gain over scratch: a\n"),
        ({"a": 0, "b": 0}, "without scratch among the sources its gain is unknown", "no scratch to compare it with"),
        ({"a": 0}, "a is the only source with a score", "highest mean score: a"),
        ({"scratch": 0}, "no source other than scratch has a score", "no source other than scratch has a score"),
    ],
)
def test_one_size_two_resamples_and_missing_sources(sources, expected, title):
    found = verdict_on(sources, (3,), 2, 2)
    assert expected in found["sentence"]
    assert title in verdict.headline(found)


@pytest.mark.parametrize(
    ("resamples", "scans", "said"),
    [(1, 20, "one fine-tuning per source: scores of single models"), (3, 1, "one test scan: scores on this scan")],
)
def test_one_resample_or_test_scan_gives_scores_and_no_claim(resamples, scans, said):
    found = verdict_on({"scratch": 0, "a": 30, "b": 0}, (3, 6), resamples, scans)
    assert found[list(verdict.WORDS.values())].tolist() == [""] * 4
    assert found["sentence"].startswith(f"simulated: {said}, from which nothing follows about sources; the highest ")
    assert said in verdict.headline(found)
    for word in ("significant", "better", "adjusted p", "95 % CI", "undecided"):
        assert word not in found["sentence"] + verdict.headline(found)
    without = verdict_on({"a": 30, "b": 0}, (3, 6), resamples, scans)
    assert without["sentence"].startswith("simulated: a has the highest mean score; one ")


def test_a_baseline_without_scores_is_not_tested():
    row = hand_made(gain=np.nan, low=np.nan, high=np.nan, p_adjusted=np.nan)
    assert verdict.sentence(row).startswith("nothing is tested, as scores are missing; the highest mean score is a's")
    assert verdict.headline(row) == "highest mean score: a\nnothing is tested, as scores are missing"


@pytest.mark.parametrize(
    "sources", [{"scratch": 0, "a": 15, "b": 0}, {"scratch": 5, "a": 0}, {"a": 0, "b": 1}, {"scratch": 0}]
)
@pytest.mark.parametrize("resamples", [1, 2])
def test_the_headline_is_the_same_from_the_table_in_a_file(sources, resamples, tmp_path):
    found = verdict_on(sources, (3, 6), resamples, 3)
    pd.DataFrame([found]).to_csv(tmp_path / "verdict.tsv", sep="\t", index=False, na_rep="n/a", float_format="%.6g")
    read = pd.read_csv(tmp_path / "verdict.tsv", sep="\t").iloc[0]
    assert verdict.headline(read) == verdict.headline(found)


def test_the_script_writes_its_tables_and_the_same_bytes_again(run_script, tmp_path):
    scans = tmp_path / "scans.parquet"
    scores = simulated_scores({"scratch": 0, "a": 5}, (3, 6, 9), 2, 4, 0, levels=("slice", "volume"))
    scores.to_parquet(scans, index=False)
    seen = []
    for turn in ("first", "second"):
        names = {name: tmp_path / turn / f"{name}.tsv" for name in OUTPUTS}
        params = {"draws": 200, "seed": 3, "population": {}, "pools": {"simulated": 12}, "margin": MARGIN}
        params |= {"training_scans": "these", "untrained": []}
        run_script("compare_sources", SimpleNamespace(scans=scans), params, SimpleNamespace(**names))
        seen.append({name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in names.items()})
    assert seen[0] == seen[1]
    assert list(pd.read_csv(names["verdict"], sep="\t").columns) == verdict.COLUMNS
    gains, pairs = (pd.read_csv(names[name], sep="\t") for name in ("gains", "comparisons"))
    assert list(gains["level"]) == ["slice"] * 3 + ["volume"] * 3
    at_sizes = pairs[pairs["size"] != "all"].reset_index(drop=True)
    columns = ["p_adjusted", "significant"]
    assert np.array_equal(gains[["gain", *columns]], at_sizes[["difference", *columns]])


def test_the_scripts_know_who_was_not_trained(run_script, tmp_path):
    """A rater has the same scores at each size: no curve is fitted to them, and no scans are saved or needed."""
    scores = simulated_scores({"scratch": 0, "a": 5, "rater": 9}, (3, 6, 9), 2, 4, 0)
    rater = scores["source"] == "rater"
    scores.loc[rater, "total"] = scores.loc[rater, "scan"].map({f"{n:03d}": 0.7 + 0.01 * n for n in range(4)})
    scores.to_parquet(tmp_path / "scans.parquet", index=False)
    common = {"draws": 200, "seed": 3, "population": {}, "untrained": ["rater"]}
    compared = {"pools": {"simulated": 12}, "margin": MARGIN, "training_scans": "these"}
    aims = {"aims": {"simulated": {"wanted": 0.3, "have": None}}}
    for rule, params, names in (
        ("compare_sources", compared, OUTPUTS),
        ("tabulate_needed", aims, ("needed", "backtest")),
    ):
        written = SimpleNamespace(**{name: tmp_path / f"{name}.tsv" for name in names})
        run_script(rule, SimpleNamespace(scans=tmp_path / "scans.parquet"), common | params, written)
    sources = {path.stem: set(pd.read_csv(path, sep="\t")["source"]) for path in tmp_path.glob("*.tsv")
               if path.stem != "verdict"}  # fmt: skip
    assert {name for name, listed in sources.items() if "rater" in listed} == {"gains", "comparisons"}
    assert all("a" in listed for listed in sources.values())
