"""Intervals and paired comparisons of scores that share test scans and resamples.

Scores of one model on many slices of few scans, and of models trained on overlapping draws, are not independent. The
cluster bootstrap (Field and Welsh 2007) draws whole test scans and whole resamples anew, and keeps what lies within.
"""

from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """An estimate with its 95 % percentile interval."""

    estimate: float
    low: float
    high: float


def mean_score(totals: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean scores of sources, (K,), from the sums and numbers of their scores, (K, resamples, scans); NaN if none."""
    with np.errstate(invalid="ignore"):
        return totals.sum(axis=(1, 2)) / counts.sum(axis=(1, 2))


def bootstrap_means(totals: np.ndarray, counts: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Mean scores of K sources in each draw of a cluster bootstrap over resamples and scans: (draws, K) float64.

    ``totals`` and ``counts`` (K, resamples, scans): sum and number of a scan's scores in a resample (slices, or 1
    for a whole volume). All sources are drawn together, so that differences between columns are paired. An axis of
    length one is not drawn from. A draw in which a source has no score gives NaN.
    """
    _, resamples, scans = totals.shape
    rng = np.random.default_rng(seed)
    by_resample = rng.multinomial(resamples, np.full(resamples, 1 / resamples), size=draws)
    by_scan = rng.multinomial(scans, np.full(scans, 1 / scans), size=draws)
    total, count = (np.einsum("br,krs,bs->bk", by_resample, of, by_scan, optimize=True) for of in (totals, counts))
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def interval(estimate: float, drawn: np.ndarray) -> Interval:
    """The 95 % percentile interval of a bootstrap's draws around an estimate; draws that are NaN are left out."""
    if np.isnan(drawn).all():
        return Interval(float(estimate), float("nan"), float("nan"))
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return Interval(float(estimate), float(low), float(high))
