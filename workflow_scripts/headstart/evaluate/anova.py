"""Standard errors of means and of differences between means, by a two-way analysis of variance of crossed factors.

Test scans are shared by all set sizes, resamples are nested in them, and each resample is tested on all scans: the
designs of reader studies, with resamples as readers (Obuchowski and Rockette 1995; Gallas 2006; Chen, Gallas and Yousef
2012). With cross-validation each resample is tested on a fold of the scans: two ways of clustering that overlap in
single scores (Cameron, Gelbach and Miller 2011). Axes: see ``headstart.training``.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Spread(NamedTuple):
    """The variance of an estimate.

    ``variance``: squared standard error; ``of_scans``, ``of_resamples``: of the mean over scans and over resamples
    alone, each with the noise of single scores, and NaN if there is only one; with cross-validation, the latter without
    the scans of the folds and that noise. ``degrees``: of freedom of ``variance``. NaN, with 0 degrees, if both are.
    """

    variance: float
    of_scans: float
    of_resamples: float
    degrees: float

    @property
    def complete(self) -> bool:
        """Whether it holds the variance of both, so that more than these very scans or models is estimated."""
        return not np.isnan([self.of_scans, self.of_resamples]).any()


def influence(totals: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """What each scan in each resample contributes to a mean score, as deviation from it: (K, R, S) float64.

    ``totals`` and ``counts`` (K, R, S): sum and number of a scan's scores in a resample (slices, or 1 for a whole
    volume). The contributions to a mean sum to 0; that of a scan to a ratio of sums is taken to first order (the
    influence function of the infinitesimal jackknife; Davison and Hinkley 1997, section 2.7). NaN without scores.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = counts.sum(axis=(1, 2), keepdims=True)
        deviation = (totals - totals.sum(axis=(1, 2), keepdims=True) / whole * counts) / whole
    return np.where(counts > 0, deviation, np.nan)


def difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What scans and resamples contribute to a difference of two means, from :func:`influence` of each, (R, S).

    A scan may have a score in one of the two alone, such as one without a lesion, in which a single method finds some.
    It contributes to that mean, and nothing to the other. NaN where neither has a score.
    """
    return np.where(np.isnan(one) & np.isnan(other), np.nan, np.nan_to_num(one) - np.nan_to_num(other))


def spread(
    contributions: Sequence[np.ndarray],
    beyond: Sequence[float],
    pooled: bool = True,
    between: Sequence[np.ndarray] | None = None,
) -> Spread:
    """The variance of an estimate, and the degrees of freedom of that variance (Satterthwaite 1946).

    With A the variance of the mean over scans, B that over resamples and C that of single scores, each as if there were
    no other, the variance is A + B - C, because A and B both contain the noise C, and not less than A or B, of which it
    would otherwise be an underestimate by chance. With cross-validation, where all scans have scores in equally many
    resamples, but not in each, B contains the variance between the scans too, and A that between resamples: C is then
    the variance of the mean of all scores, taken as independent. Where scans have scores in different numbers of
    resamples, C is not subtracted. The degrees of freedom are the squared variance over A^2/a + B^2/b, with a and b
    those of A and B, pooled over the set sizes; C, which is smaller and has more of them, is left out there. A factor
    with a single scan or resample has a variance of 0: the estimate then concerns that one alone. With a single
    resample at any of several sizes, the variance over resamples is unknown.

    Parameters
    ----------
    contributions
        For each set size :func:`influence` of one estimate, (R, S), with the same scans in the same order. That of a
        difference is :func:`difference` of two, and that of a mean over T sizes consists of T, divided by T.
    beyond
        For each set size, the variance of what the scans from which resamples are drawn have in common, as a multiple
        of that between resamples; 0 if the estimate concerns these scans. For resamples of n of N scans it is n / (N -
        n), and the estimate concerns the population of the scans (as in Nadeau and Bengio 2003, of test sets). It is
        taken to be perfectly correlated between set sizes.
    pooled
        Whether resamples of all set sizes have the same variance. If not, as with models of two studies, each has the
        degrees of freedom of its own (Welch 1947); ``beyond`` must then be 0.
    between
        The contributions from which B and C are taken, if they differ: with other sums over resamples.
    """
    known = [~np.isnan(part) for part in contributions]
    filled = [np.nan_to_num(part) for part in contributions]
    tested = np.any([mask.any(axis=0) for mask in known], axis=0)
    of_scans, free = _variance_of_sum(sum(part.sum(axis=0) for part in filled)[tested])
    clustered = filled if between is None else [np.nan_to_num(part) for part in between]
    found = [_of_resamples(part[:, tested], mask[:, tested]) for part, mask in zip(clustered, known, strict=True)]
    in_common = sum(np.sqrt(one.variance * one.resamples * by) for one, by in zip(found, beyond, strict=True)) ** 2
    of_resamples, more = sum(one.variance for one in found) + in_common, sum(one.degrees for one in found)
    whole = max(of_scans + of_resamples - sum(one.twice for one in found), of_scans, of_resamples)
    over_resamples = [(of_resamples, more)] if pooled else [(one.variance, one.degrees) for one in found]
    parts = sum(part**2 / degrees for part, degrees in ((of_scans, free), *over_resamples) if degrees)
    several = more and all(one.resamples != 1 for one in found)
    return Spread(
        whole if free or more else np.nan,
        of_scans if free else np.nan,
        max(of_resamples - sum(one.of_folds for one in found), 0.0) if several else np.nan,
        whole**2 / parts if parts else float(free + more),
    )


def correlation(contributions: Sequence[Sequence[np.ndarray]], beyond: Sequence[float]) -> np.ndarray:
    """How far J estimates are correlated, (J, J), from the contributions of each, as in :func:`spread`."""
    vectors = []
    for each in contributions:
        filled = [np.nan_to_num(part) for part in each]
        sums = [part.sum(axis=1) * np.sqrt(1 + len(part) * share) for part, share in zip(filled, beyond, strict=True)]
        parts = [sum(part.sum(axis=0) for part in filled), *sums]
        vectors.append(np.concatenate([part * np.sqrt(len(part) / max(1, len(part) - 1)) for part in parts]))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return directions @ directions.T


def _variance_of_sum(deviations: np.ndarray) -> tuple[float, int]:
    """The variance of a sum of n independent terms, from their deviations (n,), and its degrees of freedom."""
    units = len(deviations)
    return (float((deviations**2).sum() * units / (units - 1)), units - 1) if units > 1 else (0.0, 0)


class _OfSize(NamedTuple):
    """Of one set size: the variance of the mean over resamples, its degrees of freedom, and what belongs to it.

    ``twice``: the part of it that the variance of the mean over scans contains too; ``of_folds``: that part with
    cross-validation, 0 otherwise; ``resamples``: their number.
    """

    variance: float
    degrees: int
    twice: float
    of_folds: float
    resamples: int


def _of_resamples(part: np.ndarray, known: np.ndarray) -> _OfSize:
    """From the contributions (R, S) to one set size, and where there are scores."""
    part, known = part[known.any(axis=1)], known[known.any(axis=1)]
    resamples, scans = part.shape
    sums, times = part.sum(axis=1), known.sum(axis=0)
    variance, degrees = _variance_of_sum(sums)
    if min(part.shape) < 2 or times.min() < times.max():
        return _OfSize(variance, degrees, 0.0, 0.0, resamples)
    if not known.all():
        single, _ = _variance_of_sum(part[known])
        return _OfSize(variance, degrees, single, single, resamples)
    rest = part - part.mean(axis=0) - (sums / scans)[:, None]
    noise = (rest**2).sum() * part.size / ((resamples - 1) * (scans - 1))
    return _OfSize(variance, degrees, float(noise), 0.0, resamples)
