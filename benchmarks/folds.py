"""Simulated studies with few scans: cross-validation and a fixed test set, with as many fine-tunings.

    python benchmarks/folds.py --trials 200

Every scan has an effect on the scores of the networks that are trained on it, as the scans of a pool in
benchmarks/intervals.py, and one on its own scores as a test scan; folds, test and training sets are those that studies
draw. ``share``: fraction of the trials, or the number that ``what`` names.
"""

import argparse
import functools
from pathlib import Path

import numpy as np
import pandas as pd
from intervals import ALONE, contains, over_scratch, rows
from record import keep

from headstart.datasets import splits
from headstart.datasets.scan import Scan
from headstart.evaluate import anova, tables

# One source is better than scratch, and six are as good as it.
SOURCES = ("better", *(f"equal-{k}" for k in range(1, 7)), "scratch")
GAIN = 0.05
# Standard deviations of effects on single sources, by what varies most: of test scans, of training sets of four scans,
# of seeds, and of single scores.
EFFECTS = {
    "sets": {"scan": 0.04, "set": 0.05, "seed": 0.01, "noise": 0.06},
    "seeds": {"scan": 0.04, "set": 0.005, "seed": 0.03, "noise": 0.06},
    "scans": {"scan": 0.08, "set": 0.02, "seed": 0.01, "noise": 0.03},
}
PEOPLE, FOLDS, REPEATS, HELD_OUT, SMALL = (12, 15, 30), 5, (1, 2, 4), 5, 4
# Different draws of a design, which trials have in turn.
DRAWS = 20


@functools.cache
def drawn(split: str, people: int, resamples: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For sets of four scans, and of as many as are left: training scans (R, n), and which are tested (R, people)."""
    cohort = [Scan("set", f"{n:02d}", f"p{n:02d}", Path("a"), (Path("b"),)) for n in range(people)]
    folded = split == "cross-validation"
    least = -(-people // FOLDS) if folded else HELD_OUT
    designs = []
    for size in (SMALL, people - least):
        found = [
            splits.draw("simulated", cohort, None if folded else HELD_OUT, size, resample, seed, split=split,
                        folds=FOLDS if folded else None)
            for resample in range(1, resamples + 1)
        ]  # fmt: skip
        tested = [[scan.subject in draw.test for scan in cohort] for draw in found]
        designs.append((np.array([list(map(int, draw.train)) for draw in found]), np.array(tested)))
    return designs


def cell_of(size: int, scores: np.ndarray, tested: np.ndarray, pool: int | None) -> tables.Cell:
    """Scores (K, R, S) of one set size as :func:`headstart.evaluate.tables.cells` has them, but without draws.

    ``tested`` (R, S): which of them there are; ``pool``: as ``population`` there.
    """
    key = {"target": "simulated", "size": size, "metric": "dice", "level": "volume"}
    counts = np.broadcast_to(tested, scores.shape).astype(float)
    totals = scores * counts
    means, by_scan = totals.sum(axis=(1, 2)) / counts.sum(axis=(1, 2)), totals.sum(axis=1) / counts.sum(axis=1)
    beyond = [size / (pool - size) if pool else 0.0]
    return tables.Cell(key, list(SOURCES), means, means[None], by_scan, *tested.shape,
                       [anova.influence(totals, counts)], beyond)  # fmt: skip


def of_design(split: str, people: int, resamples: int, effects: str, trials: int) -> list[dict]:
    """Coverage and width of confidence intervals of the mean gain, family-wise errors, and power."""
    seen, spread, folded = [], EFFECTS[effects], split == "cross-validation"
    for trial in range(trials):
        rng, designs = np.random.default_rng(trial), drawn(split, people, resamples, trial % DRAWS)
        as_test = rng.normal(0, spread["scan"], (len(SOURCES), 1, people))
        in_training = rng.normal(0, spread["set"] * np.sqrt(SMALL), (len(SOURCES), people))
        used = designs[0][1].any(axis=0)
        cells: dict[bool, list[tables.Cell]] = {False: [], True: []}
        for train, tested in designs:
            scores = as_test + in_training[:, train].mean(axis=2)[..., None]
            scores = scores + rng.normal(0, spread["seed"], (*scores.shape[:2], 1))
            scores = scores + rng.normal(0, spread["noise"], scores.shape)
            scores[0] += GAIN
            for population in (False, True)[: 1 + folded]:
                part = scores[..., used], tested[:, used], people if population else None
                cells[population].append(cell_of(train.shape[1], *part))
        pool = in_training[:, np.unique(designs[1][0])].mean(axis=1)
        truths = dict(zip(SOURCES, pool - pool[-1] + GAIN * (np.arange(len(SOURCES)) == 0), strict=True))
        own = over_scratch(tables.over_sizes(cells[False]), SOURCES[:-1])
        misses = [not contains(own.loc[name], truths[name], ("low", "high")) for name in SOURCES[1:-1]]
        better = own.loc["better"]
        found = {
            "95 % CI contains the mean gain with these scans": contains(better, truths["better"]),
            "any simultaneous CI of six equal sources misses their gain with these scans": any(misses),
            "the better source is significantly better": bool(better["significant"] & (better["difference"] > 0)),
            "median width of the 95 % CI for these scans": np.ptp(better[ALONE]),
        }
        if folded:
            others = over_scratch(tables.over_sizes(cells[True]), ["better"]).loc["better"]
            found |= {
                "95 % CI for the population contains the mean gain with others": contains(others, GAIN),
                "median width of the 95 % CI for the population": np.ptp(others[ALONE]),
            }
        seen.append(found)
    return rows(seen, {"split": split, "effects": effects, "people": people, "resamples": resamples})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    asked = parser.parse_args()
    table = [
        row
        for effects in EFFECTS
        for people in PEOPLE
        for repeats in REPEATS
        for split in ("cross-validation", "fixed")
        for row in of_design(split, people, repeats * FOLDS, effects, asked.trials)
    ]
    keep(pd.DataFrame(table), __file__)
