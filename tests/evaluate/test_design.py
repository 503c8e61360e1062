import numpy as np
import pandas as pd
import pytest
from simulated_scores import SPREAD, simulated_scores

from headstart.evaluate import comparisons, design, tables

# Of gains, which are differences of two sources.
GAINS = tuple(np.sqrt(2) * SPREAD[effect] for effect in ("own_scan", "own_resample", "noise"))


def test_the_detectable_gain_is_what_studies_of_this_design_find_afterwards():
    expected = design.detectable_gain(12, 4, [0, 0], 3, GAINS)
    sources = {"scratch": 0, "a": 0, "b": 0, "c": 0}
    found = []
    for trial in range(25):
        cells = list(tables.cells(simulated_scores(sources, (10, 20), 4, 12, trial), 2, trial))
        compared = comparisons.compare([tables.over_sizes(cells)])
        found += compared.loc[compared["family"] == "scratch", "detectable"].tolist()
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(expected, rel=0.1)


def test_the_detectable_gain_of_a_cross_validation_is_what_such_studies_find_afterwards():
    """Fifteen scans, two repeats of five folds: of the scores of all scans in each resample, those of its fold."""
    expected, found = design.detectable_gain(15, 10, [0, 0], 3, GAINS, 5), []
    for trial in range(40):
        rng = np.random.default_rng(trial)
        folds = [part for _ in range(2) for part in np.array_split(rng.permutation(15), 5)]
        tested = [(number, f"{scan:03d}") for number, fold in enumerate(folds, start=1) for scan in fold]
        scores = simulated_scores({"scratch": 0, "a": 0, "b": 0, "c": 0}, (10, 20), 10, 15, trial)
        known = pd.MultiIndex.from_frame(scores[["resample", "scan"]]).isin(tested)
        compared = comparisons.compare([tables.over_sizes(list(tables.cells(scores[known], 2, trial)))])
        found += compared.loc[compared["family"] == "scratch", "detectable"].tolist()
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(expected, rel=0.1)


def test_more_scans_resamples_and_sizes_see_smaller_gains_and_more_sources_and_a_small_pool_larger_ones():
    least = design.detectable_gain(10, 3, [0, 0], 4, GAINS)
    for better in ((20, 3, [0, 0], 4), (10, 6, [0, 0], 4), (10, 3, [0, 0, 0], 4), (10, 3, [0, 0], 2)):
        assert design.detectable_gain(*better, GAINS) < least
    for worse in ((10, 3, [0, 0], 8), (10, 3, [0.1, 0.5], 4)):
        assert design.detectable_gain(*worse, GAINS) > least


@pytest.mark.parametrize(("scans", "resamples"), [(1, 5), (20, 1)])
def test_one_scan_or_resample_can_see_nothing(scans, resamples):
    assert np.isnan(design.detectable_gain(scans, resamples, [0], 3, GAINS))
    said = design.sentence("t", "dice", [2], resamples, scans, 1, 3, None)
    assert said == "t: no difference can be tested with one resample or one test scan."


def test_the_sentence_of_a_plan():
    said = design.sentence("anatomy", "miou", [1, 2, 4], 3, 7, 1, 3, None)
    gain = design.detectable_gain(7, 3, [0, 0, 0], 3, design.DEVIATIONS["miou"])
    assert said == (
        f"anatomy: with 3 resamples of 3 set sizes and 7 test scans, a gain over scratch of {gain:.2g} mean IoU or "
        "more would be significant with a probability of 80 %, if gains vary as in the studies that headstart was "
        "tried on."
    )
    folded = design.sentence("anatomy", "miou", [1, 2], 10, 15, 5, 3, None)
    assert "with 10 resamples of 2 set sizes, of which each tests one of 5 folds of 15 scans, a gain over" in folded
    assert "one resample" not in design.sentence("anatomy", "miou", [1, 2], 3, 7, 1, 3, 8)
