"""The study's table of lesion detection: each run's lesions to rates with intervals, at every cutoff."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from headstart.evaluate import bootstrap, scores, tables
from headstart.metrics import lesions
from headstart.seeds import seed_for

_CELL = ["target", "size", "connectivity", "overlap", "volume_ml"]
_COUNTS = ["lesions", "found", "false", "tested"]


def collect(
    paths: Sequence[str | os.PathLike],
    runs: Sequence[str],
    tests: Mapping[str, Sequence[str]],
    overlaps: Sequence[float],
    volumes_ml: Sequence[float],
) -> pd.DataFrame:
    """Numbers of lesions of each scan in each run, at every cutoff, and no scan missing.

    ``paths``: each run's table of :func:`headstart.metrics.lesions.of_scan`; ``runs``: their names and ``tests``: the scans
    they must hold, as in :func:`headstart.evaluate.scores.read_run`, which says what is refused. ``overlaps``, ``volumes_ml``:
    the cutoffs, each of which is taken with each. Columns: target, source, size, resample, scan, connectivity, overlap,
    volume_ml, lesions, found, false, and tested, which is 1: a scan without any lesion counts too.
    """
    parts = []
    for path, run in zip(paths, runs, strict=True):
        table, metadata = scores.read_run(path, run, tests)
        for overlap in overlaps:
            for volume_ml in volumes_ml:
                counted = lesions.count(table, overlap, volume_ml)
                parts.append(counted.assign(**metadata, overlap=float(overlap), volume_ml=float(volume_ml), tested=1))
    return pd.concat(parts, ignore_index=True)


def summary(collected: pd.DataFrame, draws: int, seed: int) -> pd.DataFrame:
    """How each source detects lesions at each set size, connectivity and cutoff, all resamples together.

    ``collected``: rows of :func:`collect`. Columns: target, source, size, connectivity, overlap, volume_ml, resamples,
    scans and lesions (of the test scans, each counted once), then of each measure its value, the ends of its 95 %
    interval (``_low``, ``_high``) and its standard deviation over resamples (``_sd``). Measures: sensitivity,
    precision, f1 (:mod:`headstart.metrics.lesions`) and false_lesions (a scan). Each is the ratio of two sums over all scans
    and resamples; NaN where the lower sum is 0, the deviation also where there is one resample. Sources and cutoffs
    share their draws, which are those of :func:`headstart.evaluate.tables.cells`.
    """
    rows = []
    for key, part in collected.groupby(_CELL, sort=True):
        cell = dict(zip(_CELL, key, strict=True))
        sources, found = _arranged(part)
        once = found["lesions"].max(axis=(0, 1)).sum()  # a scan's are the same wherever it is tested, else 0
        measures = lesions.ratios(*(found[name] for name in ("lesions", "found", "false")))
        measures["false_lesions"] = (found["false"], found["tested"])
        _, resamples, scans = found["tested"].shape
        weights = (
            bootstrap.weights(draws, resamples, seed_for(seed, cell["target"], "resamples", cell["size"])),
            bootstrap.weights(draws, scans, seed_for(seed, cell["target"], "scans")),
        )
        columns = [_measured(name, *parts, *weights) for name, parts in measures.items()]
        fixed = {**cell, "resamples": resamples, "scans": scans, "lesions": int(once)}
        rows.append(pd.concat([pd.DataFrame({**fixed, "source": sources}), *columns], axis=1))
    table = pd.concat(rows, ignore_index=True)
    first = ["target", "source", *_CELL[1:]]
    return table[first + [name for name in table if name not in first]].sort_values(first, ignore_index=True)


def _arranged(part: pd.DataFrame) -> tuple[list[str], dict[str, np.ndarray]]:
    """The sources of a cell, and its numbers as arrays (sources, resamples, scans), 0 where a scan is not tested."""
    names = [sorted(part[axis].unique()) for axis in tables.AXES]
    return names[0], dict(zip(_COUNTS, tables.arranged(part, _COUNTS, names), strict=True))


def _measured(
    name: str, parts: np.ndarray, wholes: np.ndarray, by_resample: np.ndarray, by_scan: np.ndarray
) -> pd.DataFrame:
    """A measure's columns, a row a source, from its parts and wholes (sources, resamples, scans)."""
    drawn = bootstrap.bootstrap_means(parts, wholes, by_resample, by_scan)
    means = bootstrap.mean_score(parts, wholes)
    most = np.inf if name == "false_lesions" else 1
    intervals = [bootstrap.interval(mean, of_source, 0, most) for mean, of_source in zip(means, drawn.T, strict=True)]
    each = [bootstrap.mean_score(parts[:, [r]], wholes[:, [r]]) for r in range(parts.shape[1])]
    return pd.DataFrame(
        {
            name: means,
            f"{name}_low": [found.low for found in intervals],
            f"{name}_high": [found.high for found in intervals],
            f"{name}_sd": pd.DataFrame(each).std(ddof=1).to_numpy(),
        }
    )
