"""Three tissues of a T1 brain: Gaussian classes, a Markov random field and a bias field, fitted together.

The model of FSL's FAST (Zhang 2001) for the logarithm of intensity, in which bias is additive. Expectation maximisation
alternates with estimating the bias field as a weighted mean (Wells 1996); the random field is approximated by its mean
field (Zhang 1992).
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from headstart.images import Volume

# Bins of the histogram from which the classes start, and spacing of the mesh on which the bias field is estimated.
_BINS = 512
_MESH_MM = 4.0
# Below this share of the brain's median intensity a voxel has no signal, and its logarithm no meaning.
_NO_SIGNAL = 0.1
# Intensities are clipped at this percentile: bright vessels would form a separate class.
_HIGHEST_PERCENTILE = 99.5
# Standard deviation of the Gaussian weights of neighbours, in units of the smallest voxel side.
_REACH = 1.2
_FWHM_PER_SD = 2 * np.sqrt(2 * np.log(2))
# A class with less of the brain than this has collapsed.
_SMALLEST_SHARE = 0.02
# Avoids division by 0 for a class that is empty or has a single intensity.
_TINY = 1e-6


def tissue(
    scan: Volume,
    brain: Volume,
    *,
    bias_mm: float,
    smoothness: Sequence[float],
    steps: Sequence[int],
) -> Volume:
    """Classify the voxels of a T1 brain into three tissues.

    Voxels without signal are CSF and left out of the fit. If a class nearly vanishes, each voxel keeps the class whose
    mean was nearest at the start. Uses no random numbers and one thread, so the same input gives the same bytes.

    Parameters
    ----------
    scan
        T1 scan with raw intensities.
    brain
        Its brain mask on the same grid, uint8, 1 inside.
    bias_mm
        Smoothness of the bias field: full width at half maximum of a Gaussian.
    smoothness
        Weight of the class of a neighbour, while the bias field is estimated and afterwards.
    steps
        Numbers of EM steps, while the bias field is estimated and afterwards. They are few on purpose: at convergence,
        the model takes cortex with partial volume for CSF.

    Returns
    -------
    Volume
        uint8: 0 outside the brain, 1 CSF, 2 GM, 3 WM.

    Raises
    ------
    ValueError
        If the brain is empty, or does not have three different intensities.
    """
    classes = (brain.data > 0).astype(np.uint8)
    if not classes.any():
        raise ValueError("the brain mask is empty")
    box = ndimage.find_objects(classes)[0]
    intensity, spacing = scan.data[box], brain.grid.spacing
    inside = classes[box] > 0
    inside &= intensity > _NO_SIGNAL * np.median(intensity[inside])
    measured = _log_intensity(intensity[inside])
    start = _nearest(measured, _three_means(measured))
    if len(np.unique(start)) < 3:
        raise ValueError("the brain does not have three intensities that could be tissues")
    shares = [(start == k).astype(np.float32) for k in range(3)]
    mesh = _Mesh(inside, spacing, bias_mm)
    corrected = measured
    for step in range(sum(steps)):
        estimate_bias = step < steps[0]
        means, variances = _moments(corrected, shares)
        weight = smoothness[0 if estimate_bias else 1]
        neighbours = [weight * _neighbours(share, inside, spacing) for share in shares]
        shares = _posterior(corrected, means, variances, neighbours)
        if estimate_bias:
            corrected = measured - _bias(measured, corrected, shares, mesh)
    found = np.argmax(shares, axis=0)
    collapsed = np.bincount(found, minlength=3).min() < _SMALLEST_SHARE * found.size
    classes[box][inside] = 1 + (start if collapsed else found)
    return Volume(classes, brain.affine)


def _log_intensity(intensity: np.ndarray) -> np.ndarray:
    """Logarithm of positive intensities, of which the highest are clipped; float32."""
    return np.log(np.minimum(intensity, np.percentile(intensity, _HIGHEST_PERCENTILE))).astype(np.float32)


def _three_means(intensity: np.ndarray) -> np.ndarray:
    """Means (3,) of three classes, rising, by k-means on the histogram, started at three classes of equal size."""
    counts, edges = np.histogram(intensity, bins=_BINS)
    centres = (edges[1:] + edges[:-1]) / 2
    means = np.percentile(intensity, (100 / 6, 50, 500 / 6))
    for _ in range(_BINS):
        nearest = _nearest(centres, means)
        weights = np.stack([counts * (nearest == k) for k in range(3)])
        moved = weights @ centres / np.maximum(weights.sum(axis=1), 1)
        if np.array_equal(moved, means):
            break
        means = moved
    return means


def _nearest(values: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Index of the nearest of three rising means for each value."""
    return np.digitize(values, (means[1:] + means[:-1]) / 2)


def _moments(values: np.ndarray, shares: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each class, in which each value is weighted by its share of the class."""
    totals = [share.sum(dtype=np.float64) + _TINY for share in shares]
    means = [np.dot(share, values) / total for share, total in zip(shares, totals, strict=True)]
    spreads = [np.dot(share, (values - mean) ** 2) for share, mean in zip(shares, means, strict=True)]
    return np.array(means), np.array(spreads) / totals + _TINY


def _posterior(
    values: np.ndarray, means: np.ndarray, variances: np.ndarray, neighbours: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Posterior probability of each class in each voxel, from its value and the weighted shares of its neighbours."""
    logs = [
        near - (values - mean) ** 2 / (2 * variance) - np.log(variance) / 2
        for near, mean, variance in zip(neighbours, means, variances, strict=True)
    ]
    largest = np.maximum(np.maximum(logs[0], logs[1]), logs[2])
    odds = [np.exp(log - largest) for log in logs]
    total = odds[0] + odds[1] + odds[2]
    return [one / total for one in odds]


def _neighbours(share: np.ndarray, inside: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Sum of a class's shares over the 26 neighbours, weighted by a Gaussian of their distance."""
    full = np.zeros(inside.shape, np.float32)
    full[inside] = share
    for axis, side in enumerate(spacing / spacing.min()):
        beside = np.exp(-((side / _REACH) ** 2) / 2)
        full = ndimage.correlate1d(full, (beside, 1, beside), axis=axis, mode="constant")
    return full[inside] - share


def _bias(measured: np.ndarray, corrected: np.ndarray, shares: Sequence[np.ndarray], mesh: "_Mesh") -> np.ndarray:
    """The smooth residual of the class means, weighted by the classes' precisions; its mean is 0."""
    means, variances = _moments(corrected, shares)
    precisions = [share / variance for share, variance in zip(shares, variances, strict=True)]
    excess = sum(precision * (measured - mean) for precision, mean in zip(precisions, means, strict=True))
    field = mesh.smooth(excess, sum(precisions))
    return field - field.mean()


class _Mesh:
    """A coarse mesh over the brain's voxels for their local averages with Gaussian weights."""

    def __init__(self, inside: np.ndarray, spacing: np.ndarray, fwhm_mm: float):
        """Mesh over the voxels ``inside`` (X, Y, Z), for averages with a full width at half maximum of ``fwhm_mm``."""
        steps = np.maximum(1, np.round(_MESH_MM / spacing)).astype(int)
        voxels = np.argwhere(inside)
        self._shape = tuple(voxels.max(axis=0) // steps + 1)
        self._cells = np.ravel_multi_index((voxels // steps).T, self._shape)
        self._points = ((voxels + 0.5) / steps - 0.5).T.astype(np.float32)
        self._sigma = fwhm_mm / _FWHM_PER_SD / (spacing * steps)

    def smooth(self, sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Weighted mean around each voxel, float32; ``sums`` are the values times their ``weights``."""
        above, below = (
            ndimage.gaussian_filter(self._total(values), self._sigma, mode="constant") for values in (sums, weights)
        )
        means = (above / np.maximum(below, np.finfo(float).tiny)).astype(np.float32)
        return ndimage.map_coordinates(means, self._points, order=1, mode="nearest")

    def _total(self, values: np.ndarray) -> np.ndarray:
        """Sum of the voxels' values in each cell, float64."""
        return np.bincount(self._cells, values, np.prod(self._shape)).reshape(self._shape)
