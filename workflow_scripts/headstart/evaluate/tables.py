"""The study's tables of scores: from each run's scores to means with 95 % confidence intervals."""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from headstart.evaluate import anova, bootstrap
from headstart.evaluate.scores import read_runs, scan_scores
from headstart.metrics.overlap import Empty
from headstart.seeds import seed_for

BASELINE = "scratch"
# Whole volumes, on which verdicts, figures and forecasts rest.
LEVEL = "volume"
METRICS = {"dice": "Dice", "miou": "mean IoU"}
RUN = ["target", "source", "size", "resample"]
CURVE = ["target", "metric", "level"]
CELL = ["target", "size", "metric", "level"]
ALL_SIZES = "all"
# Of scores, by scan and run.
COLLECTED = [*RUN, "metric", "scan", "level", "total", "count"]
AXES = ["source", "resample", "scan"]


def metric_name(metric: str) -> str:
    """The name of a metric for readers; scores that were computed elsewhere may have one of their own."""
    return METRICS.get(metric, metric)


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
    for table, metadata in read_runs(paths, runs, tests):
        metric = metrics[metadata["target"]]
        parts.append(scan_scores(table, metric, empty).assign(**metadata, metric=metric))
    return pd.concat(parts, ignore_index=True)[COLLECTED]


def scores(collected: pd.DataFrame) -> pd.DataFrame:
    """The mean score of each run, over its slices and over its volumes."""
    sums = collected.groupby([*RUN, "metric", "level"], sort=True)[["total", "count"]].sum().reset_index()
    return sums.assign(score=sums["total"] / sums["count"]).drop(columns=["total", "count"])


def of_fine_tuned(collected: pd.DataFrame) -> pd.DataFrame:
    """The rows of :func:`collect` of models that were fine-tuned: not of set size 0, which the baseline lacks."""
    return collected[collected["size"] > 0]


@dataclass(frozen=True)
class Roles:
    """What sources are in a comparison.

    ``baseline``: the one that the others are compared with; ``untrained``: those that are not trained on any set, whose
    one prediction of a scan stands in each resample.
    """

    baseline: str = BASELINE
    untrained: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Cell:
    """The scores of K sources at one set size of a target, or averaged over its T sizes, over slices or over volumes.

    ``key``: target, size, metric, level; ``means`` (K,): mean scores; ``drawn`` (D, K): mean scores in each draw of the
    bootstrap; ``by_scan`` (K, S): the mean score of each scan over the resamples, NaN without scores; ``resamples`` and
    ``scans``: their numbers. ``contributions``: for each of the T sizes (or the one) what scans and resamples
    contribute to the means, (K, R, S); ``beyond``: for each of them, the variance of what resamples have in common. See
    :func:`headstart.evaluate.anova.spread` on both. ``roles``: those of the sources.
    """

    key: Mapping[str, object]
    sources: Sequence[str]
    means: np.ndarray
    drawn: np.ndarray
    by_scan: np.ndarray
    resamples: int
    scans: int
    contributions: Sequence[np.ndarray]
    beyond: Sequence[float]
    roles: Roles = Roles()

    @property
    def baseline(self) -> str:
        """The source that the others are compared with; it need not be among them."""
        return self.roles.baseline

    def trained(self) -> "Cell":
        """The same without the sources that are not trained, which have no learning curve."""
        kept = [k for k, source in enumerate(self.sources) if source not in self.roles.untrained]
        if len(kept) == len(self.sources):
            return self
        return replace(
            self,
            sources=[self.sources[k] for k in kept],
            means=self.means[kept],
            drawn=self.drawn[:, kept],
            by_scan=self.by_scan[kept],
            contributions=[part[kept] for part in self.contributions],
        )

    def spread(self, source: str) -> anova.Spread:
        """The variance of the mean score of a source."""
        return anova.spread([part[self.sources.index(source)] for part in self.contributions], self.beyond)


def over_sizes(group: Sequence[Cell]) -> Cell:
    """The mean over a target's set sizes, with equal weights, of its cells of one level; one size stays as it is."""
    if len(group) == 1:
        return group[0]
    return Cell(
        {**group[0].key, "size": ALL_SIZES},
        group[0].sources,
        np.mean([cell.means for cell in group], axis=0),
        np.mean([cell.drawn for cell in group], axis=0),
        np.mean([cell.by_scan for cell in group], axis=0),
        max(cell.resamples for cell in group),
        max(cell.scans for cell in group),
        [part / len(group) for cell in group for part in cell.contributions],
        [share for cell in group for share in cell.beyond],
        group[0].roles,
    )


def summary(cells: Iterable[Cell]) -> pd.DataFrame:
    """The mean score of each source at each set size, with its 95 % confidence interval, from :func:`cells`.

    The interval is by Student's t and :func:`headstart.evaluate.anova.spread`. Where there is one resample, it concerns
    these very models.
    """
    rows = []
    for cell in cells:
        for k, source in enumerate(cell.sources):
            found = cell.spread(source)
            reach = stats.t.isf((1 - bootstrap.CONFIDENCE) / 2, found.degrees) * np.sqrt(found.variance)
            low, high = np.clip([cell.means[k] - reach, cell.means[k] + reach], 0, 1)
            rows.append({**cell.key, "source": source, "score": cell.means[k], "low": low, "high": high,
                         "resamples": cell.resamples, "scans": cell.scans})  # fmt: skip
    return pd.DataFrame(rows)


def cells(
    collected: pd.DataFrame,
    draws: int,
    seed: int,
    population: Mapping[str, int] | None = None,
    roles: Roles = Roles(),
) -> Iterator[Cell]:
    """The scores of each target, size and level, with ``draws`` bootstrap draws.

    All sizes of a target share the draws of its test scans. Each size has its own draws of resamples, because the r-th
    set of one size is unrelated to the r-th of another (:func:`headstart.datasets.splits.draw`); their variance is
    pooled over the sizes. ``population``: for each target whose results concern the population of the scans from which
    the N scans outside the test set are drawn, N; the results of other targets concern training sets of these scans.
    ``roles``: those of the sources.
    """
    for (target, metric, level), part in collected.groupby(CURVE, sort=True):
        scans = sorted(part["scan"].unique())
        by_scan = bootstrap.weights(draws, len(scans), seed_for(seed, target, "scans"))
        sized = [_Scores.of(size, table, scans, (population or {}).get(target)) for size, table in part.groupby("size")]
        deviations = _pooled(sized)
        shared = np.random.default_rng(seed_for(seed, target, "resamples"))
        stretch = 1 / np.sqrt(shared.chisquare(max(1, sum(max(0, one.resamples - 1) for one in sized)), (draws, 1)))
        common = shared.normal(size=(draws, len(deviations)))
        for one in sized:
            own = np.random.default_rng(seed_for(seed, target, "resamples", one.size)).normal(size=common.shape)
            drawn = one.means + by_scan @ np.nan_to_num(one.influence).sum(axis=1).T
            if one.resamples > 1:
                weights = (own / np.sqrt(one.resamples) + common * np.sqrt(one.beyond)) * stretch
                drawn = drawn + weights @ deviations[one.sources].to_numpy()
            drawn = np.where(bootstrap.has_spread(one.counts), drawn, np.nan)
            key = dict(zip(CELL, (target, one.size, metric, level), strict=True))
            yield Cell(key, one.sources, one.means, drawn, one.by_scan, one.resamples, len(scans), [one.influence],
                       [one.beyond], roles)  # fmt: skip


@dataclass(frozen=True)
class _Scores:
    """The scores of one set size: numbers (K, R, S), means (K,), means by scan (K, S), influence (K, R, S)."""

    size: int
    sources: Sequence[str]
    counts: np.ndarray
    means: np.ndarray
    by_scan: np.ndarray
    influence: np.ndarray
    beyond: float

    @property
    def resamples(self) -> int:
        return self.counts.shape[1]

    @classmethod
    def of(cls, size: int, table: pd.DataFrame, scans: Sequence[str], population: int | None) -> "_Scores":
        """From the rows of :func:`collect` of one set size; ``scans``: those of all sizes."""
        sources, resamples = sorted(table["source"].unique()), sorted(table["resample"].unique())
        totals, counts = arranged(table, ("total", "count"), (sources, resamples, scans))
        with np.errstate(invalid="ignore"):
            by_scan = totals.sum(axis=1) / counts.sum(axis=1)
        beyond = size / (population - size) if population else 0.0
        means = bootstrap.mean_score(totals, counts)
        return cls(size, sources, counts, means, by_scan, anova.influence(totals, counts), beyond)


def _pooled(sized: Sequence[_Scores]) -> pd.DataFrame:
    """How far each resample's mean is from that of its set size, one row per resample of all sizes, by source."""
    parts = [
        pd.DataFrame((np.nan_to_num(one.influence).sum(axis=2) * one.resamples).T, columns=one.sources)
        for one in sized if one.resamples > 1
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True).fillna(0) if parts else pd.DataFrame()


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
