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


def simulated_arrays(
    sources: Mapping[str, float],
    sizes: Sequence[int],
    resamples: int,
    scans: int,
    seed: int,
    spread: Mapping[str, float] = SPREAD,
) -> np.ndarray:
    """Simulated scores, (T, K, R, S).

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
    """
    rng = np.random.default_rng(seed)
    shape = (len(sizes), len(sources), resamples, scans)
    means = np.array([[true_score(size, saved) for saved in sources.values()] for size in sizes])[..., None, None]
    return (
        means
        + rng.normal(0, spread["scan"], (1, 1, 1, scans))
        + rng.normal(0, spread["own_scan"], (1, len(sources), 1, scans))
        + rng.normal(0, spread["resample"], (len(sizes), 1, resamples, 1))
        + rng.normal(0, spread["own_resample"], (*shape[:3], 1))
        + rng.normal(0, spread["noise"], shape)
    )


def simulated_scores(
    sources: Mapping[str, float],
    sizes: Sequence[int],
    resamples: int,
    scans: int,
    seed: int,
    spread: Mapping[str, float] = SPREAD,
    levels: Sequence[str] = ("volume",),
) -> pd.DataFrame:
    """The same as a table of :func:`headstart.evaluate.tables.collect`; all ``levels`` have these scores."""
    scores = simulated_arrays(sources, sizes, resamples, scans, seed, spread)
    index = pd.MultiIndex.from_product(
        [sizes, sources, range(1, resamples + 1), [f"{s:03d}" for s in range(scans)]],
        names=["size", "source", "resample", "scan"],
    )
    table = pd.DataFrame({"total": scores.ravel(), "count": 1}, index=index).reset_index()
    return pd.concat([table.assign(target="simulated", metric="dice", level=level) for level in levels])


def pooled_scores(
    sources: Sequence[str], size: int, pool: int, resamples: int, scans: int, seed: int, spread: Mapping[str, float]
) -> tuple[pd.DataFrame, pd.Series]:
    """Scores at one set size, whose sets are drawn from a pool of scans, and the mean score of each source with these.

    Every scan of the pool has an effect on each source, whose standard deviation is ``own_resample`` for a set; a set's
    effect is the mean over its scans. The mean over all pools is 0.5 for every source. Other arguments: as above.
    """
    rng = np.random.default_rng(seed)
    of_pool = rng.normal(0, spread["own_resample"] * np.sqrt(size), (len(sources), pool))
    sets = np.array([rng.choice(pool, size, replace=False) for _ in range(resamples)])
    scores = (
        0.5
        + of_pool[:, sets].mean(axis=2)[..., None]
        + rng.normal(0, spread["own_scan"], (len(sources), 1, scans))
        + rng.normal(0, spread["seed"], (len(sources), resamples, 1))
        + rng.normal(0, spread["noise"], (len(sources), resamples, scans))
    )
    names = [sources, range(1, resamples + 1), [f"{s:03d}" for s in range(scans)]]
    index = pd.MultiIndex.from_product(names, names=["source", "resample", "scan"])
    table = pd.DataFrame({"total": scores.ravel(), "count": 1}, index=index).reset_index()
    whole = {"size": size, "target": "simulated", "metric": "dice", "level": "volume"}
    return table.assign(**whole), pd.Series(0.5 + of_pool.mean(axis=1), sources)


def lesion_free(seed: int, resamples: int = 10, scans: int = 20, free: int = 5) -> pd.DataFrame:
    """Scores of two equal sources; the first ``free`` scans have no lesion: no score, or 0 where one is found."""
    scores = simulated_scores({"scratch": 0, "a": 0}, (5,), resamples, scans, seed)
    without = scores["scan"] < f"{free:03d}"
    scores.loc[without, "total"] = 0.0
    return scores[~without | (np.random.default_rng(seed).random(len(scores)) < 0.5)]
