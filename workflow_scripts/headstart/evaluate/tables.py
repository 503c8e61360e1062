"""The study's tables of scores: from each run's scores to means with 95 % confidence intervals."""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from headstart.evaluate import bootstrap
from headstart.evaluate.scores import read_run, scan_scores
from headstart.metrics.overlap import Empty
from headstart.seeds import seed_for

BASELINE = "scratch"
METRICS = {"dice": "Dice", "miou": "mean IoU"}
RUN = ["target", "source", "size", "resample"]
CURVE = ["target", "metric", "level"]
CELL = ["target", "size", "metric", "level"]
AXES = ["source", "resample", "scan"]


def collect(
    paths: Sequence[str | os.PathLike],
    runs: Sequence[str],
    metrics: Mapping[str, str],
    tests: Mapping[str, Sequence[str]],
    empty: Empty,
) -> pd.DataFrame:
    """Sum and number of the scores of each scan in each run.

    Parameters
    ----------
    paths
        Each run's table of :func:`headstart.evaluate.scores.score_scan`.
    runs
        Names of the runs, ``target/source/size-n_resample-r``.
    metrics
        ``dice`` or ``miou`` by target.
    tests
        The scans that each ``target/size-n_resample-r`` must have scored.
    empty
        Score of what is empty in both ground truth and prediction, see :mod:`headstart.metrics.overlap`.

    Returns
    -------
    pandas.DataFrame
        Columns target, source, size, resample, metric, scan, level ("slice" or "volume"), total, count.

    Raises
    ------
    UserError
        If a run's table lacks a scan, or has another.
    """
    parts = []
    for path, run in zip(paths, runs, strict=True):
        table, metadata = read_run(path, run, tests)
        metric = metrics[metadata["target"]]
        parts.append(scan_scores(table, metric, empty).assign(**metadata, metric=metric))
    return pd.concat(parts, ignore_index=True)[[*RUN, "metric", "scan", "level", "total", "count"]]


def scores(collected: pd.DataFrame) -> pd.DataFrame:
    """The mean score of each run, over its slices and over its volumes."""
    sums = collected.groupby([*RUN, "metric", "level"], sort=True)[["total", "count"]].sum().reset_index()
    return sums.assign(score=sums["total"] / sums["count"]).drop(columns=["total", "count"])


def of_fine_tuned(collected: pd.DataFrame) -> pd.DataFrame:
    """The rows of :func:`collect` of models that were fine-tuned: not of set size 0, which the baseline lacks."""
    return collected[collected["size"] > 0]


@dataclass(frozen=True)
class Cell:
    """The scores of K sources at one set size of a target, over slices or over volumes.

    ``key``: target, size, metric, level; ``means`` (K,): mean scores; ``drawn`` (D, K): mean scores in each draw of
    the bootstrap; ``by_scan`` (K, S): the mean score of each scan over the resamples, NaN without scores;
    ``resamples`` and ``scans``: their numbers.
    """

    key: Mapping[str, object]
    sources: Sequence[str]
    means: np.ndarray
    drawn: np.ndarray
    by_scan: np.ndarray
    resamples: int
    scans: int

    def differences(self, source: str, against: str) -> np.ndarray:
        """Mean score of one source minus that of another, in each draw: (D,)."""
        one, other = self.sources.index(source), self.sources.index(against)
        return self.drawn[:, one] - self.drawn[:, other]

    def gain(self, source: str, against: str) -> bootstrap.Interval:
        """Mean score of one source minus that of another, with its 95 % confidence interval."""
        one, other = self.sources.index(source), self.sources.index(against)
        return bootstrap.interval(self.means[one] - self.means[other], self.differences(source, against), -1, 1)


def summary(cells: Iterable[Cell]) -> pd.DataFrame:
    """The mean score of each source at each set size, with its 95 % confidence interval, from :func:`cells`."""
    rows = []
    for cell in cells:
        for k, source in enumerate(cell.sources):
            found = bootstrap.interval(cell.means[k], cell.drawn[:, k], 0, 1)
            rows.append({**cell.key, "source": source, "score": found.estimate, "low": found.low, "high": found.high,
                         "resamples": cell.resamples, "scans": cell.scans})  # fmt: skip
    return pd.DataFrame(rows)


def cells(collected: pd.DataFrame, draws: int, seed: int) -> Iterator[Cell]:
    """The scores of each target, size and level, with ``draws`` bootstrap draws.

    All sizes of a target share the draws of its test scans; each size has its own draws of resamples, because the r-th
    set of one size is unrelated to the r-th of another (:func:`headstart.datasets.splits.draw`).
    """
    for (target, metric, level), part in collected.groupby(CURVE, sort=True):
        scans = sorted(part["scan"].unique())
        by_scan = bootstrap.weights(draws, len(scans), seed_for(seed, target, "scans"))
        for size, sized in part.groupby("size", sort=True):
            sources, resamples = sorted(sized["source"].unique()), sorted(sized["resample"].unique())
            by_resample = bootstrap.weights(draws, len(resamples), seed_for(seed, target, "resamples", size))
            totals, counts = arranged(sized, ("total", "count"), (sources, resamples, scans))
            drawn = bootstrap.bootstrap_means(totals, counts, by_resample, by_scan)
            with np.errstate(invalid="ignore"):
                each = totals.sum(axis=1) / counts.sum(axis=1)
            key = dict(zip(CELL, (target, size, metric, level), strict=True))
            yield Cell(key, sources, bootstrap.mean_score(totals, counts), drawn, each, *totals.shape[1:])


def arranged(part: pd.DataFrame, columns: Sequence[str], names: Sequence[Sequence]) -> list[np.ndarray]:
    """Columns of a table with one row per scan as float64 (K, R, S), 0 where there is no row.

    ``names``: the sources, resamples and scans, in the order of the axes.
    """
    index = pd.MultiIndex.from_product(names, names=AXES)
    filled = part.set_index(AXES)[list(columns)].reindex(index, fill_value=0)
    return [filled[column].to_numpy(float).reshape([len(listed) for listed in names]) for column in columns]


def by_target(cells: Iterable[Cell]) -> Iterator[tuple[Mapping[str, object], list[Cell]]]:
    """The cells of each target and level, by increasing set size, with the part of the key that they share."""
    for _, group in itertools.groupby(cells, lambda cell: [cell.key[name] for name in CURVE]):
        listed = list(group)
        yield {name: listed[0].key[name] for name in CURVE}, listed
