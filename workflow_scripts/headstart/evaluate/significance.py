"""The one criterion of statistical significance, and the words for a difference.

A difference is significant if its p-value, adjusted for its family of comparisons, is below 0.05, which is to say that
its confidence interval, which holds for all of the family at once (:mod:`headstart.evaluate.simultaneous`), excludes 0.
Verdict, tables, figures and captions use this criterion and no other.
"""

from typing import TypeVar

import numpy as np

ALPHA = 0.05
CRITERION = f"adjusted p < {ALPHA:g}"
DIFFERENT = f"significantly different ({CRITERION})"
NO_DIFFERENCE = "no significant difference"
BETTER, WORSE, EQUIVALENT, UNDECIDED = "better", "worse", "equivalent", "undecided"

Numbers = TypeVar("Numbers", float, np.ndarray)


def significant(p_adjusted: Numbers) -> Numbers:
    """Whether differences are significant, from their adjusted p-values; an unknown p-value (NaN) is not."""
    return p_adjusted < ALPHA


def judge(difference: float, low: float, high: float, significantly: bool, margin: float) -> str:
    """The word for a difference and its confidence interval.

    Better or worse if it is significant; equivalent if the interval lies between ``-margin`` and ``margin``; otherwise,
    or without an interval, undecided.
    """
    if significantly:
        return BETTER if difference > 0 else WORSE
    return EQUIVALENT if -margin < low and high < margin else UNDECIDED
