"""95 % confidence intervals and paired comparisons of scores that share test scans and resamples.

Scores of one model on many slices of few scans, and of models trained on overlapping samples, are not independent. The
cluster bootstrap (Field and Welsh 2007) resamples whole test scans and whole training sets, independently of each other
(Owen 2007, "The pigeonhole bootstrap"), and keeps all scores within them. With few scans or resamples its intervals are
too narrow, so each draw is scaled as Student's t scales a normal interval, see :func:`weights`.
"""

from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """An estimate with its 95 % confidence interval."""

    estimate: float
    low: float
    high: float


def mean_score(totals: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean scores of K sources, (K,), from sums and numbers of scores (K, R, S); NaN without scores."""
    with np.errstate(invalid="ignore"):
        return totals.sum(axis=(1, 2)) / counts.sum(axis=(1, 2))


def weights(draws: int, units: int, seed: int) -> np.ndarray:
    """Weights of ``units`` scans or resamples in each bootstrap draw, as deviations from 1: (D, units) float64.

    Each draw samples ``units`` times with replacement, subtracts 1 from the count of each unit, and multiplies the rest
    by sqrt(units / chi-square with units - 1 degrees of freedom). The draws of a mean then follow Student's t: those of
    a plain bootstrap are too narrow by sqrt((units - 1) / units) (Hesterberg 2015, "What teachers should know about the
    bootstrap"), and the variance itself is uncertain, as in a generalised confidence interval (Weerahandi 1993). A
    single unit cannot be resampled: its weights are 0.
    """
    if units == 1:
        return np.zeros((draws, 1))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(units, np.full(units, 1 / units), size=draws) - 1.0
    return drawn * np.sqrt(units / rng.chisquare(units - 1, size=(draws, 1)))


def bootstrap_means(totals: np.ndarray, counts: np.ndarray, by_resample: np.ndarray, by_scan: np.ndarray) -> np.ndarray:
    """Mean scores of K sources in each draw of a cluster bootstrap over resamples and scans: (D, K) float64.

    ``totals`` and ``counts`` (K, R, S): sum and number of a scan's scores in a resample (slices, or 1 for a
    whole volume). ``by_resample`` (D, R) and ``by_scan`` (D, S): :func:`weights`, the same for all
    sources, so that differences between columns are paired. The contribution of a scan or resample to a mean is taken
    to first order (the influence function of the infinitesimal jackknife; Davison and Hinkley 1997, section 2.7),
    because scaled weights may be negative. The variances of the two axes are summed, which counts the noise of single
    runs and scans twice: the intervals are conservative. NaN for a source with scores of one scan in one resample only,
    or without scores.
    """
    means = mean_score(totals, counts)
    with np.errstate(invalid="ignore"):
        influence = (totals - means[:, None, None] * counts) / counts.sum(axis=(1, 2), keepdims=True)
    spread = ((counts > 0).any(axis=1).sum(axis=1) > 1) | ((counts > 0).any(axis=2).sum(axis=1) > 1)
    drawn = means + by_scan @ influence.sum(axis=1).T + by_resample @ influence.sum(axis=2).T
    return np.where(spread, drawn, np.nan)


def interval(estimate: float, drawn: np.ndarray, least: float = -np.inf, most: float = np.inf) -> Interval:
    """An estimate with the 95 % percentile interval of its bootstrap draws, clipped to ``least`` and ``most``.

    The ends are NaN if any draw is NaN.
    """
    if np.isnan(drawn).any():
        return Interval(float(estimate), float("nan"), float("nan"))
    low, high = np.clip(np.quantile(drawn, tails()), least, most)
    return Interval(float(estimate), float(low), float(high))


def tails() -> tuple[float, float]:
    """The quantiles of the draws at the lower and upper end of a 95 % confidence interval."""
    return (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2


def p_value(drawn: np.ndarray) -> float:
    """Two-sided p-value of a difference from its bootstrap draws, against no difference; NaN if any draw is NaN.

    The level at which the percentile interval just reaches 0 (Davison and Hinkley 1997, sections 4.2.3 and 5.3), so
    that p < 0.05 is equivalent to a 95 % confidence interval without 0. Not less than 2 / (draws + 1).
    """
    if np.isnan(drawn).any():
        return float("nan")
    fewer = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return float(min(1, 2 * (1 + fewer) / (1 + len(drawn))))
