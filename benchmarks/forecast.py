"""Forecasts of learning curves: how often their 95 % intervals hold what a study of more scans would find.

    python benchmarks/forecast.py --trials 200

Simulated studies: the mean score follows a known ``curve`` of the number of labelled scans; test scans, resamples and
their noise are those of benchmarks/intervals.py. ``score``, ``scans``: fraction of the trials in which the forecast
from ``fitted_on`` holds the true mean score at ``size``, twice the largest set size, and the scans needed for that
score. ``backtest``: fraction in which the forecast without the largest set size holds the score measured there.
``width``: mean widths of the intervals of scores.

Real scans: the learning curves of benchmarks/head_start.tsv, of all sources, networks and lengths of training with at
least three set sizes. The table has no draws, so that those of each size are normal, independent of other sizes, and
have the confidence interval of the table. The sources share training sets and test scans: these back-tests are not
independent of one another.
"""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from record import keep

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "tests")]

from simulated_scores import simulated_scores, true_score  # noqa: E402

from headstart.evaluate import bootstrap, needed, tables  # noqa: E402

CURVES: dict[str, Callable[[float], float]] = {
    "power, exponent 0.6": lambda n: 0.7 - 0.6 * n**-0.6,
    "power, exponent 0.2": lambda n: 0.95 - 0.75 * n**-0.2,
    "exponential, scale 6": lambda n: 0.65 - 0.4 * np.exp(-n / 6),
    "exponential, scale 15": lambda n: 0.8 - 0.6 * np.exp(-n / 15),
    "arctangent, scale 4": lambda n: 0.1 + 0.4 * np.arctan(n / 4),
    "logarithm": lambda n: 0.3 + 0.1 * np.log(n),
    "constant": lambda n: 0.6 + 0 * n,
}
# Set sizes, resamples and test scans.
DESIGNS = (((1, 2, 4), 5, 8), ((1, 2, 4, 8), 5, 8), ((10, 20, 40), 10, 20), ((5, 10, 20, 40), 10, 20))
DRAWS = 1000
CONDITION = ["target", "network", "steps", "augmentation", "source"]


def of_simulations(trials: int) -> list[dict]:
    """Shares over the trials, one row per design and curve."""
    rows = []
    for sizes, resamples, scans in DESIGNS:
        found = {name: [] for name in CURVES}
        for trial in range(trials):
            cells = list(tables.cells(simulated_scores({"scratch": 0}, sizes, resamples, scans, trial), DRAWS, trial))
            for name, curve in CURVES.items():
                found[name].append(held([following(curve, cell) for cell in cells], curve, trial))
        design = {"scores": "simulated", "fitted_on": ", ".join(map(str, sizes)), "size": 2 * sizes[-1]}
        design |= {"resamples": resamples, "test_scans": scans, "curves": trials}
        for name, results in found.items():
            rows.append({"curve": name} | design | pd.DataFrame(results).astype(float).mean().to_dict())
    return rows


def following(curve: Callable[[float], float], cell: tables.Cell) -> tables.Cell:
    """Simulated scores, which all have the same deviations, about the mean of another learning curve."""
    shift = curve(cell.key["size"]) - true_score(cell.key["size"])
    return dataclasses.replace(cell, means=cell.means + shift, drawn=cell.drawn + shift)


def held(cells: Sequence[tables.Cell], curve: Callable[[float], float], seed: int) -> dict:
    """What the forecasts of one simulated study hold."""
    doubled = 2 * cells[-1].key["size"]
    truth = float(curve(doubled))
    (found,) = needed.of_sources(cells, seed).values()
    low, high = np.quantile(found.law.scores(doubled), bootstrap.tails())
    reached = found.reach(truth)
    fewest = 0 if reached.low.sign == needed.FEWER else reached.low.value
    most = np.inf if reached.high.sign == needed.MORE else reached.high.value
    tested = needed.backtest(cells, seed).iloc[0]
    return {
        "score": low <= truth <= high,
        "width": high - low,
        # A constant curve has its score at any size.
        "scans": fewest <= doubled <= most if curve(1) < truth else np.nan,
        "backtest": tested["held"],
        "backtest_width": tested["high"] - tested["low"],
    }


def of_real_scans(path: Path) -> list[dict]:
    """Back-tests of the measured learning curves, one row per length of training, and one for all."""
    table = pd.read_csv(path, sep="\t").sort_values("scans")
    tested = []
    for condition, curve in table[table["scans"] > 0].groupby(CONDITION):
        if len(curve) >= needed.LEAST_SIZES:
            cells = [cell_of(row) for row in curve.to_dict("records")]
            found = needed.backtest(cells, 0).iloc[0]
            result = {"backtest": found["held"], "backtest_width": found["high"] - found["low"]}
            tested.append(dict(zip(CONDITION, condition, strict=True)) | result)
    found = pd.DataFrame(tested)
    groups = [(f"{steps} updates, {target}", part) for (steps, target), part in found.groupby(["steps", "target"])]
    return [
        {"scores": "real scans", "curve": name, "curves": len(part)}
        | part[["backtest", "backtest_width"]].astype(float).mean().to_dict()
        for name, part in [*groups, ("all", found)]
    ]


def cell_of(row: dict) -> tables.Cell:
    """The scores of one source at one set size, with draws that have its confidence interval."""
    rng = np.random.default_rng(row["scans"])
    deviation = (row["score_high"] - row["score_low"]) / (2 * 1.96)
    key = {"target": row["target"], "size": row["scans"], "metric": "miou", "level": tables.LEVEL}
    means = np.array([row["score"]])
    drawn = means + rng.normal(0, deviation, (DRAWS, 1))
    shape = row["training_sets"], row["test_scans"]
    return tables.Cell(key, [row["source"]], means, drawn, means[:, None], *shape, [np.zeros((1, *shape))], [0.0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    rows = of_simulations(parser.parse_args().trials) + of_real_scans(Path(__file__).with_name("head_start.tsv"))
    keep(pd.DataFrame(rows), __file__)
