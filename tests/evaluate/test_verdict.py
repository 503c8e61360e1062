import hashlib
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from simulated_scores import SPREAD, simulated_scores

from headstart.evaluate import comparisons, learning_curves, tables, verdict

OUTPUTS = ("verdict", "saved", "comparisons", "gains", "curves", "mixed")
QUIET = {effect: deviation / 4 for effect, deviation in SPREAD.items()}


def verdict_on(sources, sizes=(10, 20, 40), resamples=5, scans=20, seed=0, spread=SPREAD):
    cells = list(tables.cells(simulated_scores(sources, sizes, resamples, scans, seed, spread), 1000, seed))
    found = verdict.verdict(tables.summary(cells), comparisons.compare(cells), learning_curves.saved(cells))
    return found.iloc[0]


def hand_made(gains, p_holm, sizes=(2, 4)):
    """The verdict on sources with these gains over scratch and adjusted p-values, the same at each size."""
    summary = [
        {"target": "t", "size": size, "metric": "dice", "level": "volume", "source": source, "score": 0.5 + gain}
        for source, gain in {"scratch": 0, **gains}.items() for size in sizes
    ]  # fmt: skip
    pairs = [
        {"target": "t", "size": size, "metric": "dice", "level": "volume", "source": source, "against": "scratch",
         "difference": gain, "low": gain - 0.1, "high": gain + 0.1, "p_holm": p, "significant": p < 0.05}
        for (source, gain), p in zip(gains.items(), p_holm, strict=True) for size in (*sizes, "all")
    ]  # fmt: skip
    saved = [
        {"target": "t", "size": size, "level": "volume", "source": source, "saved": 1, "saved_is": "=", "low": 0,
         "low_is": "<", "high": 2, "high_is": ">"}
        for source in gains for size in sizes
    ]  # fmt: skip
    return verdict.verdict(pd.DataFrame(summary), pd.DataFrame(pairs), pd.DataFrame(saved)).iloc[0]


def test_a_planted_head_start_is_found_with_its_number_of_scans():
    found = verdict_on({"scratch": 0, "good": 15, "useless": 0}, spread=QUIET)
    assert found["best"] == "good"
    assert found["significantly_better"] == "good"
    assert found["significantly_worse"] == ""
    assert found["not_different_from"] == ""
    assert found["low"] > 0
    assert found["p_holm"] < 0.05
    assert found["size"] == 10
    assert found["saved_is"] == "="
    assert abs(found["saved"] - 15) < 3
    assert 0 < found["saved_low"] < 15 < found["saved_high"]
    assert found["gains"].startswith("10: +0.")
    assert found["sentence"].startswith("simulated: good is significantly better than scratch: mean gain +0.")
    assert "averaged over 10, 20 and 40 labelled scans (adjusted p = 0.0" in found["sentence"]
    assert "trained on 10 labelled scans it saves 1" in found["sentence"]
    assert found["sentence"].endswith("it is significantly different (adjusted p < 0.05) from all others.")


def test_two_equally_good_sources_show_no_significant_difference():
    found = verdict_on({"scratch": 0, "good": 15, "as-good": 15})
    assert set(found["significantly_better"].split(", ")) == {"good", "as-good"}
    other = ({"good", "as-good"} - {found["best"]}).pop()
    assert found["not_different_from"] == other
    assert f"it shows no significant difference from {other}" in found["sentence"]
    assert found["sentence"].endswith(f"also significantly better than scratch (adjusted p < 0.05): {other}.")


def test_equal_sources_do_not_differ_significantly():
    found = verdict_on({"scratch": 0, "a": 0, "b": 0}, seed=1)
    assert found["significantly_better"] == ""
    assert found["significantly_worse"] == ""
    assert found["sentence"].startswith(
        "simulated: no source differs significantly from scratch (adjusted p < 0.05); the highest mean gain is "
    )


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


def test_harm_by_another_source_than_the_best_is_said():
    found = hand_made({"a": 0.01, "b": -0.3}, (0.9, 0.001))
    assert found["best"] == "a"
    assert found["significantly_worse"] == "b"
    assert found["sentence"] == (
        "t: no source is significantly better than scratch (adjusted p < 0.05); the highest mean gain is a's, +0.010 "
        "Dice [95 % CI -0.090, +0.110], averaged over 2 and 4 labelled scans (adjusted p = 0.9); significantly worse "
        "than scratch (adjusted p < 0.05): b."
    )


def test_the_best_mean_need_not_be_the_significant_one():
    found = hand_made({"a": 0.2, "b": 0.15}, (0.2, 0.01))
    assert found["best"] == "a"
    assert found["significantly_better"] == "b"
    assert found["sentence"].startswith("t: significantly better than scratch (adjusted p < 0.05): b; the highest ")
    assert "no significant difference (adjusted p = 0.2)\nsignificantly better: b" in verdict.headline(found)


@pytest.mark.parametrize(("p", "significant"), [(0.049999, True), (0.05, False)])
def test_the_adjusted_p_decides_and_not_the_confidence_interval(p, significant):
    found = hand_made({"a": 0.2}, (p,))
    assert found["low"] > 0
    assert (found["significantly_better"] == "a") == significant
    assert ("a is significantly better than scratch" in found["sentence"]) == significant
    assert ("no source differs significantly from scratch" in found["sentence"]) != significant
    assert ("significantly better (adjusted p = 0.05)" in verdict.headline(found)) == significant


def test_a_single_labelled_scan_is_singular():
    assert "with 1 labelled scan (adjusted p" in verdict_on({"scratch": 0, "a": 1}, (1,), 2, 3)["sentence"]


@pytest.mark.parametrize(
    ("sources", "expected", "title"),
    [
        ({"scratch": 0, "a": 30, "b": 0}, "with 3 labelled scans (adjusted p =", "highest mean gain over scratch: a\n"),
        ({"a": 0, "b": 0}, "without scratch among the sources its gain is unknown", "no scratch to compare it with"),
        ({"a": 0}, "a is the only source with a score", "highest mean score: a"),
        ({"scratch": 0}, "no source other than scratch has a score", "no source other than scratch has a score"),
    ],
)
def test_one_size_two_resamples_and_missing_sources(sources, expected, title):
    found = verdict_on(sources, (3,), 2, 2)
    assert expected in found["sentence"]
    assert title in verdict.headline(found)


def test_one_scan_in_one_resample_cannot_be_tested():
    found = verdict_on({"scratch": 0, "a": 30}, (3, 6), 1, 1)
    assert found["significantly_better"] == ""
    assert "differences from scratch cannot be tested" in found["sentence"]
    assert "[95 % CI not available]" in found["sentence"]
    assert "adjusted p not available" in found["sentence"]
    assert "not tested (adjusted p not available)" in verdict.headline(found)


@pytest.mark.parametrize(
    "sources", [{"scratch": 0, "a": 15, "b": 0}, {"scratch": 5, "a": 0}, {"a": 0, "b": 1}, {"scratch": 0}]
)
def test_the_headline_is_the_same_from_the_table_in_a_file(sources, tmp_path):
    found = verdict_on(sources, (3, 6), 2, 3)
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
        params = {"draws": 200, "seed": 3}
        run_script("compare_sources", SimpleNamespace(scans=scans), params, SimpleNamespace(**names))
        seen.append({name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in names.items()})
    assert seen[0] == seen[1]
    assert list(pd.read_csv(names["verdict"], sep="\t").columns) == verdict.COLUMNS
    gains, pairs = (pd.read_csv(names[name], sep="\t") for name in ("gains", "comparisons"))
    assert list(gains["level"]) == ["slice"] * 3 + ["volume"] * 3
    at_sizes = pairs[pairs["size"] != "all"].reset_index(drop=True)
    assert np.array_equal(gains[["gain", "p_holm", "significant"]], at_sizes[["difference", "p_holm", "significant"]])
