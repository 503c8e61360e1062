"""Made-up scores whose truth is known: how often intervals hold it, and how often equal sources seem not to be.

    python benchmarks/intervals.py --trials 500
    python benchmarks/intervals.py --time     # the tables of a study of the paper's size

Scans and resamples have effects on all sources, and on each source apart; the noise of single runs and scans comes on
top. ``plain_*`` columns: the cluster bootstrap without stretching, and sign flips of the test scans' differences.
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

from headstart import comparisons, curves, mixed, statistics, tables, verdict  # noqa: E402

# score = a - b * n^-c
LAW = (0.7, 1.2, 0.6)
# Standard deviations of the effects: on all sources, on each source apart, and noise.
SPREAD = {"scan": 0.15, "own_scan": 0.04, "resample": 0.03, "own_resample": 0.02, "noise": 0.06}
DESIGNS = ((3, 2), (5, 3), (10, 2), (10, 5), (20, 3), (20, 10), (104, 10))


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
    """Scores as :func:`headstart.tables.collect` gives them, of sources that each save so many labelled scans."""
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
    low, high = np.quantile((by_resample @ scores * by_scan).sum(axis=1), statistics.tails())
    return low, high


def flipped_p(gains: np.ndarray, draws: int, rng: np.random.Generator) -> float:
    """The p-value of sign flips of the scans' mean gains (S,)."""
    flipped = np.abs(rng.choice([-1, 1], (draws, len(gains))) @ gains)
    return float((1 + (flipped >= abs(gains.sum()) - 1e-12).sum()) / (1 + draws))


def coverage(scans: int, resamples: int, trials: int, draws: int = 1000, sizes: Sequence[int] = (10, 20, 40)) -> dict:
    """Shares of trials in which intervals hold the truth and equal sources seem unequal, and intervals' widths.

    Sources: the baseline, one that saves 5 labelled scans, and two that save none.
    """
    sources, held, width = {"better": 5, "equal": 0, "same": 0, "scratch": 0}, [], []
    for trial in range(trials):
        collected = made_up(sources, sizes, resamples, scans, trial)
        cells = list(tables.cells(collected, draws, trial))
        first, saved = cells[0], curves.saved(cells).set_index(["source", "size"]).loc[("better", sizes[0])]
        score = statistics.interval(first.means[3], first.drawn[:, 3])
        gain = first.gain("better", "scratch")
        low, high = (
            {"=": end, "<": -np.inf, ">": np.inf}.get(sign, np.nan)
            for end, sign in ((saved["low"], saved["low_is"]), (saved["high"], saved["high_is"]))
        )
        compared = comparisons.compare([first])
        alike = compared[compared["source"] != "better"].query("against != 'better'")
        wide = collected[collected["size"] == sizes[0]].pivot(
            index=["resample", "scan"], columns="source", values="total"
        )
        difference, rng = (wide["equal"] - wide["scratch"]).unstack(), np.random.default_rng(trial)
        plain = plain_interval(wide["scratch"].unstack().to_numpy(), draws, rng)
        plain_gain = plain_interval(difference.to_numpy(), draws, rng)
        held.append(
            {
                "score": score.low <= true_score(sizes[0]) <= score.high,
                "plain_score": plain[0] <= true_score(sizes[0]) <= plain[1],
                "gain": gain.low <= true_score(sizes[0], 5) - true_score(sizes[0]) <= gain.high,
                "plain_gain": plain_gain[0] <= 0 <= plain_gain[1],
                "saved": low <= 5 <= high,
                "false_alarms": (alike["p"] < verdict.ALPHA).mean(),
                "plain_false_alarms": flipped_p(difference.mean().to_numpy(), draws, rng) < verdict.ALPHA,
                "false_alarms_a_family": (comparisons.holm(alike["p"].to_list()) < verdict.ALPHA).any(),
            }
        )
        width.append({"gain_width": gain.high - gain.low, "saved_error": abs(saved["saved"] - 5),
                      "saved_by_law_error": abs(saved["saved_by_law"] - 5)})  # fmt: skip
    measured = {**pd.DataFrame(held).astype(float).mean(), **pd.DataFrame(width).median()}
    return {"scans": scans, "resamples": resamples, "trials": trials, **measured}


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
    timed("curves", lambda: curves.laws(cells))
    saved = timed("saved", lambda: curves.saved(cells))
    timed("verdict", lambda: verdict.verdict(summary, compared, saved))
    timed("mixed_model", lambda: mixed.model(collected))
    return pd.DataFrame(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--time", action="store_true")
    asked = parser.parse_args()
    if asked.time:
        print(seconds().to_string(index=False))
    else:
        keep(pd.DataFrame([coverage(*design, asked.trials) for design in DESIGNS]), __file__)
