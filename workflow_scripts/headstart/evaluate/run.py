"""Scores of one run, a model's predictions on its test scans, by several processes."""

import functools
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd

from headstart.evaluate import archive
from headstart.evaluate.scores import score_scan
from headstart.job import UserError, atomic
from headstart.metrics import lesions
from headstart.slices import store

PathLike = str | os.PathLike


@dataclass(frozen=True)
class Scoring:
    """How scans are scored.

    ``class_names``: names of the classes, the background (0) first; ``voxel_mm``: side of a voxel, in mm;
    ``tolerance_mm``: of each scan, the distance between surfaces that is no error, in the same mm; ``lesions``: whether
    lesions are listed, as which every class but the background counts.
    """

    class_names: Sequence[str]
    voxel_mm: float
    tolerance_mm: Mapping[str, float]
    lesions: bool


@contextmanager
def processes(count: int) -> Iterator[Callable[..., Iterable]]:
    """A ``map`` whose calls are shared by this many processes, with results in order."""
    if count == 1:
        yield map
        return
    # A process that is not forked would run the main script again: Snakemake's have no main block.
    with ProcessPoolExecutor(count, multiprocessing.get_context("fork"), _end_with_parent) as pool:
        yield pool.map


def score(
    predictions: PathLike, labels: Mapping[str, store.Slices], scoring: Scoring, apply: Callable[..., Iterable] = map
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Score the predictions of a model.

    Parameters
    ----------
    predictions
        Written by :func:`headstart.evaluate.archive.write`.
    labels
        Location of the ground truth of each test scan.
    scoring
        How they are scored.
    apply
        The ``map`` of :func:`processes`.

    Returns
    -------
    tuple of pandas.DataFrame
        The tables of :func:`headstart.evaluate.scores.score_scan`, concatenated, and those of
        :func:`headstart.metrics.lesions.of_scan`, or None without lesions.

    Raises
    ------
    UserError
        If the predictions are damaged, lack a scan, or have another shape than its ground truth.
    """
    parts = list(apply(functools.partial(_score_scan, predictions, scoring), labels, labels.values()))
    scores, found = zip(*parts, strict=True)
    return pd.concat(scores, ignore_index=True), pd.concat(found, ignore_index=True) if scoring.lesions else None


def write(table: pd.DataFrame, path: PathLike) -> None:
    """Write a table as Parquet."""
    with atomic(path) as partial:
        table.to_parquet(partial, index=False)


def _end_with_parent() -> None:
    """Have this process end when the one that started it was killed: it would wait for ever for the next scan."""

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _score_scan(
    predictions: PathLike, scoring: Scoring, scan: str, labels: store.Slices
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """The scores and the lesions of one scan."""
    found, truth = archive.read(predictions, scan), store.read(labels)
    if found.shape != truth.shape:
        raise UserError(
            f"{predictions} has a prediction of shape {found.shape} for {scan}, whose labels have shape {truth.shape}; "
            "delete it and run again."
        )
    scores = score_scan(found, truth, scoring.class_names, scan, scoring.voxel_mm, scoring.tolerance_mm[scan])
    return scores, lesions.of_scan(found, truth, scoring.voxel_mm**3 / 1000, scan) if scoring.lesions else None
