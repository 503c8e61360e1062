"""Every pair of sources, compared on the same test scans and resamples."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from headstart.evaluate import bootstrap
from headstart.evaluate.tables import BASELINE, CELL, Cell, by_target

ALL_SIZES = "all"
COLUMNS = [*CELL, "source", "against", "difference", "low", "high", "p", "p_holm", "effect", "resamples", "scans"]


def compare(cells: Iterable[Cell]) -> pd.DataFrame:
    """A row a pair of sources, at each set size, and at all sizes of a target (size "all": the mean over them).

    ``difference``: score of ``source`` less that of ``against``, with its 95 % interval; ``p``: two-sided, from the
    same draws; ``p_holm``: corrected (Holm 1979) over the family of all pairs at one target, size and level;
    ``effect``: the mean over test scans of the difference, over its standard deviation across scans (Cohen's d for
    pairs, each scan's scores averaged over resamples first), n/a of fewer than two scans.
    """
    rows = []
    for _, group in by_target(cells):
        for cell in [*group, *([_over_sizes(group)] if len(group) > 1 else [])]:
            rows += _family(cell)
    return pd.DataFrame(rows, columns=COLUMNS)


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
    for row, corrected in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = corrected
    return rows


def holm(p_values: Sequence[float]) -> np.ndarray:
    """P-values of a family, corrected by Holm's method; those that are NaN stay so and count for nothing."""
    p = np.array(p_values, float)
    known = ~np.isnan(p)
    if known.any():
        p[known] = multipletests(p[known], method="holm")[1]
    return p


def _effect(differences: np.ndarray) -> float:
    """Mean of the scans' differences over their standard deviation; NaN of fewer than two scans or equal ones."""
    known = differences[~np.isnan(differences)]
    deviation = known.std(ddof=1) if len(known) > 1 else 0
    return float(known.mean() / deviation) if deviation > 0 else float("nan")


def _over_sizes(group: Sequence[Cell]) -> Cell:
    """The mean over a target's set sizes, each size counting alike."""
    return Cell(
        {**group[0].key, "size": ALL_SIZES},
        group[0].sources,
        np.mean([cell.means for cell in group], axis=0),
        np.mean([cell.drawn for cell in group], axis=0),
        np.mean([cell.by_scan for cell in group], axis=0),
        max(cell.resamples for cell in group),
        max(cell.scans for cell in group),
    )
