"""Planted differences and equalities, and that intervals know what is paired."""

import finished_studies
import numpy as np
import pandas as pd
import pytest
from finished_studies import MEANS, RATER, save_study
from simulated_scores import lesion_free

from headstart.compare import page, pairs
from headstart.evaluate import anova, comparisons, tables

# As good with a set size as MEANS is with the next one.
AHEAD = {1: 0.5, 2: 0.6, 4: 0.68}


def row(table, **values):
    for column, value in values.items():
        table = table[table[column] == value]
    (only,) = table.to_dict("records")
    return only


def test_a_planted_difference_is_found_and_no_other(tmp_path, compared):
    save_study(tmp_path, "one", {"scratch": AHEAD, "heads": MEANS})
    save_study(tmp_path, "two", {"scratch": MEANS, "heads": MEANS}, seed=2)
    table = compared(["one", "two"]).compared.same_size
    better = row(table, source="scratch", against_source="scratch", size="all")
    assert better["verdict"] == "better"
    assert better["low"] < np.mean([AHEAD[n] - MEANS[n] for n in MEANS]) < better["high"]
    assert row(table, source="heads", against_source="heads", size="all")["verdict"] == "equivalent"
    assert set(table["family"]) == {"same source", "other"}
    assert len(table) == 4 * 4


def test_fewer_scans_of_one_equal_more_of_the_other(tmp_path, compared):
    save_study(tmp_path, "one", {"scratch": AHEAD})
    save_study(tmp_path, "two", {"scratch": MEANS}, seed=2)
    table = compared(["one", "two"]).compared.across_sizes
    assert len(table) == 6
    assert row(table, size=2, against_size=4)["verdict"] == "equivalent"
    assert row(table, size=4, against_size=1)["verdict"] == "better"
    assert row(table, size=1, against_size=4)["verdict"] == "worse"
    assert set(table["training_sets"]) == {"independent"}


def test_what_is_not_trained_has_no_set_size_and_saves_no_scans(tmp_path, compared):
    """A rater in both studies, who agrees with the labels as scratch does with four scans."""
    means = {"scratch": MEANS, "rater": dict.fromkeys(MEANS, MEANS[4])}
    save_study(tmp_path, "one", means, external=RATER)
    save_study(tmp_path, "two", means, seed=2, external=RATER)
    answer = compared(["one", "two"])
    tables = answer.compared
    for table in (tables.across_sizes, tables.saved):
        assert set(table["source"]) | set(table["against_source"]) == {"scratch"}
    assert row(tables.same_size, source="rater", against_source="scratch", size=4)["verdict"] == "equivalent"
    assert row(tables.same_size, source="rater", against_source="scratch", size=1)["verdict"] == "better"
    drawn = page.figure([answer]).axes[0]
    styles = {line.get_label(): line.get_linestyle() for line in drawn.get_lines()}
    assert [styles[f"{study}: rater"] for study in ("one", "two")] == ["--", "--"]
    assert "--" not in [styles[f"{study}: scratch"] for study in ("one", "two") if f"{study}: scratch" in styles]


def test_paired_studies_have_the_intervals_of_sources_of_one_study(tmp_path, compared):
    """The same scores as two sources of one study: what is paired there is paired here."""
    save_study(tmp_path, "one", {"scratch": AHEAD})
    save_study(tmp_path, "two", {"scratch": MEANS})
    answer = compared(["one", "two"])
    merged = finished_as_sources(answer.found)
    known = comparisons.compare(tables.cells(merged, 10, 1))
    table = answer.compared.same_size
    assert list(table["training_sets"].unique()) == ["paired"]
    for size in (1, 2, 4):
        own, other = row(table, size=size), row(known[known["size"] == size], source="one", against="two")
        for column in ("difference", "low", "high", "p", "error_scans", "error_resamples", "effect", "detectable"):
            assert own[column] == pytest.approx(other[column]), column


def finished_as_sources(found):
    """The scores of several studies as those of sources of one."""
    return pd.concat([part.scores.assign(source=part.study) for part in found.parts])


def test_common_training_sets_narrow_the_interval_and_others_do_not(tmp_path, compared, monkeypatch):
    monkeypatch.setitem(finished_studies.SPREAD, "resample", 0.03)
    save_study(tmp_path, "one")
    save_study(tmp_path, "same")
    save_study(tmp_path, "apart", seed=5)
    paired = row(compared(["one", "same"]).compared.same_size, size=2)
    apart = row(compared(["one", "apart"]).compared.same_size, size=2)
    assert (paired["training_sets"], apart["training_sets"]) == ("paired", "independent")
    assert paired["error_resamples"] < 0.2 * apart["error_resamples"]
    # Shared scans are paired in both.
    assert apart["error_scans"] < 0.004


def test_a_single_resample_in_one_study_is_not_tested(tmp_path, compared):
    save_study(tmp_path, "one")
    save_study(tmp_path, "two", resamples=1, seed=2)
    table = compared(["one", "two"]).compared.same_size
    assert table["low"].isna().all()
    assert not table["significant"].any()
    assert set(table["verdict"]) == {"undecided"}


def test_independent_sets_have_variances_that_add_up_and_degrees_of_their_own():
    """Two scans that are equally hard, so that only training sets vary: a Welch test of their means."""
    one, other = np.array([0.1, 0.3, 0.8]), np.array([0.5, 0.52, 0.53, 0.55])
    parts = [np.repeat(each[:, None], 2, axis=1) for each in (one, other)]
    found = [anova.influence(each[None], np.ones_like(each)[None])[0] for each in parts]
    spread = anova.spread([found[0], -found[1]], [0, 0], pooled=False)
    squared = one.var(ddof=1) / 3, other.var(ddof=1) / 4
    assert spread.variance == pytest.approx(sum(squared))
    assert spread.degrees == pytest.approx(sum(squared) ** 2 / (squared[0] ** 2 / 2 + squared[1] ** 2 / 3))
    assert anova.spread([found[0], -found[1]], [0, 0]).degrees == pytest.approx(5)


def test_folds_of_each_study_of_its_own_are_independent():
    """Cross-validation with other folds in each study: contributions are unknown in different places."""
    rng = np.random.default_rng(0)
    ease, sides = rng.normal(0, 0.1, 8), []
    for study, order in enumerate((np.arange(8), np.arange(8)[::-1])):
        scores = np.full((4, 8), np.nan)
        for fold in range(4):
            tested = order[2 * fold : 2 * fold + 2]
            scores[fold, tested] = 0.5 + 0.1 * study + ease[tested] + rng.normal(0, 0.01, 2)
        counts = (~np.isnan(scores)).astype(float)
        influence = anova.influence(np.nan_to_num(scores)[None], counts[None])[0]
        mean, by_scan = np.nanmean(scores), np.nanmean(scores, axis=0)
        sides.append(pairs.Arm(str(study), "a", 2, mean, by_scan, {study: influence}, 4))
    (found,) = pairs.family("same source", [tuple(sides)], 0.02)
    assert found["verdict"] == "worse"
    assert found["low"] < -0.1 < found["high"]
    # How hard scans are cancels, as each is tested once in both, and in each fold.
    assert found["error_scans"] < 0.01
    assert found["error"] < 0.02


def test_one_single_resample_among_several_leaves_the_variance_unknown():
    several, single = np.zeros((3, 4)), np.zeros((1, 4))
    assert not anova.spread([several, single], [0, 0]).complete
    assert anova.spread([several, np.full((1, 4), np.nan)], [0, 0]).complete


def test_scans_saved_are_read_off_the_other_study(tmp_path, compared):
    save_study(tmp_path, "one", {"scratch": AHEAD})
    save_study(tmp_path, "two", {"scratch": MEANS}, seed=2)
    table = compared(["one", "two"]).compared.saved
    saved = row(table, study="one", size=2)
    assert saved["low"] <= 2 <= saved["high"]
    assert row(table, study="two", size=1)["saved_is"] == "<"
    assert len(table) == 6


def test_three_studies_are_compared_in_pairs_on_the_scans_of_all(tmp_path, compared):
    for name in ("a", "b", "c"):
        save_study(tmp_path, name, tested=[f"t{k}" for k in range(9 if name == "c" else 10)])
    answer = compared(["a", "b", "c"])
    seen = answer.compared.same_size
    assert set(zip(seen["study"], seen["against_study"], strict=True)) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert set(seen["scans"]) == {9}


def test_equal_studies_are_rarely_significantly_different():
    """Families of four sources that are equal in two studies with training sets of their own: 5 % in all."""
    rng, seen = np.random.default_rng(3), 0
    for _ in range(150):
        ease = rng.normal(0, 0.1, 8)
        arms = [
            [arm(study, source, 0.5 + ease + rng.normal(0, 0.02, 8) + rng.normal(0, 0.03, (4, 1))
                 + rng.normal(0, 0.03, (4, 8))) for source in "abcd"]
            for study in (0, 1)
        ]  # fmt: skip
        seen += any(row["significant"] for row in pairs.family("same source", list(zip(*arms, strict=True)), 0.02))
    assert seen <= 15  # of 150; 5 % on average, and more than 15 in one of a hundred such tests


def arm(study, source, scores):
    influence = anova.influence(scores[None], np.ones_like(scores)[None])[0]
    return pairs.Arm(str(study), source, 2, scores.mean(), scores.mean(axis=0), {study: influence}, len(scores))


def test_a_scan_with_a_score_in_one_study_alone_counts_as_within_a_study():
    """The same scores as two studies with the same training sets, and as two sources of one study."""
    scores = lesion_free(0)
    (cell,) = tables.cells(scores, 1, 0)
    (within,) = comparisons.family(cell, "scratch", [("a", "scratch")])
    arms = []
    for study, source in (("one", "a"), ("two", "scratch")):
        (own,) = tables.cells(scores[scores["source"] == source], 1, 0)
        arms.append(pairs.Arm(study, source, 5, own.means[0], own.by_scan[0], {0: own.contributions[0][0]}, 10))
    (between,) = pairs.family("same source", [tuple(arms)], 0.02)
    assert [between[name] for name in ("low", "high", "p")] == pytest.approx(
        [within[name] for name in ("low", "high", "p")]
    )
