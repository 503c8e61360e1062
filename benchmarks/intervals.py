"""Simulated scores with known true means: coverage of confidence intervals, false claims, and power.

    python benchmarks/intervals.py --trials 100
    python benchmarks/intervals.py --time     # the tables of a study of the paper's size

``share``: fraction of the trials, or the number that ``what`` names. Scans and resamples have effects common to all
sources and effects on single sources, in addition to the noise of single runs and scans.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from record import keep
from scipy import stats

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "tests")]

from simulated_scores import SPREAD, pooled_scores, simulated_arrays, simulated_scores, true_score  # noqa: E402

from headstart.evaluate import anova, comparisons, learning_curves, tables, verdict  # noqa: E402

# Standard deviations of the random effects, by the largest; the first is that of the tests.
SPREADS = {
    "mixed": SPREAD,
    "scans": SPREAD | {"own_scan": 0.08, "own_resample": 0.01, "noise": 0.03},
    "resamples": SPREAD | {"own_scan": 0.01, "own_resample": 0.08, "noise": 0.03},
    "noise": SPREAD | {"own_scan": 0, "own_resample": 0, "noise": 0.1},
}
# Largest effect, resamples, test scans, and trials as a share of those asked for.
STUDIES = (
    *(("mixed", *design, 1) for design in ((2, 3), (3, 5), (5, 8), (10, 20), (10, 104))),
    *((largest, *design, 0.5) for largest in ("scans", "resamples", "noise") for design in ((3, 5), (10, 20))),
)
CURVES = ((2, 3), (3, 5), (10, 20), (10, 104))
SIZES = (10, 20, 40)
# Labelled scans saved by each source: one is better than scratch, and six are as good as it.
SOURCES = {"better": 5, **{f"equal-{k}": 0 for k in range(1, 7)}, "scratch": 0}
ALONE = ["alone_low", "alone_high"]
MARGIN = 0.02
UNTRAINED = ((2, 3), (3, 5), (5, 8), (10, 20))
POOLS = ((10, 20), (10, 104))
# Scans of each set and of the pool that it is drawn from, and what varies most between sets.
POOLED = ((15, 30, "sets"), (15, 30, "seeds"), (30, 30, "sets"))
POOL_SPREADS = {
    "sets": {"own_scan": 0.04, "own_resample": 0.05, "seed": 0.01, "noise": 0.06},
    "seeds": {"own_scan": 0.04, "own_resample": 0.005, "seed": 0.03, "noise": 0.06},
}


def over_scratch(cell: tables.Cell, sources: Sequence[str]) -> pd.DataFrame:
    """The rows of comparisons with scratch, by source, with the 95 % confidence intervals that each has for itself."""
    pairs = [(source, "scratch") for source in sources]
    found = pd.DataFrame(comparisons.family(cell, "scratch", pairs)).set_index("source")
    reach = stats.t.isf(0.025, found["degrees"].astype(float)) * found["error"]
    return found.assign(alone_low=found["difference"] - reach, alone_high=found["difference"] + reach)


def contains(row: pd.Series, truth: float, ends: tuple[str, str] = ("alone_low", "alone_high")) -> bool:
    """Whether an interval contains the true value."""
    return bool(row[ends[0]] <= truth <= row[ends[1]])


def cell_of(size: int, scores: np.ndarray, sources: Sequence[str] = tuple(SOURCES)) -> tables.Cell:
    """Scores (K, R, S) of one set size as :func:`headstart.evaluate.tables.cells` has them, but without draws."""
    key = {"target": "simulated", "size": size, "metric": "dice", "level": "volume"}
    means, influence = scores.mean(axis=(1, 2)), anova.influence(scores, np.ones_like(scores))
    return tables.Cell(key, list(sources), means, means[None], scores.mean(axis=1), *scores.shape[1:], [influence], [0])


def of_studies(spread: str, resamples: int, scans: int, trials: int) -> list[dict]:
    """Coverage and width of confidence intervals of a gain, false claims, and power."""
    seen = []
    truths = [true_score(size, SOURCES["better"]) - true_score(size) for size in SIZES]
    for trial in range(trials):
        simulated = simulated_arrays(SOURCES, SIZES, resamples, scans, trial, SPREADS[spread])
        cells = [cell_of(size, scores) for size, scores in zip(SIZES, simulated, strict=True)]
        others = [source for source in SOURCES if source != "scratch"]
        first, mean = over_scratch(cells[0], ["better"]), over_scratch(tables.over_sizes(cells), others)
        null, planted = mean.drop(index="better"), mean.loc["better"]
        score = tables.summary(cells[:1]).set_index("source").loc["scratch"]
        seen.append({
            "95 % CI contains the score": contains(score, true_score(SIZES[0]), ("low", "high")),
            "95 % CI contains the gain at one set size": contains(first.loc["better"], truths[0]),
            "95 % CI contains the mean gain": contains(planted, np.mean(truths)),
            "any equal source is significantly different": null["significant"].any(),
            "any equal source is significantly better": (null["significant"] & (null["difference"] > 0)).any(),
            "the better source is significantly better": bool(planted["significant"] & (planted["difference"] > 0)),
            "median width of the 95 % CI of the gain at one set size": np.ptp(first.loc["better", ALONE]),
            "median width of the 95 % CI of the mean gain": np.ptp(planted[ALONE]),
        })  # fmt: skip
    return rows(seen, {"effects": spread, "resamples": resamples, "scans": scans})


def of_curves(resamples: int, scans: int, trials: int, draws: int = 1000) -> list[dict]:
    """Coverage and error of scans saved."""
    seen, planted = [], SOURCES["better"]
    for trial in range(trials):
        collected = simulated_scores({"better": planted, "scratch": 0}, SIZES, resamples, scans, trial)
        row = learning_curves.saved(tables.cells(collected, draws, trial)).set_index("size").loc[SIZES[0]]
        low, high = (
            {"=": row[end], "<": -np.inf, ">": np.inf, "n/a": np.nan}[row[f"{end}_is"]] for end in ("low", "high")
        )
        seen.append({
            "95 % CI contains the scans saved": low <= planted <= high,
            "median error of the scans saved": abs(row["saved"] - planted),
            "both ends of the 95 % CI lie within the set sizes": np.isfinite([low, high]).all(),
        })  # fmt: skip
    return rows(seen, {"effects": "mixed", "resamples": resamples, "scans": scans})


def of_pools(size: int, pool: int, effects: str, resamples: int, scans: int, trials: int) -> list[dict]:
    """Coverage of the gain of a source that is as good as scratch, where sets are drawn from a small pool."""
    seen = []
    for trial in range(trials):
        shape = (size, pool, resamples, scans, trial)
        collected, with_these = pooled_scores(["better", "scratch"], *shape, POOL_SPREADS[effects])
        (these,) = tables.cells(collected, 10, trial)
        own = over_scratch(these, ["better"]).loc["better"]
        found = {
            "95 % CI contains the gain with these scans": contains(own, with_these["better"] - with_these["scratch"]),
            "95 % CI for these scans contains the gain with others": contains(own, 0),
        }
        if size < pool:
            (others,) = tables.cells(collected, 10, trial, {"simulated": pool})
            beyond = over_scratch(others, ["better"]).loc["better"]
            found |= {
                "95 % CI for the population contains the gain with others": contains(beyond, 0),
                "median width of the 95 % CI for the population": np.ptp(beyond[ALONE]),
            }
        seen.append(found | {"median width of the 95 % CI for these scans": np.ptp(own[ALONE])})
    return rows(seen, {"effects": effects, "sets": f"{size} of {pool}", "resamples": resamples, "scans": scans})


def of_one_resample(scans: int, trials: int) -> list[dict]:
    """Coverage of a mean score by the interval over the scans of one model each: of that model, and of its source."""
    seen = []
    for trial in range(trials):
        collected = simulated_scores({"scratch": 0}, SIZES[:1], 1, scans, trial)
        row = tables.summary(tables.cells(collected, 10, trial)).iloc[0]
        seen.append({"95 % CI contains the score": contains(row, true_score(SIZES[0]), ("low", "high"))})
    return rows(seen, {"effects": "mixed", "resamples": 1, "scans": scans})


def of_untrained(resamples: int, scans: int, trials: int) -> list[dict]:
    """Coverage of the gain of a source that is not trained on any set, such as a rater, and as good as scratch."""
    seen = []
    for trial in range(trials):
        # The same scans; what training sets differ in is left out of the one score of each scan.
        shape = ({"rater": 0, "scratch": 0}, SIZES[:1], resamples, scans, trial)
        (scores,) = simulated_arrays(*shape)
        (alone,) = simulated_arrays(*shape, SPREAD | {"resample": 0, "own_resample": 0})
        scores[0] = alone[0, :1]
        gain = over_scratch(cell_of(SIZES[0], scores, list(shape[0])), ["rater"]).loc["rater"]
        seen.append({
            "95 % CI contains the gain of what is not trained": contains(gain, 0),
            "median width of the 95 % CI of this gain": np.ptp(gain[ALONE]),
        })  # fmt: skip
    return rows(seen, {"effects": "mixed", "resamples": resamples, "scans": scans})


def rows(seen: list[dict], design: dict) -> list[dict]:
    """One row per quantity of simulated studies: its mean, or its median where it is called so."""
    found = pd.DataFrame(seen)
    return [
        {"what": name, **design, "trials": len(found),
         "share": found[name].median() if name.startswith("median") else found[name].mean()}
        for name in found
    ]  # fmt: skip


def seconds(draws: int = 10_000) -> pd.DataFrame:
    """Run time of each table of a study of 8 sources, 10 sizes, 10 resamples and 104 test scans."""
    sources = {"scratch": 0} | {f"source-{k}": k for k in range(1, 8)}
    collected = simulated_scores(sources, range(10, 101, 10), 10, 104, 0, levels=("slice", "volume"))
    measured = []

    def timed(name: str, work: object) -> object:
        started = time.perf_counter()
        made = work()
        measured.append({"table": name, "seconds": time.perf_counter() - started, "draws": draws})
        return made

    cells = timed("draws", lambda: list(tables.cells(collected, draws, 1)))
    timed("summary", lambda: tables.summary(cells))
    compared = timed("comparisons", lambda: comparisons.compare(cells))
    timed("gains", lambda: comparisons.gains(compared))
    timed("curves", lambda: learning_curves.laws(cells))
    saved = timed("saved", lambda: learning_curves.saved(cells))
    timed("verdict", lambda: verdict.verdict(cells, compared, saved, MARGIN, {}, "these"))
    return pd.DataFrame(measured)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--time", action="store_true")
    asked = parser.parse_args()
    if asked.time:
        print(seconds().to_string(index=False))
    else:
        table = [row for *study, part in STUDIES for row in of_studies(*study, int(part * asked.trials))]
        table += [row for design in CURVES for row in of_curves(*design, asked.trials // 2)]
        table += [row for pooled in POOLED for design in POOLS for row in of_pools(*pooled, *design, asked.trials)]
        table += of_one_resample(20, asked.trials)
        table += [row for design in UNTRAINED for row in of_untrained(*design, 3 * asked.trials)]
        keep(pd.DataFrame(table), __file__)
