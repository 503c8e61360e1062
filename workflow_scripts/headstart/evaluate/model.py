"""Evaluation of one fine-tuned model: predictions on its test scans, their scores and their lesions."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from headstart.evaluate.scores import score_scan
from headstart.job import atomic
from headstart.metrics import lesions
from headstart.networks import model_files
from headstart.networks.architectures import Architecture
from headstart.slices import store
from headstart.training.loop import predict

PathLike = str | os.PathLike


def score_model(
    model_path: PathLike,
    architecture: Architecture,
    class_names: Sequence[str],
    scans: Mapping[str, tuple[store.Slices, store.Slices]],
    *,
    voxel_mm: float,
    tolerance_mm: Mapping[str, float],
    precision: str,
    device: str = "auto",
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Score a fine-tuned model on its test scans.

    Parameters
    ----------
    model_path
        Weights of the model (safetensors).
    architecture
        Architecture of the network.
    class_names
        Names of the classes, the background (0) first.
    scans
        Location of the slices and of the labels of each scan.
    voxel_mm
        Side of a voxel, in mm.
    tolerance_mm
        Of each scan, the distance between surfaces that is no error, in the same mm.
    precision, device
        See :func:`headstart.training.loop.predict`.

    Returns
    -------
    pandas.DataFrame
        The tables of :func:`headstart.evaluate.scores.score_scan`, concatenated.
    dict
        The prediction of each scan, (N, H, W) uint8.

    Raises
    ------
    UserError
        If the weights were made for another architecture or other classes.
    """
    model = model_files.load_segmenter(model_path, architecture, {"classes": list(class_names)})
    model.to(memory_format=torch.channels_last)
    tables, predictions = [], {}
    for scan, (image_path, label_path) in scans.items():
        images, truth = store.gather_pairs([image_path], [label_path])
        predictions[scan] = predict(model, images, precision=precision, device=device)
        tables.append(score_scan(predictions[scan], truth, class_names, scan, voxel_mm, tolerance_mm[scan]))
    return pd.concat(tables, ignore_index=True), predictions


def find_lesions(
    predictions: Mapping[str, np.ndarray], scans: Mapping[str, tuple[store.Slices, store.Slices]], voxel_mm: float
) -> pd.DataFrame:
    """The tables of :func:`headstart.metrics.lesions.of_scan`, concatenated, for predictions of :func:`score_model`.

    Every label but the background counts as lesion; ``voxel_mm``: side of a voxel.
    """
    voxel_ml = voxel_mm**3 / 1000
    parts = [
        lesions.of_scan(predictions[scan], store.read(labels), voxel_ml, scan) for scan, (_, labels) in scans.items()
    ]
    return pd.concat(parts, ignore_index=True)


def write_rows(table: pd.DataFrame, path: PathLike) -> None:
    """Write a table as Parquet."""
    with atomic(path) as partial:
        table.to_parquet(partial, index=False)


def write(table: pd.DataFrame, predictions: Mapping[str, np.ndarray], metrics: PathLike, archive: PathLike) -> None:
    """Write the table of scores as Parquet and the predictions as a compressed ``.npz``, one array per scan."""
    write_rows(table, metrics)
    with atomic(archive) as partial:
        np.savez_compressed(partial, **predictions)
