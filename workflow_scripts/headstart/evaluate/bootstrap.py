"""Bootstrap draws of mean scores that share test scans and resamples, and intervals of what is computed from them.

Scores of one model on many slices of few scans, and of models trained on overlapping samples, are not independent. The
draws vary whole test scans and whole training sets, independently of each other (Owen 2007, "The pigeonhole
bootstrap"), and keep all scores within them (cluster bootstrap; Field and Welsh 2007). With few scans or resamples a
bootstrap is too narrow, so each draw is scaled as Student's t scales a normal interval, see :func:`weights`. Means and
differences have intervals in closed form (:mod:`headstart.evaluate.anova`); learning curves, scans saved and
lesion-wise rates, which are no means, have those of the draws.
"""

from typing import NamedTuple

import numpy as np

from headstart.evaluate import anova

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

    Normal, multiplied in each draw by sqrt(units / chi-square with units - 1 degrees of freedom). The draws of a mean
    then follow Student's t: those of a plain bootstrap are too narrow by sqrt((units - 1) / units) (Hesterberg 2015,
    "What teachers should know about the bootstrap"), and the variance itself is uncertain, as in a generalised
    confidence interval (Weerahandi 1993). A single unit cannot be resampled: its weights are 0.
    """
    if units == 1:
        return np.zeros((draws, 1))
    rng = np.random.default_rng(seed)
    return rng.normal(size=(draws, units)) * np.sqrt(units / rng.chisquare(units - 1, size=(draws, 1)))


def bootstrap_means(totals: np.ndarray, counts: np.ndarray, by_resample: np.ndarray, by_scan: np.ndarray) -> np.ndarray:
    """Mean scores of K sources in each draw of a cluster bootstrap over resamples and scans: (D, K) float64.

    ``totals`` and ``counts`` (K, R, S): as in :func:`headstart.evaluate.anova.influence`. ``by_resample`` (D, R) and
    ``by_scan`` (D, S): :func:`weights`, the same for all sources, so that differences between columns are paired. The
    variances of the two axes are summed, which counts the noise of single runs and scans twice: the intervals are
    conservative. NaN for a source with scores of one scan in one resample only, or without scores.
    """
    deviations = np.nan_to_num(anova.influence(totals, counts))
    drawn = mean_score(totals, counts) + by_scan @ deviations.sum(axis=1).T + by_resample @ deviations.sum(axis=2).T
    return np.where(has_spread(counts), drawn, np.nan)


def has_spread(counts: np.ndarray) -> np.ndarray:
    """Whether K sources have scores of several scans or in several resamples: (K,), from their numbers (K, R, S)."""
    return ((counts > 0).any(axis=1).sum(axis=1) > 1) | ((counts > 0).any(axis=2).sum(axis=1) > 1)


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
