"""The one criterion of statistical significance: a p-value, adjusted for multiple comparisons, below 0.05.

Verdict, tables, figures and captions use it and no other. The 95 % confidence intervals beside the p-values are not
corrected for multiple comparisons and decide nothing.
"""

from typing import TypeVar

import numpy as np

ALPHA = 0.05
CRITERION = f"adjusted p < {ALPHA:g}"
DIFFERENT = f"significantly different ({CRITERION})"
NO_DIFFERENCE = "no significant difference"

Numbers = TypeVar("Numbers", float, np.ndarray)


def significant(p_adjusted: Numbers) -> Numbers:
    """Whether differences are significant, from their adjusted p-values; an unknown p-value (NaN) is not."""
    return p_adjusted < ALPHA
