"""Simulated scores with known true means, for the tests of the statistics and for benchmarks/intervals.py."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

# Parameters a, b and c of the learning curve: score = a - b * n^-c
LAW = (0.7, 1.2, 0.6)
# Standard deviations of the random effects: common to all sources, of each source by itself, and noise.
SPREAD = {"scan": 0.15, "own_scan": 0.04, "resample": 0.03, "own_resample": 0.02, "noise": 0.06}


def true_score(size: float, saved: float = 0) -> float:
    """Mean score at a set size of a source that saves this number of labelled scans."""
    a, b, c = LAW
    return a - b * (size + saved) ** -c


def simulated_scores(
    sources: Mapping[str, float],
    sizes: Sequence[int],
    resamples: int,
    scans: int,
    seed: int,
    spread: Mapping[str, float] = SPREAD,
    levels: Sequence[str] = ("volume",),
) -> pd.DataFrame:
    """Simulate a table of scores as :func:`headstart.evaluate.tables.collect` returns it.

    Parameters
    ----------
    sources
        Number of labelled scans that each source saves.
    sizes
        Set sizes.
    resamples, scans
        Numbers of resamples and of test scans.
    seed
        Seed of all random numbers.
    spread
        Standard deviations of the random effects.
    levels
        Levels ("slice", "volume"), all with the same scores.
    """
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product(
        [sizes, sources, range(1, resamples + 1), [f"{s:03d}" for s in range(scans)]],
        names=["size", "source", "resample", "scan"],
    )
    shape = (len(sizes), len(sources), resamples, scans)
    means = np.array([[true_score(size, saved) for saved in sources.values()] for size in sizes])[..., None, None]
    scores = (
        means
        + rng.normal(0, spread["scan"], (1, 1, 1, scans))
        + rng.normal(0, spread["own_scan"], (1, len(sources), 1, scans))
        + rng.normal(0, spread["resample"], (len(sizes), 1, resamples, 1))
        + rng.normal(0, spread["own_resample"], (*shape[:3], 1))
        + rng.normal(0, spread["noise"], shape)
    )
    table = pd.DataFrame({"total": scores.ravel(), "count": 1}, index=index).reset_index()
    return pd.concat([table.assign(target="simulated", metric="dice", level=level) for level in levels])
