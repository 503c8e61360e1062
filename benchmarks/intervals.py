"""Made-up scores whose truth is known: how often intervals hold it, and how often equal sources seem not to be.

    python benchmarks/intervals.py --trials 800
    python benchmarks/intervals.py --time     # the tables of a study of the paper's size

``share``: of the trials, how many. ``plain``: the same of a cluster bootstrap whose draws are not stretched, and of a
test that flips the signs of the test scans' differences. In studies, scans and resamples have effects on all sources,
and on each source apart; the noise of single runs and scans comes on top.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from record import keep

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow_scripts"))

from headstart.evaluate import bootstrap, comparisons, learning_curves, mixed_model, tables, verdict  # noqa: E402

# score = a - b * n^-c
LAW = (0.7, 1.2, 0.6)
# Standard deviations of the effects: on all sources, on each source apart, and noise.
SPREAD = {"scan": 0.15, "own_scan": 0.04, "resample": 0.03, "own_resample": 0.02, "noise": 0.06}
# Test scans and resamples.
DESIGNS = ((3, 2), (5, 2), (10, 1), (10, 2), (10, 5), (20, 5), (20, 10), (104, 10))
STUDIES = ((5, 3), (20, 5), (104, 10))
# Standard deviations of scans, resamples and noise in a single mean.
EFFECTS = {"scans": (1, 0.5, 0.3), "resamples": (0.3, 1, 0.3), "noise": (0.3, 0.1, 1)}
SOURCES = {"better": 5, "equal": 0, "same": 0, "scratch": 0}
SIZES = (10, 20, 40)


def true_score(size: float, saved: float = 0) -> float:
    """Mean score with so many labelled scans of a source that saves so many."""
    a, b, c = LAW
    return a - b * (size + saved) ** -c


def made_up(
    sources: Mapping[str, float],
    sizes: Sequence[int],
    resamples: int,
    scans: int,
    seed: int,
    spread: Mapping[str, float] = SPREAD,
    levels: Sequence[str] = ("volume",),
) -> pd.DataFrame:
    """Scores as :func:`headstart.evaluate.tables.collect` gives them, of sources that each save so many labelled scans."""
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product(
        [sizes, sources, range(1, resamples + 1), [f"{s:03d}" for s in range(scans)]],
        names=["size", "source", "resample", "scan"],
    )
    shape = (len(sizes), len(sources), resamples, scans)
    means = np.array([[true_score(size, saved) for saved in sources.values()] for size in sizes])[..., None, None]
    scores = (
        means
        + rng.normal(0, spread["scan"], (1, 1, 1, scans))
        + rng.normal(0, spread["own_scan"], (1, len(sources), 1, scans))
        + rng.normal(0, spread["resample"], (len(sizes), 1, resamples, 1))
        + rng.normal(0, spread["own_resample"], (*shape[:3], 1))
        + rng.normal(0, spread["noise"], shape)
    )
    table = pd.DataFrame({"total": scores.ravel(), "count": 1}, index=index).reset_index()
    return pd.concat([table.assign(target="made-up", metric="dice", level=level) for level in levels])


def plain_interval(scores: np.ndarray, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """The percentile interval of a cluster bootstrap of the mean of scores (resamples, scans)."""
    by_resample, by_scan = (rng.multinomial(n, np.full(n, 1 / n), size=draws) / n for n in scores.shape)
    low, high = np.quantile((by_resample @ scores * by_scan).sum(axis=1), bootstrap.tails())
    return low, high


def flipped_p(gains: np.ndarray, draws: int, rng: np.random.Generator) -> float:
    """The p-value of sign flips of the scans' mean gains (S,)."""
    flipped = np.abs(rng.choice([-1, 1], (draws, len(gains))) @ gains)
    return float((1 + (flipped >= abs(gains.sum()) - 1e-12).sum()) / (1 + draws))


def of_means(scans: int, resamples: int, trials: int, draws: int = 1000) -> list[dict]:
    """How often an interval holds a mean of 0, and how often a test finds it to be none, by what differs most."""
    rows = []
    for most, (of_scan, of_resample, noise) in EFFECTS.items():
        held = []
        for trial in range(trials):
            rng = np.random.default_rng([trial, scans, resamples])
            scores = rng.normal(0, of_scan, (1, scans)) + rng.normal(0, noise, (resamples, scans))
            # One resample is not drawn from: intervals are about its own models.
            scores = scores + rng.normal(0, of_resample, (resamples, 1)) * (resamples > 1)
            weights = (bootstrap.weights(draws, n, 2 * trial + k) for k, n in enumerate(scores.shape))
            drawn = bootstrap.bootstrap_means(scores[None], np.ones_like(scores)[None], *weights)[:, 0]
            plain = plain_interval(scores, draws, rng)
            flipped = flipped_p(scores.mean(axis=0), draws, rng) < verdict.ALPHA
            held.append([bootstrap.p_value(drawn) >= verdict.ALPHA, plain[0] <= 0 <= plain[1], flipped])
        share, plain, flips = np.mean(held, axis=0)
        told = {"spread": most, "scans": scans, "resamples": resamples, "trials": trials}
        rows.append({"what": "interval holds the mean", **told, "share": share, "plain": plain})
        rows.append({"what": "mean told apart from itself", **told, "share": 1 - share, "plain": flips})
    return rows


def of_studies(scans: int, resamples: int, trials: int, draws: int = 1000) -> list[dict]:
    """How often whole studies' intervals of gains and scans saved hold the truth, and equal sources seem unequal."""
    seen, errors = [], []
    for trial in range(trials):
        cells = list(tables.cells(made_up(SOURCES, SIZES, resamples, scans, trial), draws, trial))
        gain, truth = cells[0].gain("better", "scratch"), true_score(SIZES[0], 5) - true_score(SIZES[0])
        row = learning_curves.saved(cells).set_index(["source", "size"]).loc[("better", SIZES[0])]
        low, high = (
            {"=": row[end], "<": -np.inf, ">": np.inf, "n/a": np.nan}[row[f"{end}_is"]] for end in ("low", "high")
        )
        compared = comparisons.compare(cells[:1])
        equal = compared[(compared["source"] != "better") & (compared["against"] != "better")]
        family = comparisons.holm(equal["p"].to_list()) < verdict.ALPHA
        seen.append([gain.low <= truth <= gain.high, low <= 5 <= high, family.any()])
        errors.append(np.abs([row["saved"] - 5, row["saved_by_law"] - 5]))
    names = ("interval holds the gain", "interval holds the scans saved", "any of three equal sources told apart")
    told = {"scans": scans, "resamples": resamples, "trials": trials}
    rows = [{"what": name, **told, "share": share} for name, share in zip(names, np.mean(seen, axis=0), strict=True)]
    both = np.array(errors)[~np.isnan(errors).any(axis=1)]
    curve, law = np.median(both, axis=0)
    return [*rows, {"what": "median error of 5 scans saved (plain: by law)", **told, "share": curve, "plain": law}]


def seconds(draws: int = 10_000) -> pd.DataFrame:
    """Time for each table of a study of 8 sources, 10 sizes, 10 resamples and 104 test scans."""
    sources = {"scratch": 0} | {f"source-{k}": k for k in range(1, 8)}
    collected = made_up(sources, range(10, 101, 10), 10, 104, 0, levels=("slice", "volume"))
    rows = []

    def timed(name: str, work: object) -> object:
        started = time.perf_counter()
        made = work()
        rows.append({"table": name, "seconds": time.perf_counter() - started, "draws": draws})
        return made

    cells = timed("draws", lambda: list(tables.cells(collected, draws, 1)))
    summary = timed("summary", lambda: tables.summary(cells))
    timed("gains", lambda: tables.gains(cells))
    compared = timed("comparisons", lambda: comparisons.compare(cells))
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
