"""The statistics as a library: known truths, textbook analyses, and the bytes of the workflow's tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats
from simulated_scores import SPREAD, simulated_scores

from headstart.evaluate.answer import Question, answer
from headstart.job import UserError

QUIET = {effect: deviation / 4 for effect, deviation in SPREAD.items()}
QUICK = {"draws": 300, "baseline": "plain"}
# Shrout and Fleiss 1979, "Intraclass correlations: uses in assessing rater reliability", Table 2: the ratings of six
# targets (here test scans) by four judges (here resamples), and the mean squares of its Table 3.
RATINGS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]).T
BETWEEN_TARGETS, BETWEEN_JUDGES, RESIDUAL = 11.24, 32.49, 1.02


def scores_of(sources, sizes=(10, 20, 40), resamples=5, scans=12, seed=0, spread=QUIET):
    """Simulated scores of sources that save these numbers of labelled scans."""
    made = simulated_scores(sources, sizes, resamples, scans, seed, spread).rename(columns={"total": "score"})
    return made[["source", "size", "resample", "scan", "score"]]


def table_from(arrays, size=4):
    """A table from scores (R, S) by source; from scores (S,) of a source that is not trained."""
    parts = []
    for source, values in arrays.items():
        for resample, row in enumerate(np.atleast_2d(values), 1):
            drawn = (size, resample) if values.ndim == 2 else ("", "")
            scans = [f"{scan:02d}" for scan in range(len(row))]
            parts.append(pd.DataFrame({"source": source, "size": drawn[0], "resample": drawn[1], "scan": scans,
                                       "score": row}))  # fmt: skip
    return pd.concat(parts)


def gain_in(table, source="method"):
    found = answer(table, Question(**QUICK)).comparisons
    return found[(found["source"] == source) & (found["against"] == "plain")].iloc[0]


def two_way(differences):
    """The mean of differences (R, S), its variance and degrees of freedom by a two-way random analysis of variance."""
    resamples, scans = differences.shape
    mean, by_scan, by_resample = differences.mean(), differences.mean(axis=0), differences.mean(axis=1)
    of_scans = resamples * ((by_scan - mean) ** 2).sum() / (scans - 1)
    of_resamples = scans * ((by_resample - mean) ** 2).sum() / (resamples - 1)
    rest = differences - by_scan - by_resample[:, None] + mean
    noise = (rest**2).sum() / ((resamples - 1) * (scans - 1))
    parts = np.array([of_scans, of_resamples, -noise]) / differences.size
    free = np.array([scans - 1, resamples - 1, (resamples - 1) * (scans - 1)])
    return mean, parts.sum(), parts.sum() ** 2 / (parts**2 / free).sum()


def test_planted_sources_get_their_words():
    planted = {"plain": 0, "better": 15, "equal": 0, "worse": -4}
    found = answer(scores_of(planted), Question(**QUICK))
    row = found.verdict.iloc[0]
    assert row[["significantly_better", "equivalent", "significantly_worse"]].tolist() == ["better", "equal", "worse"]
    assert found.sentences["segmentation"].startswith("segmentation: better is significantly better than plain: ")
    assert {name for name, table in found.tables().items() if table.empty} == set()
    loud = answer(scores_of({"plain": 0, "unclear": 0}, spread=SPREAD, seed=1), Question(**QUICK)).verdict.iloc[0]
    assert loud["undecided"] == "unclear"


def test_the_published_mean_squares_of_a_two_way_table_give_the_standard_error():
    gain = gain_in(table_from({"plain": np.full((4, 6), 0.5), "method": 0.5 + RATINGS / 100}))
    assert gain["difference"] == pytest.approx(RATINGS.mean() / 100)
    expected = np.sqrt((BETWEEN_TARGETS + BETWEEN_JUDGES - RESIDUAL) / RATINGS.size) / 100
    assert gain["error"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_the_interval_of_one_gain_is_that_of_a_two_way_random_analysis(seed):
    rng = np.random.default_rng(seed)
    plain, method = 0.5 + rng.normal(0, 0.05, (2, 1, 12)) + rng.normal(0, 0.04, (2, 6, 1)) + rng.normal(
        0, 0.03, (2, 6, 12)
    )  # fmt: skip
    mean, variance, degrees = two_way(method - plain)
    gain = gain_in(table_from({"plain": plain, "method": method}))
    assert gain["difference"] == pytest.approx(mean)
    assert gain["error"] == pytest.approx(np.sqrt(variance))
    # The degrees of freedom leave out the noise, which has many more of them.
    reach = stats.t.ppf(0.975, degrees) * np.sqrt(variance)
    assert gain["high"] - gain["difference"] == pytest.approx(reach, rel=0.05)


def test_without_luck_of_training_the_interval_is_that_of_a_paired_t_test():
    plain, method = np.random.default_rng(0).uniform(0.3, 0.7, (2, 9))
    gain = gain_in(table_from({"plain": np.tile(plain, (3, 1)), "method": np.tile(method, (3, 1))}))
    test = stats.ttest_rel(method, plain)
    assert gain["p"] == pytest.approx(test.pvalue)
    assert gain[["low", "high"]].tolist() == pytest.approx(list(test.confidence_interval()))


def test_a_source_that_is_not_trained_has_no_variance_of_training():
    rng = np.random.default_rng(0)
    plain, rater = rng.uniform(0.4, 0.6, (5, 8)), rng.uniform(0.6, 0.7, 8)
    gain = gain_in(table_from({"plain": plain, "rater": rater}), "rater")
    mean, variance, _ = two_way(rater - plain)
    of_scans, of_resamples = (
        values.std(ddof=1) / np.sqrt(len(values)) for values in ((rater - plain).mean(axis=0), plain.mean(axis=1))
    )
    assert gain["difference"] == pytest.approx(mean)
    assert gain[["error_scans", "error_resamples"]].tolist() == pytest.approx([of_scans, of_resamples])
    assert gain["error"] == pytest.approx(max(np.sqrt(variance), of_scans, of_resamples))


@pytest.fixture
def with_rater():
    """Two trained sources, and a rater who is better than both."""
    rater = table_from({"rater": np.linspace(0.8, 0.9, 12)}).assign(scan=[f"{scan:03d}" for scan in range(12)])
    return pd.concat([scores_of({"plain": 0, "better": 15}), rater])


@pytest.mark.parametrize("baseline", ["plain", "rater"])
def test_a_source_that_is_not_trained_has_no_learning_curve(with_rater, baseline):
    found = answer(with_rater, Question(**QUICK | {"baseline": baseline}))
    assert "saves" not in found.sentences["segmentation"]
    for name in ("saved", "curves", "needed", "backtest"):
        assert "rater" not in set(found.tables()[name]["source"]), name


def test_a_source_that_is_not_trained_changes_nothing_of_those_that_are(with_rater):
    found, alone = (answer(table, Question(**QUICK)) for table in (with_rater, with_rater.query("source != 'rater'")))
    assert found.verdict["significantly_better"].item() == "better, rater"
    for name in ("saved", "curves", "needed", "backtest"):
        pd.testing.assert_frame_equal(found.tables()[name], alone.tables()[name])


def test_with_a_baseline_that_is_not_trained_no_scan_is_saved(with_rater):
    found = answer(with_rater, Question(**QUICK | {"baseline": "rater"}))
    assert found.verdict["significantly_worse"].item() == "better, plain"
    assert found.saved.empty
    assert len(found.needed) == 6


@pytest.mark.parametrize("saves", [10, 0], ids=["better", "undecided"])
@pytest.mark.parametrize("name", ["other", "highest"])
def test_the_same_numbers_whatever_the_baseline_is_called(name, saves):
    """Also by the names of the families of comparisons."""
    found, usual = (
        answer(scores_of({baseline: 0, "a": saves, "b": 0}, spread=SPREAD), Question(**QUICK | {"baseline": baseline}))
        for baseline in (name, "scratch")
    )
    assert set(found.gains["baseline"]) == {name}
    pd.testing.assert_frame_equal(*(each.gains.drop(columns="baseline") for each in (found, usual)))
    row, expected = found.verdict.iloc[0], usual.verdict.iloc[0]
    assert row["not_different_from"] == expected["not_different_from"]
    assert row["sentence"] == expected["sentence"].replace("scratch", name)


def test_the_order_of_rows_and_the_types_of_names_change_nothing():
    table = scores_of({"plain": 0, "better": 5})
    mixed = table.sample(frac=1, random_state=0).astype(str)
    one, other = (answer(each, Question(**QUICK, pool=60, training_scans="population")) for each in (table, mixed))
    for name, own in one.tables().items():
        pd.testing.assert_frame_equal(own, other.tables()[name])
    assert "any like these 60" in one.sentences["segmentation"]


def test_the_usual_settings_are_those_of_the_configuration():
    config = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())
    usual = Question()
    assert (usual.margin, usual.training_scans, usual.draws, usual.seed) == (
        *(config["evaluate"][key] for key in ("margin", "training_scans", "bootstrap")),
        config["seed"],
    )


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"margin": 0}, r"margin is 0; give a difference of scores above 0"),
        ({"training_scans": "all"}, r"training_scans is 'all'; give these or population"),
        ({"training_scans": "population"}, r"training_scans is population without pool; give the number of scans"),
        (
            {"training_scans": "population", "pool": 40},
            r"pool is 40, and the largest training set has 40.*41 or more",
        ),
        ({"pool": 39}, r"pool is 39, and the largest training set has 40 scans; give .*40 or more"),
        ({"wanted": 80}, r"wanted is 80; give a score above 0"),
        ({"have": -1}, r"have is -1; give a number of labelled scans"),
    ],
)
def test_a_question_that_does_not_fit_is_an_error(asked, sentence):
    with pytest.raises(UserError, match=sentence):
        answer(scores_of({"plain": 0, "better": 5}), Question(**QUICK, **asked))
