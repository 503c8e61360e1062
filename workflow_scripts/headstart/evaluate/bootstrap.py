"""Intervals and paired comparisons of scores that share test scans and resamples.

Scores of one model on many slices of few scans, and of models trained on overlapping draws, are not independent. The
cluster bootstrap (Field and Welsh 2007) draws whole test scans and whole resamples anew, each apart from the other
(Owen 2007, "The pigeonhole bootstrap"), and keeps what lies within. With few scans or resamples its intervals are too
narrow, so each draw is stretched as Student's t stretches a normal interval, see :func:`weights`.
"""

from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float


def mean_score(totals: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean scores of sources, (K,), from the sums and numbers of their scores, (K, resamples, scans); NaN if none."""
    with np.errstate(invalid="ignore"):
        return totals.sum(axis=(1, 2)) / counts.sum(axis=(1, 2))


def weights(draws: int, units: int, seed: int) -> np.ndarray:
    """How much more than once each of ``units`` scans or resamples counts in each draw: (draws, units) float64.

    Each draw takes ``units`` of them with replacement, takes 1 off how often each came up, and stretches the rest by
    sqrt(units / chi-square with units - 1 degrees of freedom). A mean's draws then spread about it as Student's t does:
    a bootstrap's are too narrow by sqrt((units - 1) / units) (Hesterberg 2015, "What teachers should know about the
    bootstrap"), and the spread itself is in doubt, as a generalised confidence interval has it (Weerahandi 1993). One
    unit alone is not drawn from: zeros.
    """
    if units == 1:
        return np.zeros((draws, 1))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(units, np.full(units, 1 / units), size=draws) - 1.0
    return drawn * np.sqrt(units / rng.chisquare(units - 1, size=(draws, 1)))


def bootstrap_means(totals: np.ndarray, counts: np.ndarray, by_resample: np.ndarray, by_scan: np.ndarray) -> np.ndarray:
    """Mean scores of K sources in each draw of a cluster bootstrap over resamples and scans: (draws, K) float64.

    ``totals`` and ``counts`` (K, resamples, scans): sum and number of a scan's scores in a resample (slices, or 1 for a
    whole volume). ``by_resample`` (draws, resamples) and ``by_scan`` (draws, scans): :func:`weights`, the same for all
    sources, so that differences between columns are paired. What a scan or resample adds to a mean is taken to first
    order (the infinitesimal jackknife's influence; Davison and Hinkley 1997, section 2.7), since a stretched draw may
    weigh a scan with less than nothing. Variances of the two axes add up, which counts noise of single runs and scans
    twice: the intervals are wide rather than narrow. A source with scores of one scan in one resample alone has no
    spread, and one without any no mean: NaN.
    """
    means = mean_score(totals, counts)
    with np.errstate(invalid="ignore"):
        influence = (totals - means[:, None, None] * counts) / counts.sum(axis=(1, 2), keepdims=True)
    spread = ((counts > 0).any(axis=1).sum(axis=1) > 1) | ((counts > 0).any(axis=2).sum(axis=1) > 1)
    drawn = means + by_scan @ influence.sum(axis=1).T + by_resample @ influence.sum(axis=2).T
    return np.where(spread, drawn, np.nan)


def interval(estimate: float, drawn: np.ndarray, least: float = -np.inf, most: float = np.inf) -> Interval:
    """The 95 % percentile interval of a bootstrap's draws around an estimate, none of it below least or above most.

    NaN where a draw is NaN.
    """
    if np.isnan(drawn).any():
        return Interval(float(estimate), float("nan"), float("nan"))
    low, high = np.clip(np.quantile(drawn, tails()), least, most)
    return Interval(float(estimate), float(low), float(high))


def tails() -> tuple[float, float]:
    """The shares of the draws that lie below an interval's lower and its upper end."""
    return (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2


def p_value(drawn: np.ndarray) -> float:
    """Two-sided p-value of a difference's bootstrap draws against no difference; NaN where a draw is NaN.

    The level at which the percentile interval just reaches 0 (Davison and Hinkley 1997, sections 4.2.3 and 5.3), so
    that p < 0.05 and a 95 % interval without 0 say the same. Not less than 2 / (draws + 1).
    """
    if np.isnan(drawn).any():
        return float("nan")
    fewer = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return float(min(1, 2 * (1 + fewer) / (1 + len(drawn))))
