"""What a study will be able to see, before anything is trained: the smallest gain that it would find."""

from collections.abc import Sequence

import numpy as np

from headstart.evaluate import simultaneous
from headstart.evaluate.tables import BASELINE, METRICS

# Standard deviations of a gain between test scans, between resamples, and of single scores, as found with U-Nets of at
# most four labelled scans: mean IoU of brain anatomy in real scans, and Dice of synthetic strokes.
DEVIATIONS = {"miou": (0.01, 0.015, 0.011), "dice": (0.05, 0.05, 0.08)}


def detectable_gain(
    scans: int,
    resamples: int,
    beyond: Sequence[float],
    gains: int,
    deviations: tuple[float, float, float],
    folds: int = 1,
) -> float:
    """The gain, averaged over the set sizes, that would be significant with a probability of 80 %.

    Parameters
    ----------
    scans
        Number of test scans.
    resamples
        Number of training sets of each size.
    beyond
        For each set size, as in :func:`headstart.evaluate.anova.spread`.
    gains
        Number of sources that are compared with the baseline; the gains of two have a correlation of 1/2.
    deviations
        Standard deviations of a gain between test scans, between resamples, and of single scores.
    folds
        Number of folds of a cross-validation, of which each resample tests one; 1: it tests all scans.

    Returns
    -------
    float
        NaN for a single scan or resample, with which nothing is tested.
    """
    if scans < 2 or resamples < 2:
        return float("nan")
    of_scan, of_resample, noise = (deviation**2 for deviation in deviations)
    shares, sizes = np.array(beyond, float), len(beyond)
    # As anova.spread has them: the scans of a fold are in the variance between resamples, too.
    scores = scans * resamples * sizes / folds
    within, twice = (noise, noise) if folds == 1 else (noise + of_scan, noise + of_scan + of_resample)
    by_scans, between = of_scan / scans + noise / scores, of_resample + within * folds / scans
    by_resamples = between / (resamples * sizes) + between * (np.sqrt(shares).sum() / sizes) ** 2
    variance = max(by_scans + by_resamples - twice / scores, by_scans, by_resamples)
    degrees = variance**2 / (by_scans**2 / (scans - 1) + by_resamples**2 / (sizes * (resamples - 1)))
    degrees += min(simultaneous.LENT, (gains - 1) * degrees / 2)
    correlation = np.full((gains, gains), 0.5) + np.eye(gains) / 2
    level = simultaneous.critical_level(gains, simultaneous.smallest_p(correlation))
    return float(simultaneous.detectable(np.sqrt(variance), degrees, level))


def sentence(
    target: str,
    metric: str,
    sizes: Sequence[int],
    resamples: int,
    scans: int,
    folds: int,
    sources: int,
    pool: int | None,
) -> str:
    """What a target of a study will be able to see, in words.

    ``sizes``: its set sizes; ``folds``: as in :func:`detectable_gain`; ``sources``: their number without the baseline;
    ``pool``: the number of scans that training sets are drawn from, if results are to hold for their population.
    """
    shares = [size / (pool - size) if pool else 0.0 for size in sizes]
    gain = detectable_gain(scans, resamples, shares, sources, DEVIATIONS[metric], folds)
    if np.isnan(gain):
        return f"{target}: no difference can be tested with one resample or one test scan."
    several = f"{len(sizes)} set size{'s' * (len(sizes) > 1)}"
    units = f"{resamples} resamples of {several} and {scans} test scans"
    if folds > 1:
        units = f"{resamples} resamples of {several}, of which each tests one of {folds} folds of {scans} scans"
    return (
        f"{target}: with {units}, a gain over {BASELINE} of {gain:.2g} {METRICS[metric]} or more would be significant "
        "with a probability of 80 %, if gains vary as in the studies that headstart was tried on."
    )
