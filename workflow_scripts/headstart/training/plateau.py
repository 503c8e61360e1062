"""How much the training loss still fell at the end of a training.

A fall of more than 5 % says that the training was still learning. A smaller one says only that the loss did not fall
any more at the last learning rate, which by default is a tenth of the first (``training.decay_factor``). It does not
prove that a longer training, which keeps the first rate for longer, would gain nothing.
"""

from collections.abc import Sequence

import numpy as np

# Epochs that a history must have for its end to be judged, and the fall of the loss from which it is still learning.
LEAST_EPOCHS = 8
STILL_LEARNING = 0.05


def fall(losses: Sequence[float]) -> float | None:
    """How much of the loss the last quarter of the epochs took: 1 - its mean / that of the quarter before.

    ``losses``: the mean loss of each epoch. A quarter is wide enough for the noise of single epochs to matter little.
    None, not judged, for fewer than :data:`LEAST_EPOCHS`.
    """
    if len(losses) < LEAST_EPOCHS:
        return None
    quarter = len(losses) // 4
    before, last = np.mean(losses[-2 * quarter : -quarter]), np.mean(losses[-quarter:])
    return float(1 - last / before)
