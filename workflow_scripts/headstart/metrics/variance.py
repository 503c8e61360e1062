"""The fraction of the variance of intensities that a prediction explains, from sums over parts of the images."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Sums(NamedTuple):
    """Of some pixels: their number, their mean, and the sums of squares of deviations from it and of errors."""

    pixels: int
    mean: float
    deviations: float
    errors: float


def sums(predictions: np.ndarray, images: np.ndarray) -> Sums:
    """The sums of predictions of intensities, both of one shape; computed in float64."""
    if not images.size:
        return Sums(0, 0.0, 0.0, 0.0)
    wanted = images.astype(np.float64)
    mean = wanted.mean()
    deviations, errors = (np.square(wanted - other).sum() for other in (mean, predictions))
    return Sums(images.size, float(mean), float(deviations), float(errors))


def explained(parts: Sequence[Sums]) -> float:
    """Fraction of the variance of all parts together that is explained: 0 for their mean, 1 for all of it."""
    pixels, means, deviations, errors = np.array(parts).T
    mean = np.average(means, weights=pixels) if pixels.any() else 0.0
    # The deviations from the mean of all: those within the parts, and those of the parts' means.
    total = deviations.sum() + (pixels * np.square(means - mean)).sum()
    return float(1 - errors.sum() / max(total, np.finfo(float).tiny))
