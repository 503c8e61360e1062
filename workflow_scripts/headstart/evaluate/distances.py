"""The study's table of distances between the surfaces of predictions and ground truth, in mm of each scan."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from headstart.evaluate.scores import read_runs
from headstart.evaluate.tables import LEVEL
from headstart.metrics.distance import length_in_scan

_CELL = ["target", "source", "size", "class_name"]


def summary(
    paths: Sequence[str | os.PathLike],
    runs: Sequence[str],
    tests: Mapping[str, Sequence[str]],
    determinants: Mapping[str, Mapping[str, float]],
    tolerance_mm: float,
) -> pd.DataFrame:
    """The 95 % Hausdorff distance and the surface Dice of each source at each set size, by class.

    Parameters
    ----------
    paths
        Each run's table of :func:`headstart.evaluate.scores.score_scan`.
    runs
        Names of the runs, ``target/source/size-n_resample-r``.
    tests
        The scans that each ``target/size-n_resample-r`` must have.
    determinants
        Of each target's scans, that of the affine from template to scan; its cube root is the length in the scan of one
        mm in template space, averaged over directions.
    tolerance_mm
        Distance in the scan that is no error of the surface Dice, for the column of that name.

    Returns
    -------
    pandas.DataFrame
        Columns target, source, size, class_name, resamples, scans; ``hd95_mm``, ``hd95_q1`` and ``hd95_q3``, the median
        and the quartiles over all scans and resamples with the class in both masks, NaN without any; ``missed``, the
        share of those with the class in the ground truth of which it was not predicted at all; and ``invented``, the
        share of those without the class of which it was predicted, NaN if all have it; then ``tolerance_mm`` and
        ``surface_dice``, ``surface_dice_q1`` and ``surface_dice_q3``, the median and the quartiles over all scans and
        resamples with the class in either mask (0 if in one alone), NaN without any.

    Raises
    ------
    UserError
        If a run's table lacks a scan, or has another.
    """
    parts = []
    for table, metadata in read_runs(paths, runs, tests):
        of_volume = table[(table["level"] == LEVEL) & (table["label"] > 0)].assign(**metadata)
        lengths = length_in_scan(of_volume["scan"].map(determinants[metadata["target"]]))
        parts.append(of_volume.assign(hd95_mm=of_volume["hd95_mm"] * lengths))
    rows = [
        {**dict(zip(_CELL, key, strict=True)), **_measures(part), "tolerance_mm": tolerance_mm, **_surface_dice(part)}
        for key, part in pd.concat(parts, ignore_index=True).groupby(_CELL, sort=True)
    ]
    return pd.DataFrame(rows)


def _measures(part: pd.DataFrame) -> dict[str, float]:
    """The columns of one cell, from its rows of scans and resamples."""
    status = part["status"]
    distances = part.loc[status == "defined", "hd95_mm"]
    present, absent = status.isin(["defined", "missed"]), status.isin(["true-negative", "false-positive"])
    return {
        "resamples": part["resample"].nunique(),
        "scans": part["scan"].nunique(),
        "hd95_mm": distances.median(),
        "hd95_q1": distances.quantile(0.25),
        "hd95_q3": distances.quantile(0.75),
        "missed": (status == "missed").sum() / present.sum() if present.any() else np.nan,
        "invented": (status == "false-positive").sum() / absent.sum() if absent.any() else np.nan,
    }


def _surface_dice(part: pd.DataFrame) -> dict[str, float]:
    """The median and the quartiles of the surface Dice of one cell."""
    scores = part["surface_dice"].dropna()
    quartiles = {"surface_dice": 0.5, "surface_dice_q1": 0.25, "surface_dice_q3": 0.75}
    return {name: scores.quantile(share) for name, share in quartiles.items()}
