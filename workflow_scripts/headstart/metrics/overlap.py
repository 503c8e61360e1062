"""Overlap of a segmentation with the ground truth: Dice, intersection over union, and the counts behind them.

The score of empty masks is explicit. Where ground truth and prediction are both empty the score is undefined:
``empty="skip"`` gives NaN and ``empty="one"`` gives 1. Where only one of them is empty it is 0.
"""

from typing import Literal, NamedTuple

import numpy as np

Empty = Literal["skip", "one"]
Metric = Literal["dice", "miou"]


class Counts(NamedTuple):
    """Voxels per slice and class, each (N, C) int64."""

    true_positive: np.ndarray
    false_positive: np.ndarray
    false_negative: np.ndarray

    def over_volume(self) -> "Counts":
        """The same counts summed over slices, each (1, classes)."""
        return Counts(*(count.sum(axis=0, keepdims=True) for count in self))

    def dice(self, empty: Empty) -> np.ndarray:
        """Dice coefficient 2 TP / (2 TP + FP + FN), (N, C) float64."""
        return _ratio(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative, empty)

    def iou(self, empty: Empty) -> np.ndarray:
        """Intersection over union TP / (TP + FP + FN), (N, C) float64."""
        return _ratio(self.true_positive, self.true_positive + self.false_positive + self.false_negative, empty)


def counts(prediction: np.ndarray, truth: np.ndarray, classes: int) -> Counts:
    """Count the voxels of each class, slice by slice.

    ``prediction`` and ``truth`` are integer labels 0 .. classes-1 of the same shape (N, ...); the first axis is slices.
    Raises ValueError if the shapes differ or a label is out of range.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction has shape {prediction.shape}, ground truth {truth.shape}")
    confusion = _confusion(prediction, truth, classes)
    common = np.diagonal(confusion, axis1=1, axis2=2).copy()
    return Counts(common, confusion.sum(axis=1) - common, confusion.sum(axis=2) - common)


def dice(prediction: np.ndarray, truth: np.ndarray, empty: Empty) -> float:
    """Dice coefficient 2|P∩T| / (|P| + |T|) of two masks of the same shape; ValueError if the shapes differ."""
    return float(_mask_counts(prediction, truth).dice(empty)[0, 1])


def iou(prediction: np.ndarray, truth: np.ndarray, empty: Empty) -> float:
    """Intersection over union |P∩T| / |P∪T| of two masks of the same shape; ValueError if the shapes differ."""
    return float(_mask_counts(prediction, truth).iou(empty)[0, 1])


def volume_score(prediction: np.ndarray, truth: np.ndarray, classes: int, metric: Metric, empty: Empty) -> float:
    """Score of all slices (N, H, W) together, integer labels 0 .. classes-1; NaN if no class remains.

    "dice" is averaged over the foreground classes, "miou" over all classes, background included.
    """
    found = counts(prediction, truth, classes).over_volume()
    return defined_mean(found.iou(empty) if metric == "miou" else found.dice(empty)[:, 1:])


def defined_mean(scores: np.ndarray) -> float:
    """Mean of the scores that are not NaN; NaN if all are."""
    return float(np.nanmean(scores)) if np.isfinite(scores).any() else float("nan")


def _mask_counts(prediction: np.ndarray, truth: np.ndarray) -> Counts:
    """Counts of two masks treated as one slice; column 1 is the mask."""
    return counts(np.asarray(prediction, bool)[np.newaxis], np.asarray(truth, bool)[np.newaxis], classes=2)


def _confusion(prediction: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """Numbers of voxels by slice, true class and predicted class: (N, classes, classes) int64."""
    if truth.size and not 0 <= min(prediction.min(), truth.min()) <= max(prediction.max(), truth.max()) < classes:
        raise ValueError(f"a label lies outside 0 .. {classes - 1}")
    slices = len(truth)
    pair = truth.reshape(slices, -1).astype(np.int64) * classes + prediction.reshape(slices, -1)
    pair += np.arange(slices)[:, np.newaxis] * classes**2
    return np.bincount(pair.ravel(), minlength=slices * classes**2).reshape(slices, classes, classes)


def _ratio(part: np.ndarray, whole: np.ndarray, empty: Empty) -> np.ndarray:
    """``part / whole`` where ``whole`` is not 0, else the value that ``empty`` specifies."""
    undefined = {"skip": np.nan, "one": 1.0}[empty]
    return np.divide(part, whole, out=np.full(part.shape, undefined), where=whole > 0)
