"""Which model is published: worked by hand from small tables."""

import shutil

import pandas as pd
import pytest
from published import METADATA, save_study

from headstart.job import UserError, read_table, write_table
from headstart.publish.choice import read_choice

TARGETS = {"stroke": {}, "ms": {}}
NOTHING = {"target": None, "source": None, "size": None, "resample": None}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "study"
    save_study(folder, decoder="paper")
    return folder


@pytest.fixture
def study(made, tmp_path):
    return shutil.copytree(made, tmp_path / "study")


def choose(folder, **settings):
    return read_choice({**NOTHING, **settings}, TARGETS, str(folder))


def test_the_winner_is_the_source_with_the_highest_mean_at_the_largest_size(made):
    found = choose(made)
    assert (found.target, found.source, found.size, found.resample) == ("stroke", "scratch", 4, 1)
    assert found.reason == "`scratch` has the highest mean Dice with 4 labelled scans of 2 sources"
    assert found.model == f"{made}/finetune/stroke/scratch/size-4_resample-1"
    assert found.own == pytest.approx(0.81)
    assert found.verdict == "stroke: no difference."
    assert found.metadata["target"] == METADATA["target"]


def test_each_key_of_the_configuration_is_obeyed(made):
    found = choose(made, target="stroke", source="imagenet", size=4, resample=2)
    assert (found.source, found.resample) == ("imagenet", 2)
    assert found.own == pytest.approx(0.72)
    assert found.reason.startswith("the configuration names it (`scratch` has the highest mean Dice")


def test_scores_and_gains_are_those_of_the_tables(made):
    found = {(row["size"], row["level"]): row for row in choose(made, source="imagenet").scores}
    assert set(found) == {(2, "slice"), (2, "volume"), (4, "slice"), (4, "volume")}
    row = found[4, "volume"]
    assert (row["score"], row["low"], row["high"]) == pytest.approx((0.7, 0.6, 0.8))
    assert (row["gain"], row["gain_low"], row["gain_high"]) == (-0.125, -0.25, 0.0625)
    assert all(pd.isna(row["gain"]) for row in choose(made).scores)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "strok"}, r"publish.target is 'strok', .* take one that it has \(stroke, ms\)"),
        ({"target": "ms"}, "no score on ms; run the study first"),
        ({"source": "natural"}, r"publish.source is 'natural', .* \(imagenet, scratch\)"),
        ({"size": 3}, r"publish.size is 3, .* \(2, 4\)"),
        ({"resample": 3}, r"publish.resample is 3, .* \(1, 2\)"),
        # The study has scores of this size, and no model.
        ({"size": 2}, "imagenet/size-2_resample-1/model.safetensors does not exist; run the study first"),
    ],
)
def test_what_the_study_has_not_ends_in_one_sentence(made, settings, message):
    with pytest.raises(UserError, match=message):
        choose(made, **settings)


def test_an_unfinished_study_is_said(study):
    (study / "tables/gains.tsv").unlink()
    with pytest.raises(UserError, match=r"tables/gains.tsv does not exist; run the study first"):
        choose(study)


def test_a_study_without_a_score_has_no_winner(study):
    path = study / "tables/summary.tsv"
    write_table(path, read_table(path).assign(score=float("nan")))
    with pytest.raises(UserError, match=r"publish.source is not set, and no source has a score"):
        choose(study)
    assert choose(study, source="imagenet").source == "imagenet"
