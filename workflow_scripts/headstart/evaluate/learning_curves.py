"""Learning curves (score against set size): a power law for each source, and the labelled scans that each source saves.

Scans saved are read off the measured curves after isotonic regression; a power law is fitted in addition (Viering and
Loog 2022, "The shape of learning curves: a review"). Nothing is extrapolated: a set size beyond the measured ones is
reported as such: forecasts are in :mod:`headstart.evaluate.needed`.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from headstart.evaluate import bootstrap, forecast
from headstart.evaluate.tables import CELL, CURVE, Cell, by_target

# Exponents c at which score = a - b * n^-c is fitted: from almost logarithmic to almost a step.
EXPONENTS = np.geomspace(0.05, 5, 93)
# Between two measured sizes, errors are assumed to decrease with this power of the size: the rate of a mean's error,
# between a logarithm (0) and a simple fraction (-1).
RATE = -0.5
FITTED = "fitted"
# Columns of scans saved: the number and the ends of its 95 % confidence interval, each with its sign (=, > or <).
SAVED = ("saved", "saved_is", "low", "low_is", "high", "high_is")


def monotone(scores: np.ndarray) -> np.ndarray:
    """Isotonic regression: the non-decreasing curves (..., T) closest to the given ones by least squares.

    In its max-min form (Barlow 1972): at each point, the maximum over the start of a segment of the minimum over its
    end, at or beyond the point, of the segment's mean.
    """
    count = scores.shape[-1]
    risen = np.full(scores.shape, -np.inf)
    for first in range(count):
        means = np.cumsum(scores[..., first:], axis=-1) / np.arange(1, count - first + 1)
        least = np.minimum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
        risen[..., first:] = np.maximum(risen[..., first:], least)
    return risen


def reaching(curves: np.ndarray, sizes: np.ndarray, scores: np.ndarray, near: float | None = None) -> np.ndarray:
    """The set sizes at which non-decreasing curves, (D, T) at ``sizes`` (T,), reach scores (D,): (D,) float64.

    Between two sizes a curve is linear in size^-1/2 (RATE). Where it is flat at the score, the size of the flat segment
    that is closest to ``near`` is returned; without it the segment's middle, on the same scale. -inf where the score
    lies below the whole curve, inf where it lies above.
    """
    places, last, rows = sizes**RATE, len(sizes) - 1, np.arange(len(curves))

    def crossed(count: np.ndarray) -> np.ndarray:
        """Where a curve crosses a score that its first ``count`` points have not passed."""
        before, after = np.clip(count - 1, 0, last), np.clip(count, 0, last)
        low, high = curves[rows, before], curves[rows, after]
        share = np.divide(scores - low, high - low, out=np.zeros(len(curves)), where=high > low)
        return places[before] + share * (places[after] - places[before])

    below, not_above = ((curves < scores[:, None]).sum(axis=1), (curves <= scores[:, None]).sum(axis=1))
    start, end = crossed(below), crossed(not_above)
    size = ((start + end) / 2) ** (1 / RATE) if near is None else np.clip(near, start ** (1 / RATE), end ** (1 / RATE))
    return np.select([scores < curves[:, 0], scores > curves[:, -1], np.isnan(scores)], [-np.inf, np.inf, np.nan], size)


def interval(sizes: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval of draws of a set size, infinite beyond those measured; NaN if any draw is NaN."""
    if np.isnan(sizes).any():
        return float("nan"), float("nan")
    low, high = (float(np.quantile(sizes, tail, method="inverted_cdf")) for tail in bootstrap.tails())
    return low, high


def saved(cells: Iterable[Cell]) -> pd.DataFrame:
    """Labelled scans saved by each source: the set size at which the baseline has the same score, minus the source's.

    One row per target, size, level and source. Columns ``saved``, and ``low`` and ``high`` (its 95 % confidence
    interval, from the same draws as all others). The column ``_is`` of each says whether the number is exact ("=") or
    beyond the measured curve of the baseline: more than (">") or less than ("<") the number given; n/a if unknown.
    ``saved_by_law``: the number by both fitted laws, n/a beyond the measured sizes or if one was not fitted. Sources
    that are not trained save none; if the baseline is not, there are no rows.
    """
    rows = []
    for _, group in by_target(map(Cell.trained, cells)):
        sources, baseline = group[0].sources, group[0].baseline
        if baseline not in sources:
            continue
        sizes, means, drawn = curves(group)
        base = sources.index(baseline)
        rising, rising_drawn = monotone(means), monotone(drawn)
        fits = [fit_law(sizes, curve[None])[:, 0] if len(sizes) > 2 else None for curve in means]
        for k, source in enumerate(sources):
            for i, size in enumerate(sizes) if k != base else ():
                row = {**group[i].key, "source": source, "baseline": baseline}
                row |= saved_columns(
                    (rising[base : base + 1], rising_drawn[:, base]), (rising[k : k + 1, i], rising_drawn[:, k, i]),
                    sizes, size,
                )  # fmt: skip
                rows.append(row | {"saved_by_law": _saved_by_law(fits[k], fits[base], sizes, size)})
    return pd.DataFrame(rows, columns=[*CELL, "source", "baseline", *SAVED, "saved_by_law"])


def saved_columns(
    curves: tuple[np.ndarray, np.ndarray], scores: tuple[np.ndarray, np.ndarray], sizes: np.ndarray, size: float
) -> dict[str, object]:
    """The columns SAVED, from the set size at which a curve reaches the score that ``size`` scans have elsewhere.

    ``curves``: non-decreasing, of the means (1, T) and of the draws (D, T), at ``sizes`` (T,); ``scores``: the same of
    the other, (1,) and (D,). On a flat stretch, as many scans as the other has are as good as any.
    """
    found, drawn = (reaching(curve, sizes, score, size) for curve, score in zip(curves, scores, strict=True))
    columns = {}
    for name, value in zip(("saved", "low", "high"), (found[0], *interval(drawn)), strict=True):
        columns |= {name: np.clip(value, sizes[0], sizes[-1]) - size, f"{name}_is": _beyond(value)}
    return columns


def of_several_sizes(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of :func:`saved` of targets with several set sizes: on a single one, nothing but a bound is known."""
    return table[table.groupby(CURVE)["size"].transform("nunique") > 1]


def curves(group: Sequence[Cell]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Set sizes (T,), mean scores of K sources (K, T), and mean scores in each draw (D, K, T)."""
    sizes = np.array([cell.key["size"] for cell in group], float)
    return sizes, np.stack([cell.means for cell in group], axis=-1), np.stack([cell.drawn for cell in group], axis=-1)


def fit_law(sizes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Least-squares fit of score = a - b * n^-c with a <= 1, b >= 0 and c in EXPONENTS: (3, D) from scores (D, T).

    For each c the problem is linear in a and b (variable projection, Golub and Pereyra 1973), so that the optimum over
    all c is global.
    """
    powers = sizes ** -EXPONENTS[:, None]
    fits = [forecast.least_squares(power, scores, endless=False) for power in powers]
    residuals = (scores - (a[:, None] - b[:, None] * power) for power, (a, b) in zip(powers, fits, strict=True))
    best = np.stack([(left**2).sum(axis=1) for left in residuals]).argmin(axis=0)
    a, b = np.stack(fits, axis=2)
    rows = np.arange(len(scores))
    return np.stack([a[rows, best], b[rows, best], EXPONENTS[best]])


def laws(cells: Iterable[Cell]) -> pd.DataFrame:
    """The law score = a - b * n^-c of each trained source's learning curve, one row per target, level and source.

    ``a``: the asymptotic score, with its 95 % confidence interval ``a_low`` and ``a_high``; ``rmse``: root-mean-square
    residual of the measured scores; ``status``: "fitted", or the reason why there is no fit.
    """
    rows = []
    for key, group in by_target(map(Cell.trained, cells)):
        sizes, means, drawn = curves(group)
        for k, source in enumerate(group[0].sources):
            row = {**key, "source": source, "sizes": len(sizes)}
            row |= dict.fromkeys(["a", "a_low", "a_high", "b", "c", "rmse"], np.nan)
            row["status"] = _status(sizes, means[k])
            if row["status"] == FITTED:
                a, b, c = fit_law(sizes, means[k : k + 1])[:, 0]
                rmse = np.sqrt(np.mean((means[k] - (a - b * sizes**-c)) ** 2))
                asymptotes = np.full(len(drawn), np.nan)
                if not np.isnan(drawn[:, k]).any():
                    asymptotes = fit_law(sizes, drawn[:, k])[0]
                found = bootstrap.interval(a, asymptotes, 0, 1)
                row |= {"a": a, "a_low": found.low, "a_high": found.high, "b": b, "c": c, "rmse": rmse}
            rows.append(row)
    return pd.DataFrame(rows)


def _beyond(needed: float) -> str:
    """Whether a set size is within the measured ones ("="), beyond them (">", "<"), or unknown ("n/a")."""
    return {np.inf: ">", -np.inf: "<"}.get(needed, "n/a" if np.isnan(needed) else "=")


def _status(sizes: Sequence[int], scores: np.ndarray) -> str:
    """Whether a law can be fitted to a learning curve, or the reason why not."""
    if np.isnan(scores).any():
        return "no score at some size"
    if len(sizes) < 3:
        return f"{len(sizes)} set size{'s' * (len(sizes) > 1)}: a law requires three"
    return FITTED if fit_law(sizes, scores[None])[1, 0] > 0 else "the score does not increase with the set size"


def _saved_by_law(own: np.ndarray | None, base: np.ndarray | None, sizes: np.ndarray, size: float) -> float:
    """Scans saved at a set size by two laws (a, b, c); NaN if one is missing, or beyond the measured sizes."""
    if own is None or base is None or not (base[1] > 0 and np.isfinite(own).all()):
        return float("nan")
    short = base[0] - (own[0] - own[1] * size ** -own[2])
    needed = (short / base[1]) ** (-1 / base[2]) if short > 0 else np.inf
    return needed - size if sizes[0] <= needed <= sizes[-1] else float("nan")
