"""P-values and confidence intervals that hold for all differences of a family at once."""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from headstart.evaluate.significance import ALPHA

# Degrees of freedom that the mean variance of a family lends to each of its variances.
LENT = 2.0
POWER = 0.8
# Points of the numerical integration over normal variables, and their seed.
_POINTS, _SEED = 19_999, 0


class Tested(NamedTuple):
    """A difference's simultaneous 95 % confidence interval, ``low`` to ``high``, and its test.

    ``error`` and ``degrees``: its standard error and the degrees of freedom of that, both moderated. ``p``: two-sided,
    for this difference alone; ``p_adjusted``: for the family, below 0.05 if and only if the interval excludes 0;
    ``detectable``: the true difference that would be significant with a probability of 80 %.
    """

    low: float
    high: float
    error: float
    degrees: float
    p: float
    p_adjusted: float
    detectable: float


UNTESTED = Tested(*[math.nan] * len(Tested._fields))


def test(
    differences: Sequence[float], variances: Sequence[float], degrees: Sequence[float], correlation: np.ndarray
) -> list[Tested]:
    """Test a family of J differences against 0.

    Each variance is moderated: a weighted mean of itself and of the mean variance of the family, which counts as much
    as two degrees of freedom, or as the other differences have, if that is less (Smyth 2004, with a fixed prior).
    Differences without variance, of models that are equal in all scores, are no part of this. The
    adjusted p-value is the probability that the smallest p-value of J equal differences with this ``correlation`` (J,
    J) is as small (single-step max-t; Hothorn, Bretz and Westfall 2008), or J times p, if that is less.
    """
    differences, variances, degrees = (np.array(values, float) for values in (differences, variances, degrees))
    count, vary = len(differences), variances > 0
    if vary.any():
        mean, free = variances[vary].mean(), degrees[vary].mean()
        lent = np.where(vary, min(LENT, (vary.sum() - 1) * free / 2), 0)
        variances, degrees = (degrees * variances + lent * mean) / (degrees + lent), degrees + lent
    errors = np.sqrt(variances)
    # 0 / 0, of models that are equal, is no difference.
    ratio = np.divide(np.abs(differences), errors, out=np.where(differences == 0, 0.0, np.inf), where=errors > 0)
    p = 2 * stats.t.sf(ratio, degrees)
    level, adjusted = ALPHA, p
    if count > 1:
        smallest = smallest_p(correlation)
        level = critical_level(count, smallest)
        within = (1 + np.searchsorted(smallest, p, side="right")) / (1 + len(smallest))
        adjusted = np.minimum(np.minimum(1, count * p), within)
    reach = stats.t.isf(level / 2, degrees) * errors
    columns = (differences - reach, differences + reach, errors, degrees, p, adjusted,
               detectable(errors, degrees, level))  # fmt: skip
    return [Tested(*map(float, row)) for row in zip(*columns, strict=True)]


def smallest_p(correlation: np.ndarray) -> np.ndarray:
    """Quantiles of the smallest of J p-values, ascending, if all differences are 0: numerical integration."""
    values, vectors = np.linalg.eigh(correlation)
    root = vectors @ np.diag(np.sqrt(np.maximum(values, 0))) @ vectors.T
    return np.sort(2 * stats.norm.sf(np.abs(_points(len(correlation)) @ root).max(axis=1)))


@functools.cache
def _points(count: int) -> np.ndarray:
    return np.random.default_rng(_SEED).normal(size=(_POINTS, count))


def critical_level(count: int, smallest: np.ndarray) -> float:
    """The p-value below which one of a family is significant; ``smallest``: :func:`smallest_p`."""
    if count == 1:
        return ALPHA
    return max(ALPHA / count, smallest[math.ceil(ALPHA * (1 + len(smallest)) - 1) - 1])


def detectable(error: np.ndarray, degrees: np.ndarray, level: float) -> np.ndarray:
    """The true differences that tests at this level find with a probability of 80 %, from their standard errors."""
    return (stats.t.isf(level / 2, degrees) + stats.t.ppf(POWER, degrees)) * error
