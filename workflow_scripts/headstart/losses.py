"""Class weights and the weighted cross-entropy per pixel."""

import numpy as np
import torch
from torch.nn import functional

from headstart.job import UserError

CHUNK = 64


def median_frequency_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Class weights by median-frequency balancing (Eigen & Fergus 2015; Badrinarayanan 2017, SegNet).

    ``freq(c)`` is the number of pixels of class c divided by the number of pixels of the slices that hold c;
    ``weight(c) = median(freq) / freq(c)``, the median taken over the classes that occur. A class that never occurs
    gets weight 0: nothing of it can be learned, and its frequency would divide by zero.

    ``labels``: (N, H, W) uint8, read in chunks, so it may be memory-mapped. Returns (classes,) float64.
    """
    pixels = np.zeros(classes, np.int64)
    slices = np.zeros(classes, np.int64)
    for start in range(0, len(labels), CHUNK):
        per_slice = _class_pixels(labels[start : start + CHUNK], classes)
        pixels += per_slice.sum(axis=0)
        slices += (per_slice > 0).sum(axis=0)
    present = pixels > 0
    frequency = pixels[present] / (slices[present] * labels[0].size)
    weights = np.zeros(classes)
    weights[present] = np.median(frequency) / frequency
    return weights


def cross_entropy(scores: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted cross-entropy per pixel, a scalar.

    ``scores`` (B, C, H, W) before the soft-max, ``labels`` (B, H, W) int64, ``weights`` (C,). As torch's ``mean``
    reduction does, the sum of weighted losses is divided by the sum of the pixels' weights, not by their number, so
    scaling all weights changes nothing. That reduction itself has no deterministic kernel on CUDA; this one has.
    """
    losses = functional.cross_entropy(scores.float(), labels, weights, reduction="none")
    return losses.sum() / weights[labels].sum()


def _class_pixels(labels: np.ndarray, classes: int) -> np.ndarray:
    """Pixels of each class in each slice: (n, H, W) -> (n, classes) int64."""
    if labels.max() >= classes:
        raise UserError(
            f"the labels hold the value {labels.max()} but the target has {classes} classes (0 to {classes - 1}); "
            "check the classes in the configuration."
        )
    offsets = np.arange(len(labels))[:, np.newaxis] * classes
    index = labels.reshape(len(labels), -1) + offsets
    return np.bincount(index.ravel(), minlength=len(labels) * classes).reshape(len(labels), classes)
