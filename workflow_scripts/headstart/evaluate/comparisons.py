"""Comparisons of sources on the same test scans and resamples: every pair, and gains over the baseline."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from headstart.evaluate import anova, simultaneous
from headstart.evaluate.significance import significant
from headstart.evaluate.tables import ALL_SIZES, BASELINE, CELL, Cell, by_target, over_sizes

# The families of comparisons beside that with the baseline, which has its name: of the source with the highest mean
# with the others, and of all others.
HIGHEST, OTHER = "highest", "other"
# Test scans from which an effect size is given.
LEAST_SCANS = 5
# Largest difference of equal means, by rounding.
_EQUAL = 1e-12
COLUMNS = [*CELL, "source", "against", "family", "difference", "low", "high", "error", "degrees", "p",
           "p_adjusted", "significant", "detectable", "error_scans", "error_resamples", "effect", "resamples",
           "scans"]  # fmt: skip


def compare(cells: Iterable[Cell]) -> pd.DataFrame:
    """One row per pair of sources, at each set size, and at all sizes of a target (size "all": the mean over them).

    ``difference``: score of ``source`` minus that of ``against``. The comparisons of a target, size and level form
    three families (``family``): of each source with the baseline, of the source with the highest mean score with the
    others, and of the remaining pairs. ``low`` and ``high`` are the ends of the 95 % confidence interval, which holds
    for all of the family at once; ``error`` and ``degrees`` are its standard error and degrees of freedom. ``p`` is for
    the difference alone, and ``p_adjusted`` for the family; ``significant`` is whether it is below 0.05, or the
    interval excludes 0, which is the same. ``detectable``: the true difference that would be significant with a
    probability of 80 %. ``error_scans`` and ``error_resamples``: the standard errors that test scans and resamples
    alone would cause. ``effect``: the mean over test scans of the difference, divided by its standard deviation across
    scans (Cohen's d for pairs, each scan's scores averaged over resamples first), n/a for fewer than five scans. With
    one resample or one test scan nothing is tested, and intervals are n/a.
    """
    rows = []
    for _, group in by_target(cells):
        for cell in [*group, *([over_sizes(group)] if len(group) > 1 else [])]:
            rows += _of_cell(cell)
    return pd.DataFrame(rows, columns=COLUMNS)


def gains(compared: pd.DataFrame, baseline: str = BASELINE) -> pd.DataFrame:
    """The gain of each source over the baseline at each set size: those rows of :func:`compare`, nothing recomputed."""
    against = compared[(compared["against"] == baseline) & (compared["size"] != ALL_SIZES)]
    named = against.rename(columns={"against": "baseline", "difference": "gain"})
    return named[[*CELL, "source", "baseline", "gain", "low", "high", "p_adjusted", "significant"]].reset_index(
        drop=True
    )


def highest(cells: Iterable[Cell]) -> pd.DataFrame:
    """The probability that each source has the highest mean score of a target, over its set sizes: share of the draws.

    One row per target, level and source, the baseline too; n/a with one resample, whose draws are of single models.
    Equal sources share a draw.
    """
    rows = []
    for key, group in by_target(cells):
        cell = over_sizes(group)
        known = cell.resamples > 1 and not np.isnan(cell.drawn).any()
        first = np.isclose(cell.drawn, cell.drawn.max(axis=1, keepdims=True), rtol=0, atol=_EQUAL)
        shares = (first / np.maximum(1, first.sum(axis=1, keepdims=True))).mean(axis=0)
        rows += [
            {**key, "source": source, "highest": share if known else np.nan}
            for source, share in zip(cell.sources, shares, strict=True)
        ]
    return pd.DataFrame(rows)


def _of_cell(cell: Cell) -> list[dict]:
    """All pairs of one target, size and level; the baseline stands second in its pairs."""
    ordered = sorted(cell.sources, key=lambda source: source == cell.baseline)
    means = dict(zip(cell.sources, cell.means, strict=True))
    scored = [source for source in ordered if source != cell.baseline and not np.isnan(means[source])]
    first = max(scored, key=means.get, default=None)
    gained: list[tuple[str, str]] = []
    highest_with: list[tuple[str, str]] = []
    others: list[tuple[str, str]] = []
    for one, other in itertools.combinations(ordered, 2):
        if other == cell.baseline:
            gained.append((one, other))
        elif first in (one, other):
            highest_with.append((first, one if other == first else other))
        else:
            others.append((one, other))
    # A list, as a baseline may have the name of another family.
    families = [(cell.baseline, gained), (HIGHEST, highest_with), (OTHER, others)]
    return [row for name, pairs in families for row in family(cell, name, pairs)]


def family(cell: Cell, name: str, pairs: Sequence[tuple[str, str]]) -> list[dict]:
    """The rows of :func:`compare` of one family of comparisons; ``pairs``: the names of ``source`` and ``against``."""
    places = [[cell.sources.index(source) for source in pair] for pair in pairs]
    differences = [cell.means[one] - cell.means[other] for one, other in places]
    contributions = [[anova.difference(part[one], part[other]) for part in cell.contributions] for one, other in places]
    spreads = [anova.spread(each, cell.beyond) for each in contributions]
    tested = test(differences, contributions, spreads, cell.beyond)
    return [
        {**cell.key, "source": source, "against": against, "family": name, "difference": differences[k],
         **tested[k]._asdict(), "low": np.maximum(tested[k].low, -1), "high": np.minimum(tested[k].high, 1),
         "significant": significant(tested[k].p_adjusted), "error_scans": np.sqrt(spreads[k].of_scans),
         "error_resamples": np.sqrt(spreads[k].of_resamples), "resamples": cell.resamples, "scans": cell.scans,
         "effect": effect(cell.by_scan[places[k][0]] - cell.by_scan[places[k][1]])}
        for k, (source, against) in enumerate(pairs)
    ]  # fmt: skip


def test(
    differences: Sequence[float],
    contributions: Sequence[Sequence[np.ndarray]],
    spreads: Sequence[anova.Spread],
    beyond: Sequence[float],
) -> list[simultaneous.Tested]:
    """The tests of a family of J differences; those whose variance is not known are not tested.

    ``contributions`` and ``beyond``: of each, as in :func:`headstart.evaluate.anova.spread`, which gave ``spreads``.
    """
    known = [k for k, found in enumerate(spreads) if found.complete]
    tested = [simultaneous.UNTESTED] * len(differences)
    if known:
        correlation = anova.correlation([contributions[k] for k in known], beyond)
        variances, degrees = zip(*((spreads[k].variance, spreads[k].degrees) for k in known), strict=True)
        found = simultaneous.test([differences[k] for k in known], variances, degrees, correlation)
        for k, each in zip(known, found, strict=True):
            tested[k] = each
    return tested


def effect(differences: np.ndarray) -> float:
    """Mean of the scans' differences over their standard deviation; NaN for fewer than five scans or equal ones."""
    known = differences[~np.isnan(differences)]
    deviation = known.std(ddof=1) if len(known) >= LEAST_SCANS else 0
    return float(known.mean() / deviation) if deviation > 0 else float("nan")
