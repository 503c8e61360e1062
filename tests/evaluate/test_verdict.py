import hashlib
from types import SimpleNamespace

import pandas as pd
import pytest
from intervals import SPREAD, made_up

from headstart.evaluate import comparisons, learning_curves, tables, verdict

OUTPUTS = ("verdict", "saved", "comparisons", "curves", "mixed")


QUIET = {effect: deviation / 4 for effect, deviation in SPREAD.items()}


def answer(sources, sizes=(10, 20, 40), resamples=5, scans=20, seed=0, spread=SPREAD):
    cells = list(tables.cells(made_up(sources, sizes, resamples, scans, seed, spread), 1000, seed))
    return verdict.verdict(tables.summary(cells), comparisons.compare(cells), learning_curves.saved(cells)).iloc[0]


def test_a_planted_head_start_is_found_with_its_number_of_scans():
    found = answer({"scratch": 0, "good": 15, "useless": 0}, spread=QUIET)
    assert found["best"] == "good" and found["better"] == "good" and found["alike"] == ""
    assert found["low"] > 0 and found["p_holm"] < 0.05
    assert found["size"] == 10 and found["saved_is"] == "=" and abs(found["saved"] - 15) < 3
    assert 0 < found["saved_low"] < 15 < found["saved_high"] and found["gains"].startswith("10: +0.")
    assert found["sentence"].startswith("made-up: good is better than scratch (+0.")
    assert "with 10 labelled scans it saves 1" in found["sentence"]
    assert found["sentence"].endswith("it is told apart from all other sources.")


def test_two_sources_that_are_equally_good_are_not_told_apart():
    found = answer({"scratch": 0, "good": 15, "as-good": 15})
    assert set(found["better"].split(", ")) == {"good", "as-good"}
    assert found["alike"] in ("good", "as-good") and f"not told apart from {found['alike']}" in found["sentence"]


def test_no_difference_is_said_to_be_none():
    found = answer({"scratch": 0, "a": 0, "b": 0}, seed=1)
    assert found["better"] == "" and "no source is told apart from scratch as better" in found["sentence"]


def test_a_source_that_harms_is_not_better():
    found = answer({"scratch": 15, "a": 0})
    assert found["better"] == "" and found["high"] < 0 and "no source is told apart" in found["sentence"]


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ({"scratch": 0, "a": 30, "b": 0}, "with 3 labelled scans, adjusted p"),
        ({"a": 0, "b": 0}, "without scratch among the sources"),
        ({"a": 0}, "a is the only source with a score"),
        ({"scratch": 0}, "no source but scratch has a score"),
    ],
)
def test_one_size_two_resamples_and_sources_missing(sources, said):
    assert said in answer(sources, (3,), 2, 2)["sentence"]


def test_one_scan_in_one_resample_tells_nothing_apart():
    found = answer({"scratch": 0, "a": 30}, (3, 6), 1, 1)
    assert (
        found["better"] == "" and "(no interval)" in found["sentence"] and "adjusted p not known" in found["sentence"]
    )


def test_the_rule_writes_its_tables_and_the_same_bytes_again(run_script, tmp_path):
    scans = tmp_path / "scans.parquet"
    made_up({"scratch": 0, "a": 5}, (3, 6, 9), 2, 4, 0, levels=("slice", "volume")).to_parquet(scans, index=False)
    seen = []
    for turn in ("first", "second"):
        names = {name: tmp_path / turn / f"{name}.tsv" for name in OUTPUTS}
        params = {"draws": 200, "seed": 3}
        run_script("compare_sources", SimpleNamespace(scans=scans), params, SimpleNamespace(**names))
        seen.append({name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in names.items()})
    assert seen[0] == seen[1]
    assert list(pd.read_csv(names["verdict"], sep="\t").columns) == verdict.COLUMNS
