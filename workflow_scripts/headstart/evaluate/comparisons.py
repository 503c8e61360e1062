"""Comparisons of sources on the same test scans and resamples: every pair, and gains over the baseline."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from headstart.evaluate import bootstrap
from headstart.evaluate.significance import significant
from headstart.evaluate.tables import BASELINE, CELL, Cell, by_target

ALL_SIZES = "all"
COLUMNS = [*CELL, "source", "against", "difference", "low", "high", "p", "p_holm", "significant", "effect",
           "resamples", "scans"]  # fmt: skip


def compare(cells: Iterable[Cell]) -> pd.DataFrame:
    """One row per pair of sources, at each set size, and at all sizes of a target (size "all": the mean over them).

    ``difference``: score of ``source`` minus that of ``against``, with its 95 % confidence interval, which is not
    corrected for multiple comparisons; ``p``: two-sided, from the same draws; ``p_holm``: adjusted (Holm 1979) over the
    family of all pairs at one target, size and level; ``significant``: whether the adjusted p is below 0.05;
    ``effect``: the mean over test scans of the difference, divided by its standard deviation across scans (Cohen's d
    for pairs, each scan's scores averaged over resamples first), n/a for fewer than two scans.
    """
    rows = []
    for _, group in by_target(cells):
        for cell in [*group, *([_over_sizes(group)] if len(group) > 1 else [])]:
            rows += _family(cell)
    return pd.DataFrame(rows, columns=COLUMNS)


def gains(compared: pd.DataFrame) -> pd.DataFrame:
    """The gain of each source over the baseline at each set size: those rows of :func:`compare`, nothing recomputed."""
    against = compared[(compared["against"] == BASELINE) & (compared["size"] != ALL_SIZES)]
    named = against.rename(columns={"against": "baseline", "difference": "gain"})
    return named[[*CELL, "source", "baseline", "gain", "low", "high", "p_holm", "significant"]].reset_index(drop=True)


def _family(cell: Cell) -> list[dict]:
    """All pairs of one target, size and level; the baseline stands second in its pairs."""
    ordered = sorted(cell.sources, key=lambda source: source == BASELINE)
    rows = []
    for source, against in itertools.combinations(ordered, 2):
        found = cell.gain(source, against)
        one, other = cell.sources.index(source), cell.sources.index(against)
        rows.append({**cell.key, "source": source, "against": against, "difference": found.estimate,
                     "low": found.low, "high": found.high, "p": bootstrap.p_value(cell.differences(source, against)),
                     "effect": _effect(cell.by_scan[one] - cell.by_scan[other]),
                     "resamples": cell.resamples, "scans": cell.scans})  # fmt: skip
    for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row |= {"p_holm": adjusted, "significant": significant(adjusted)}
    return rows


def holm(p_values: Sequence[float]) -> np.ndarray:
    """P-values of a family, adjusted by Holm's method; NaN stays NaN and does not count towards the family."""
    p = np.array(p_values, float)
    known = ~np.isnan(p)
    if known.any():
        p[known] = multipletests(p[known], method="holm")[1]
    return p


def _effect(differences: np.ndarray) -> float:
    """Mean of the scans' differences over their standard deviation; NaN for fewer than two scans or equal ones."""
    known = differences[~np.isnan(differences)]
    deviation = known.std(ddof=1) if len(known) > 1 else 0
    return float(known.mean() / deviation) if deviation > 0 else float("nan")


def _over_sizes(group: Sequence[Cell]) -> Cell:
    """The mean over a target's set sizes, with equal weights."""
    return Cell(
        {**group[0].key, "size": ALL_SIZES},
        group[0].sources,
        np.mean([cell.means for cell in group], axis=0),
        np.mean([cell.drawn for cell in group], axis=0),
        np.mean([cell.by_scan for cell in group], axis=0),
        max(cell.resamples for cell in group),
        max(cell.scans for cell in group),
    )
