"""Scores of a segmentation: by slice and over the whole volume, by class, with undefined scores marked as such."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from headstart.job import UserError
from headstart.metrics.distance import surface_distances
from headstart.metrics.overlap import Counts, Empty, Metric, counts


def score_scan(
    prediction: np.ndarray,
    truth: np.ndarray,
    class_names: Sequence[str],
    scan: str,
    voxel_mm: float,
    tolerance_mm: float,
) -> pd.DataFrame:
    """Score one scan: one row per slice and class, and one per class for the whole volume.

    Parameters
    ----------
    prediction, truth
        Integer labels (N, H, W) on the same grid; ``truth`` is the ground truth.
    class_names
        Name of each label, including the background (0).
    scan
        Identifier of the scan, for the column of that name.
    voxel_mm
        Side of a voxel, in mm.
    tolerance_mm
        Distance between surfaces that is no error, in the same mm.

    Returns
    -------
    pandas.DataFrame
        Columns scan, level ("slice" or "volume"), slice (index, -1 for the volume), label, class_name, true_voxels,
        predicted_voxels, common_voxels, dice, iou, hd95_mm, status, surface_dice. Dice and IoU are NaN where ground
        truth and prediction are empty. hd95_mm is the 95 % Hausdorff distance of the volume: NaN for a true negative,
        infinite for a false positive and for a missed class, and NaN in the rows of slices and of the background.
        surface_dice, in the same rows, is the share of both surfaces within tolerance_mm of the other: NaN for a true
        negative, 0 for a false positive and for a missed class. Status is "defined" (the class is in both),
        "true-negative" (in neither), "false-positive" (in the prediction only) or "missed" (in the ground truth only).

    Raises
    ------
    ValueError
        If the shapes differ or a label has no name.
    """
    by_slice = counts(prediction, truth, len(class_names))
    parts = [
        _rows(by_slice, "slice", np.arange(len(truth)), class_names),
        _rows(by_slice.over_volume(), "volume", np.array([-1]), class_names),
    ]
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "scan", scan)
    table.insert(table.columns.get_loc("status"), "hd95_mm", np.nan)
    table["surface_dice"] = np.nan
    for row in table.index[(table["level"] == "volume") & (table["label"] > 0)]:
        label = table.at[row, "label"]
        found = surface_distances(prediction == label, truth == label, voxel_mm)
        table.at[row, "hd95_mm"], table.at[row, "surface_dice"] = found.hausdorff95(), found.surface_dice(tolerance_mm)
    return table


def scan_scores(table: pd.DataFrame, metric: Metric, empty: Empty) -> pd.DataFrame:
    """Sum and number of each scan's scores, over its slices and over its volume (Zoetmulder 2022, section 4.4).

    ``table``: rows of :func:`score_scan`. "dice" is averaged over the foreground classes and "miou" over all classes,
    background included, within each slice (or volume). With ``empty="skip"`` classes that occur in neither ground
    truth nor prediction are excluded, as are slices without any other class; with "one" they score 1. Columns: scan,
    level ("slice" or "volume"), total, count; the mean score of a test set is the sum of totals over that of counts.
    """
    rows = table[table["label"] > 0] if metric == "dice" else table
    scores = rows[{"dice": "dice", "miou": "iou"}[metric]]
    scores = {"skip": scores, "one": scores.fillna(1.0)}[empty]
    each = scores.groupby([rows["scan"], rows["level"], rows["slice"]]).mean()
    return each.groupby(["scan", "level"]).agg(total="sum", count="count").reset_index()


def check_complete(table: pd.DataFrame, expected_scans: Iterable[str]) -> None:
    """Raise :class:`UserError` unless the scans scored are exactly those of the split."""
    scored, expected = set(table["scan"]), set(expected_scans)
    for what, scans in (("lacks", expected - scored), ("contains, beyond the split,", scored - expected)):
        if scans:
            raise UserError(f"the table {what} {', '.join(sorted(scans))}; delete it and evaluate the model again.")


def read_run(
    path: str | os.PathLike, run: str, tests: Mapping[str, Sequence[str]]
) -> tuple[pd.DataFrame, dict[str, str | int]]:
    """Read a run's table and parse its name: target, source, size and resample.

    ``run``: ``target/source/size-n_resample-r``; ``tests``: the scans that each ``target/size-n_resample-r`` must have.
    Raises :class:`UserError` naming the file if the table lacks a scan, or has another.
    """
    target, source, draw = run.split("/")
    size, resample = (int(part.split("-")[1]) for part in draw.split("_"))
    table = pd.read_parquet(path)
    try:
        check_complete(table, tests[f"{target}/{draw}"])
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return table, {"target": target, "source": source, "size": size, "resample": resample}


def read_runs(
    paths: Sequence[str | os.PathLike], runs: Sequence[str], tests: Mapping[str, Sequence[str]]
) -> Iterator[tuple[pd.DataFrame, dict[str, str | int]]]:
    """The table and the parsed name of each run, one after the other, by :func:`read_run`."""
    for path, run in zip(paths, runs, strict=True):
        yield read_run(path, run, tests)


def _rows(found: Counts, level: str, slices: np.ndarray, class_names: Sequence[str]) -> pd.DataFrame:
    """Long table of (N, C) counts, classes varying fastest."""
    true = (found.true_positive + found.false_negative).ravel()
    predicted = (found.true_positive + found.false_positive).ravel()
    return pd.DataFrame(
        {
            "level": level,
            "slice": np.repeat(slices, len(class_names)),
            "label": np.tile(np.arange(len(class_names)), len(slices)),
            "class_name": np.tile(np.asarray(class_names, dtype=object), len(slices)),
            "true_voxels": true,
            "predicted_voxels": predicted,
            "common_voxels": found.true_positive.ravel(),
            "dice": found.dice("skip").ravel(),
            "iou": found.iou("skip").ravel(),
            "status": _status(true > 0, predicted > 0),
        }
    )


def _status(in_truth: np.ndarray, in_prediction: np.ndarray) -> np.ndarray:
    names = np.array([["true-negative", "false-positive"], ["missed", "defined"]], dtype=object)
    return names[in_truth.astype(int), in_prediction.astype(int)]
