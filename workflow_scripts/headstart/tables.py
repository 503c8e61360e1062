"""The study's tables: from each run's scores to means with intervals, and to gains over the baseline."""

import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from headstart import scoring, statistics
from headstart.job import UserError
from headstart.seeds import seed_for

BASELINE = "scratch"
RUN = ["target", "source", "size", "resample"]
_CELL = ["target", "size", "metric", "level"]


def collect(
    paths: Sequence[str | os.PathLike],
    runs: Sequence[str],
    metrics: Mapping[str, str],
    tests: Mapping[str, Sequence[str]],
    empty: str = "skip",
) -> pd.DataFrame:
    """Sum and number of the scores of each scan in each run, and nothing missing.

    ``paths``: each run's table of :func:`headstart.scoring.score_scan`; ``runs``: their names,
    ``target/source/size-n_resample-r``; ``metrics``: ``dice`` or ``miou`` by target; ``tests``: the scans that each
    ``target/size-n_resample-r`` must have scored. Columns: target, source, size, resample, metric, scan, level
    ("slice" or "volume"), total, count. Raises :class:`UserError` when a run lacks a scan.
    """
    parts = []
    for path, run in zip(paths, runs, strict=True):
        target, source, draw = run.split("/")
        size, resample = (int(part.split("-")[1]) for part in draw.split("_"))
        table = pd.read_parquet(path)
        try:
            scoring.check_complete(table, tests[f"{target}/{draw}"])
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
        part = scoring.scan_scores(table, metrics[target], empty)
        parts.append(part.assign(target=target, source=source, size=size, resample=resample, metric=metrics[target]))
    return pd.concat(parts, ignore_index=True)[[*RUN, "metric", "scan", "level", "total", "count"]]


def scores(collected: pd.DataFrame) -> pd.DataFrame:
    """The mean score of each run, over its slices and over its volumes."""
    sums = collected.groupby([*RUN, "metric", "level"], sort=True)[["total", "count"]].sum().reset_index()
    return sums.assign(score=sums["total"] / sums["count"]).drop(columns=["total", "count"])


def summary(collected: pd.DataFrame, draws: int, seed: int) -> pd.DataFrame:
    """The mean score of each source at each set size, with its interval."""
    rows = []
    for cell, sources, means, drawn, shape in _cells(collected, draws, seed):
        for k, source in enumerate(sources):
            found = statistics.interval(means[k], drawn[:, k])
            rows.append({**cell, "source": source, "score": found.estimate, "low": found.low, "high": found.high,
                         "resamples": shape[0], "scans": shape[1]})  # fmt: skip
    return pd.DataFrame(rows)


def gains(collected: pd.DataFrame, draws: int, seed: int) -> pd.DataFrame:
    """What each source gains over the baseline on the same scans and resamples, with its interval."""
    rows = []
    for cell, sources, means, drawn, _ in _cells(collected, draws, seed):
        if BASELINE not in sources:
            continue
        base = sources.index(BASELINE)
        for k, source in enumerate(sources):
            if k != base:
                found = statistics.interval(means[k] - means[base], drawn[:, k] - drawn[:, base])
                rows.append({**cell, "source": source, "baseline": BASELINE, "gain": found.estimate,
                             "low": found.low, "high": found.high})  # fmt: skip
    return pd.DataFrame(rows, columns=[*_CELL, "source", "baseline", "gain", "low", "high"])


def _cells(
    collected: pd.DataFrame, draws: int, seed: int
) -> Iterator[tuple[dict, list[str], np.ndarray, np.ndarray, tuple[int, int]]]:
    """For each target, size and level: the sources, their means, and their means in each draw of the bootstrap."""
    for key, part in collected.groupby(_CELL, sort=True):
        sources = sorted(part["source"].unique())
        resamples, scans = sorted(part["resample"].unique()), sorted(part["scan"].unique())
        index = pd.MultiIndex.from_product([sources, resamples, scans], names=["source", "resample", "scan"])
        filled = part.set_index(["source", "resample", "scan"])[["total", "count"]].reindex(index, fill_value=0)
        shape = (len(sources), len(resamples), len(scans))
        totals, counts = (filled[column].to_numpy(float).reshape(shape) for column in ("total", "count"))
        drawn = statistics.bootstrap_means(totals, counts, draws, seed_for(seed, *key))
        yield dict(zip(_CELL, key, strict=True)), sources, statistics.mean_score(totals, counts), drawn, shape[1:]
