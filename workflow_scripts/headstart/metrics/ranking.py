"""How well scores rank what shows a class above what does not."""

import numpy as np


def roc_area(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve of scores (N,) for ``positive`` (N,) bool: how often a positive scores above a negative.

    Ties count half; NaN if there are no positives or no negatives.
    """
    above, below = scores[positive], np.sort(scores[~positive])
    if not len(above) or not len(below):
        return float("nan")
    passed = np.searchsorted(below, above, "left") + np.searchsorted(below, above, "right")
    return float(passed.sum() / (2 * len(above) * len(below)))
