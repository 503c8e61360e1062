"""Up to which set size each source is a head start, of set sizes that are tested one after the other."""

import pandas as pd

from headstart.evaluate.significance import ALPHA


def up_to(gains: pd.DataFrame) -> dict[str, int]:
    """The largest set size up to which each source is better than the baseline; sources that are at none are left out.

    ``gains``: the rows of :func:`headstart.evaluate.comparisons.compare` with the baseline at single set sizes, of one
    target and level. The set sizes of a source are tested in rising order, until one shows no gain: each by the p-value
    of its gain alone (two-sided), times the number of sources (Bonferroni). A set size is only tested if all smaller
    ones have passed, which costs nothing (a fixed sequence: Maurer, Hothorn and Lehmacher 1995). The probability that
    any source is called a head start at a set size at which it is none is thus at most 5 %.
    """
    sources, found = gains["source"].nunique(), {}
    for source, own in gains.groupby("source", sort=False):
        for row in own.assign(size=own["size"].astype(int)).sort_values("size").itertuples():
            if not (row.difference > 0 and row.p * sources < ALPHA):
                break
            found[source] = row.size
    return found
