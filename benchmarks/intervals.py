"""Simulated scores with known true means: coverage of confidence intervals and false positive rates of tests.

    python benchmarks/intervals.py --trials 800
    python benchmarks/intervals.py --time     # the tables of a study of the paper's size

``share``: fraction of the trials. ``plain``: the same for a cluster bootstrap whose draws are not scaled, and for a
sign-flip test of the test scans' differences. In whole studies, scans and resamples have effects common to all sources
and effects on single sources, in addition to the noise of single runs and scans.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from record import keep

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "tests")]

from simulated_scores import simulated_scores, true_score  # noqa: E402

from headstart.evaluate import bootstrap, comparisons, learning_curves, mixed_model, tables, verdict  # noqa: E402
from headstart.evaluate.significance import ALPHA, significant  # noqa: E402

# Test scans and resamples.
DESIGNS = ((3, 2), (5, 2), (10, 1), (10, 2), (10, 5), (20, 5), (20, 10), (104, 10))
STUDIES = ((5, 3), (20, 5), (104, 10))
# Standard deviations of scans, resamples and noise in a single mean, by the largest.
EFFECTS = {"scans": (1, 0.5, 0.3), "resamples": (0.3, 1, 0.3), "noise": (0.3, 0.1, 1)}
# Labelled scans saved by each source.
SOURCES = {"better": 5, "equal": 0, "same": 0, "scratch": 0}
SIZES = (10, 20, 40)


def plain_interval(scores: np.ndarray, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """The percentile interval of a plain cluster bootstrap of the mean of scores (resamples, scans)."""
    by_resample, by_scan = (rng.multinomial(n, np.full(n, 1 / n), size=draws) / n for n in scores.shape)
    low, high = np.quantile((by_resample @ scores * by_scan).sum(axis=1), bootstrap.tails())
    return low, high


def flipped_p(gains: np.ndarray, draws: int, rng: np.random.Generator) -> float:
    """The p-value of a sign-flip test of the scans' mean gains (S,)."""
    flipped = np.abs(rng.choice([-1, 1], (draws, len(gains))) @ gains)
    return float((1 + (flipped >= abs(gains.sum()) - 1e-12).sum()) / (1 + draws))


def of_means(scans: int, resamples: int, trials: int, draws: int = 1000) -> list[dict]:
    """Coverage of a true mean of 0, and false positive rate of its test, by the largest random effect."""
    rows = []
    for most, (of_scan, of_resample, noise) in EFFECTS.items():
        held = []
        for trial in range(trials):
            rng = np.random.default_rng([trial, scans, resamples])
            scores = rng.normal(0, of_scan, (1, scans)) + rng.normal(0, noise, (resamples, scans))
            # A single resample is not resampled: its interval concerns its own models.
            scores = scores + rng.normal(0, of_resample, (resamples, 1)) * (resamples > 1)
            weights = (bootstrap.weights(draws, n, 2 * trial + k) for k, n in enumerate(scores.shape))
            drawn = bootstrap.bootstrap_means(scores[None], np.ones_like(scores)[None], *weights)[:, 0]
            plain = plain_interval(scores, draws, rng)
            flipped = significant(flipped_p(scores.mean(axis=0), draws, rng))
            held.append([bootstrap.p_value(drawn) >= ALPHA, plain[0] <= 0 <= plain[1], flipped])
        share, plain, flips = np.mean(held, axis=0)
        design = {"spread": most, "scans": scans, "resamples": resamples, "trials": trials}
        rows.append({"what": "95 % CI contains the mean", **design, "share": share, "plain": plain})
        rows.append({"what": "mean of 0 is significant", **design, "share": 1 - share, "plain": flips})
    return rows


def of_studies(scans: int, resamples: int, trials: int, draws: int = 1000) -> list[dict]:
    """Coverage of gains and of scans saved in whole studies, and false positive rate among equal sources."""
    seen, errors = [], []
    for trial in range(trials):
        cells = list(tables.cells(simulated_scores(SOURCES, SIZES, resamples, scans, trial), draws, trial))
        gain, truth = cells[0].gain("better", "scratch"), true_score(SIZES[0], 5) - true_score(SIZES[0])
        row = learning_curves.saved(cells).set_index(["source", "size"]).loc[("better", SIZES[0])]
        low, high = (
            {"=": row[end], "<": -np.inf, ">": np.inf, "n/a": np.nan}[row[f"{end}_is"]] for end in ("low", "high")
        )
        compared = comparisons.compare(cells[:1])
        equal = compared[(compared["source"] != "better") & (compared["against"] != "better")]
        family = significant(comparisons.holm(equal["p"].to_list()))
        seen.append([gain.low <= truth <= gain.high, low <= 5 <= high, family.any()])
        errors.append(np.abs([row["saved"] - 5, row["saved_by_law"] - 5]))
    names = (
        "95 % CI contains the gain",
        "95 % CI contains the scans saved",
        "any of three equal sources is significant",
    )
    design = {"scans": scans, "resamples": resamples, "trials": trials}
    rows = [{"what": name, **design, "share": share} for name, share in zip(names, np.mean(seen, axis=0), strict=True)]
    both = np.array(errors)[~np.isnan(errors).any(axis=1)]
    curve, law = np.median(both, axis=0)
    return [*rows, {"what": "median error of 5 scans saved (plain: by law)", **design, "share": curve, "plain": law}]


def seconds(draws: int = 10_000) -> pd.DataFrame:
    """Run time of each table of a study of 8 sources, 10 sizes, 10 resamples and 104 test scans."""
    sources = {"scratch": 0} | {f"source-{k}": k for k in range(1, 8)}
    collected = simulated_scores(sources, range(10, 101, 10), 10, 104, 0, levels=("slice", "volume"))
    rows = []

    def timed(name: str, work: object) -> object:
        started = time.perf_counter()
        made = work()
        rows.append({"table": name, "seconds": time.perf_counter() - started, "draws": draws})
        return made

    cells = timed("draws", lambda: list(tables.cells(collected, draws, 1)))
    summary = timed("summary", lambda: tables.summary(cells))
    compared = timed("comparisons", lambda: comparisons.compare(cells))
    timed("gains", lambda: comparisons.gains(compared))
    timed("curves", lambda: learning_curves.laws(cells))
    saved = timed("saved", lambda: learning_curves.saved(cells))
    timed("verdict", lambda: verdict.verdict(summary, compared, saved))
    timed("mixed_model", lambda: mixed_model.model(collected))
    return pd.DataFrame(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=800)
    parser.add_argument("--time", action="store_true")
    asked = parser.parse_args()
    if asked.time:
        print(seconds().to_string(index=False))
    else:
        measured = [row for design in DESIGNS for row in of_means(*design, asked.trials)]
        measured += [row for design in STUDIES for row in of_studies(*design, asked.trials // 4)]
        keep(pd.DataFrame(measured), __file__)
