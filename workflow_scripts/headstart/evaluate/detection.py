"""The study's table of lesion detection: rates with 95 % confidence intervals, at every cutoff."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from headstart.evaluate import bootstrap, scores, tables
from headstart.metrics import lesions
from headstart.seeds import seed_for

_CELL = ["target", "size", "connectivity", "overlap", "volume_ml"]
_COUNTS = ["lesions", "lost", "detected", "false_positives", "tested"]


@dataclass(frozen=True)
class OwnSpace:
    """What a scan's lesions are in the scan itself.

    ``ml``: mL there of one mL on the study's grid; ``lost_ml``: volumes there, in mL, of the lesions of which no voxel
    is left on the study's grid.
    """

    ml: float
    lost_ml: Sequence[float]

    @classmethod
    def of(cls, registered: Mapping, losses: Mapping) -> "OwnSpace":
        """From the records of a scan's registration and of the resampling of its labels."""
        return cls(registered["determinant"], losses["parts_lost_ml"])

    def in_template(self) -> "OwnSpace":
        """The same with all volumes in template space."""
        return OwnSpace(1.0, [ml / self.ml for ml in self.lost_ml])


@dataclass(frozen=True)
class OnOwnGrids:
    """Lesions of whole volumes on the scans' own grids, where those of all runs of a target are known.

    ``found``: rows of :func:`headstart.metrics.lesions.of_scan` with the columns target, source, size and resample;
    ``ml``: of each target's scans, the factor of their volumes.
    """

    found: pd.DataFrame
    ml: Mapping[str, Mapping[str, float]]

    def of_run(self, run: Mapping[str, str | int]) -> pd.DataFrame | None:
        """The lesions of a run, in the volumes that are asked for; None for a target whose lesions are not known."""
        if run["target"] not in self.ml:
            return None
        rows = self.found[(self.found[list(run)] == list(run.values())).all(axis=1)].drop(columns=list(run))
        return rows.assign(volume_ml=rows["volume_ml"] * rows["scan"].map(self.ml[run["target"]]))


def collect(
    paths: Sequence[str | os.PathLike],
    runs: Sequence[str],
    tests: Mapping[str, Sequence[str]],
    overlaps: Sequence[float],
    volumes_ml: Sequence[float],
    own: Mapping[str, Mapping[str, OwnSpace]],
    on_own_grids: OnOwnGrids | None = None,
) -> pd.DataFrame:
    """Numbers of lesions and false positives of each scan in each run, at every cutoff.

    Parameters
    ----------
    paths
        Each run's table of :func:`headstart.metrics.lesions.of_scan`.
    runs
        Names of the runs, ``target/source/size-n_resample-r``.
    tests
        The scans that each ``target/size-n_resample-r`` must have.
    overlaps, volumes_ml
        The cutoffs; each overlap is combined with each volume.
    own
        Each target's test scans. Volumes are those in the scan; with an ``ml`` of 1, those in template space.
    on_own_grids
        What stands, for its targets, in place of the lesions of whole volumes on the study's grid; none of them is
        lost.

    Returns
    -------
    pandas.DataFrame
        Columns target, source, size, resample, scan, connectivity, overlap, volume_ml, lesions, lost (by the study's
        grid; 0 for components of a slice), detected, false_positives, and tested, which is always 1: a scan without any
        lesion counts too.

    Raises
    ------
    UserError
        If a run's table lacks a scan, or has another.
    """
    parts = []
    for table, metadata in scores.read_runs(paths, runs, tests):
        scans = own[metadata["target"]]
        table["volume_ml"] *= table["scan"].map({scan: space.ml for scan, space in scans.items()})
        known = on_own_grids and on_own_grids.of_run(metadata)
        if known is not None:
            table = pd.concat([table[table["connectivity"] != lesions.WHOLE], known])
        for overlap in overlaps:
            for volume_ml in volumes_ml:
                counted = lesions.count(table, overlap, volume_ml)
                lost = 0 if known is not None else [_lost(scans[scan], volume_ml) for scan in counted["scan"]]
                counted["lost"] = np.where(counted["connectivity"] == lesions.WHOLE, lost, 0)
                parts.append(counted.assign(**metadata, overlap=float(overlap), volume_ml=float(volume_ml), tested=1))
    return pd.concat(parts, ignore_index=True)


def summary(collected: pd.DataFrame, draws: int, seed: int) -> pd.DataFrame:
    """Lesion detection of each source at each set size, connectivity and cutoff, over all resamples.

    ``collected``: rows of :func:`collect`. Columns: target, source, size, connectivity, overlap, volume_ml, resamples,
    scans and lesions (of the test scans, each counted once), then for each measure its value, the ends of its 95 %
    confidence interval (``_low``, ``_high``) and its standard deviation over resamples (``_sd``). Measures:
    sensitivity, precision, f1 (:mod:`headstart.metrics.lesions`), false_positives (mean number per scan), and, for
    components of the volume, sensitivity_native, for which lesions that the study's grid has lost count as missed; they
    are among the ``lesions_native``. Each is a ratio of two sums over all scans and resamples: NaN where the
    denominator is 0, and its deviation also where there is one resample. Sources and cutoffs share their draws.
    """
    rows = []
    for key, part in collected.groupby(_CELL, sort=True):
        cell = dict(zip(_CELL, key, strict=True))
        sources, counted = _arranged(part)
        once = counted["lesions"].max(axis=(0, 1)).sum()  # a scan has as many in every run that tests it, else 0
        measures = lesions.ratios(*(counted[name] for name in ("lesions", "detected", "false_positives")))
        measures["false_positives"] = (counted["false_positives"], counted["tested"])
        numbers = {"lesions": int(once)}
        if cell["connectivity"] == lesions.WHOLE:
            measures["sensitivity_native"] = (counted["detected"], counted["lesions"] + counted["lost"])
            numbers["lesions_native"] = int(once + counted["lost"].max(axis=(0, 1)).sum())
        _, resamples, scans = counted["tested"].shape
        weights = (
            bootstrap.weights(draws, resamples, seed_for(seed, cell["target"], "resamples", cell["size"])),
            bootstrap.weights(draws, scans, seed_for(seed, cell["target"], "scans")),
        )
        columns = [_measured(name, *parts, *weights) for name, parts in measures.items()]
        fixed = {**cell, "resamples": resamples, "scans": scans, **numbers}
        rows.append(pd.concat([pd.DataFrame({**fixed, "source": sources}), *columns], axis=1))
    table = pd.concat(rows, ignore_index=True)
    first = ["target", "source", *_CELL[1:]]
    return table[first + [name for name in table if name not in first]].sort_values(first, ignore_index=True)


def _lost(scan: OwnSpace, least_ml: float) -> int:
    """How many lesions of at least this volume the study's grid has lost."""
    return sum(ml >= least_ml for ml in scan.lost_ml)


def _arranged(part: pd.DataFrame) -> tuple[list[str], dict[str, np.ndarray]]:
    """The sources of a cell, and its counts as arrays (K, R, S), 0 where a scan is not tested."""
    names = [sorted(part[axis].unique()) for axis in tables.AXES]
    return names[0], dict(zip(_COUNTS, tables.arranged(part, _COUNTS, names), strict=True))


def _measured(
    name: str, parts: np.ndarray, wholes: np.ndarray, by_resample: np.ndarray, by_scan: np.ndarray
) -> pd.DataFrame:
    """The columns of a measure, one row per source, from numerators and denominators (K, R, S)."""
    drawn = bootstrap.bootstrap_means(parts, wholes, by_resample, by_scan)
    means = bootstrap.mean_score(parts, wholes)
    most = np.inf if name == "false_positives" else 1
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
