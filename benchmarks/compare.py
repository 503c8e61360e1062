"""Differences between two simulated studies: how often the 95 % confidence interval contains the true one.

    python benchmarks/compare.py

Test scans are shared. Training sets are the same or drawn independently; ``analysed``: whether they were analysed as
what they are, as if they were independent, or with degrees of freedom that are pooled over the studies (not those of
Welch); with cross-validation, whose folds each study has drawn for itself, also without taking off how hard the scans
of a fold are. The interval is that of the one difference, without the adjustment for a family. ``share``:
fraction of the trials, or the median width.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from record import keep
from scipy import stats

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "workflow_scripts")]

from headstart.compare import pairs  # noqa: E402
from headstart.evaluate import anova  # noqa: E402

# Standard deviations: of scans and training sets, common to both studies and of each by itself, and of single scores.
SCAN, OWN_SCAN, SET, NOISE = 0.15, 0.04, 0.03, 0.06
# Of the training sets of each study by itself: alike, and with most of the variance in the study with fewer resamples.
OWN_SETS = {"alike": (0.03, 0.03), "unlike": (0.06, 0.01)}
TRUTH = 0.05
RIGHT, APART, POOLED, RAW = "as they are", "as if independent", "pooled", "with the ease of scans"
# Resamples of both studies, and test scans.
DESIGNS = ((3, 3, 5), (5, 5, 8), (3, 10, 20), (10, 10, 20))


def simulated(
    own_sets: tuple[float, float], resamples: tuple[int, int], scans: int, paired: bool, seed: int
) -> list[np.ndarray]:
    """The scores (R, S) of two studies of which the first is better by TRUTH."""
    rng = np.random.default_rng(seed)
    ease, common = rng.normal(0, SCAN, scans), rng.normal(0, SET, max(resamples))
    scores = []
    for k, (count, deviation) in enumerate(zip(resamples, own_sets, strict=True)):
        luck = common[:count] if paired else rng.normal(0, SET, count)
        sets = luck + rng.normal(0, deviation, count)
        own = rng.normal(0, OWN_SCAN, scans)
        noise = rng.normal(0, NOISE, (count, scans))
        scores.append(0.6 - TRUTH * k + ease + own + sets[:, None] + noise)
    return scores


def interval(scores: list[np.ndarray], paired: bool, pooled: bool) -> tuple[float, float]:
    """The 95 % confidence interval of the difference of two means."""
    one, other = (anova.influence(each[None], np.ones_like(each)[None])[0] for each in scores)
    parts = [one - other] if paired else [one, -other]
    found = anova.spread(parts, [0] * len(parts), pooled=pooled)
    reach = stats.t.isf(0.025, found.degrees) * np.sqrt(found.variance)
    difference = scores[0].mean() - scores[1].mean()
    return difference - reach, difference + reach


def rows(sets: str, paired: bool, resamples: tuple[int, int], scans: int, trials: int) -> list[dict]:
    """Coverage and width of each analysis."""
    analyses = {RIGHT: (paired, False)} | ({APART: (False, False)} if paired else {POOLED: (False, True)})
    made = [simulated(OWN_SETS[sets], resamples, scans, paired, seed) for seed in range(trials)]
    found = []
    for name, analysis in analyses.items():
        ends = np.array([interval(scores, *analysis) for scores in made])
        design = {"training sets": "the same" if paired else "independent", "their variances": sets,
                  "analysed": name, "resamples": resamples[0], "against resamples": resamples[1], "scans": scans,
                  "trials": trials}  # fmt: skip
        held = ((ends[:, 0] <= TRUTH) & (ends[:, 1] >= TRUTH)).mean()
        found.append({"what": "95 % CI contains the difference", **design, "share": held})
        found.append({"what": "median width of the 95 % CI", **design, "share": np.median(np.ptp(ends, axis=1))})
    return found


def arm(study: int, scores: np.ndarray) -> pairs.Arm:
    """One side of a comparison, from scores (R, S) with NaN where a resample does not test a scan."""
    known = (~np.isnan(scores)).astype(float)
    influence = anova.influence(np.nan_to_num(scores)[None], known[None])[0]
    by_scan = np.nanmean(scores, axis=0)
    return pairs.Arm(str(study), "a", 1, np.nanmean(scores), by_scan, {study: influence}, len(scores))


def folded(folds: int, repeats: int, scans: int, rng: np.random.Generator) -> list[pairs.Arm]:
    """Two studies, of which the first is better by TRUTH, with cross-validation in folds of their own."""
    ease, arms = rng.normal(0, SCAN, scans), []
    for study in (0, 1):
        scores, own = np.full((folds * repeats, scans), np.nan), rng.normal(0, OWN_SCAN, scans)
        for repeat in range(repeats):
            order = rng.permutation(scans)
            for fold in range(folds):
                tested = order[fold::folds]
                luck = rng.normal(0, SET) + rng.normal(0, NOISE, len(tested))
                scores[repeat * folds + fold, tested] = 0.6 - TRUTH * study + ease[tested] + own[tested] + luck
        arms.append(arm(study, scores))
    return arms


def of_folds(folds: int, repeats: int, scans: int, trials: int) -> list[dict]:
    """Coverage and width with cross-validation, where the ease of scans is taken off resamples and where it is not."""
    found, rng = [], np.random.default_rng(0)
    for _ in range(trials):
        one, other = folded(folds, repeats, scans, rng)
        (row,) = pairs.family("one", [(one, other)], 0.02)
        raw = anova.spread([one.contributions[0], -other.contributions[1]], [0, 0], pooled=False)
        reach = stats.t.isf(0.025, raw.degrees) * np.sqrt(raw.variance)
        found.append([(row["low"], row["high"]), (row["difference"] - reach, row["difference"] + reach)])
    made, design = np.array(found), {"training sets": f"independent, {folds} folds", "their variances": "alike"}
    counts = {"resamples": folds * repeats, "against resamples": folds * repeats, "scans": scans, "trials": trials}
    return [
        {"what": what, **design, "analysed": name, **counts, "share": share}
        for name, (low, high) in zip((RIGHT, RAW), made.transpose(1, 2, 0), strict=True)
        for what, share in (
            ("95 % CI contains the difference", ((low <= TRUTH) & (high >= TRUTH)).mean()),
            ("median width of the 95 % CI", np.median(high - low)),
        )
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    asked = parser.parse_args()
    table = []
    for *resamples, scans in DESIGNS:
        for sets in OWN_SETS:
            for paired in (True, False) if len(set(resamples)) == 1 else (False,):
                table += rows(sets, paired, tuple(resamples), scans, asked.trials)
    for folded_design in ((4, 1, 12), (5, 1, 20), (5, 2, 20)):
        table += of_folds(*folded_design, asked.trials)
    keep(pd.DataFrame(table), __file__)
