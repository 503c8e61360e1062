"""Learning curves beyond the measured set sizes: one mixture of laws, over the draws of the bootstrap.

A law is score(n) = a - b * falling(n, shape) for n labelled scans, with b >= 0, a ``falling`` that decreases in n, and
a grid of shapes. Power laws, exponential plateaus, logarithms and arctangents all fit a few points, and forecast very
different scores, so that any single one claims more than the points tell (Mahmood 2022, "How much more data do I need?
Estimating requirements for downstream tasks"; Viering and Loog 2022, "The shape of learning curves: a review"). Each
draw therefore takes one law and one shape at random, with the probability that follows from its fit to the measured
curve, and fits a and b to its own scores: the draws vary with the scores and with the law.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

# Each law has as many shapes, so that without evidence all laws are equally probable.
SHAPES = 12


class Law(NamedTuple):
    """A family of curves.

    ``falling(n, shape)``; ``size(value, shape)``: the n at which it has this value; ``shapes(sizes)``: (SHAPES,) for
    curves measured at these sizes; ``endless``: whether ``falling`` has no limit. That of all others is 0, so that a is
    the score that very many scans would have.
    """

    falling: Callable[[np.ndarray, np.ndarray], np.ndarray]
    size: Callable[[np.ndarray, np.ndarray], np.ndarray]
    shapes: Callable[[np.ndarray], np.ndarray]
    endless: bool = False


def _scales(sizes: np.ndarray) -> np.ndarray:
    """Numbers of scans within which a curve bends, from half the smallest set size to four times the largest."""
    return np.geomspace(sizes[0] / 2, 4 * sizes[-1], SHAPES)


LAWS: Mapping[str, Law] = {
    "power": Law(lambda n, c: n**-c, lambda value, c: value ** (-1 / c), lambda sizes: np.geomspace(0.1, 2, SHAPES)),
    "exponential": Law(lambda n, s: np.exp(-n / s), lambda value, s: -s * np.log(value), _scales),
    "arctangent": Law(
        lambda n, s: np.arctan(s / n), lambda value, s: s / np.tan(np.minimum(value, np.pi / 2)), _scales
    ),
    "logarithm": Law(lambda n, s: -np.log1p(n / s), lambda value, s: s * np.expm1(-value), _scales, endless=True),
}
_ENDLESS = [name for name, law in LAWS.items() if law.endless]


class Fitted(NamedTuple):
    """One curve for each of D draws: the name of its law, its shape, and its a and b, (D,) each."""

    law: np.ndarray
    shape: np.ndarray
    a: np.ndarray
    b: np.ndarray

    def scores(self, size: float) -> np.ndarray:
        """The scores at a set size, 1 at most: (D,)."""
        return np.minimum(1, self.a - self.b * self._each("falling", np.full(len(self.a), float(size))))

    def sizes(self, score: float) -> np.ndarray:
        """The set sizes at which the curves reach a score, inf where they never do, 0 where they start above: (D,)."""
        # Also evaluated where a law has no such size, and replaced there.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            sizes = self._each("size", (self.a - score) / self.b)
        never = (score >= self.a) & ~np.isin(self.law, _ENDLESS)
        return np.select([self.b == 0, never], [np.where(score > self.a, np.inf, 0), np.inf], sizes)

    def _each(self, function: str, values: np.ndarray) -> np.ndarray:
        """A function of each draw's law at a value, (D,)."""
        made = np.empty(len(values))
        for name, law in LAWS.items():
            own = self.law == name
            made[own] = getattr(law, function)(values[own], self.shape[own])
        return made


def fit(sizes: np.ndarray, means: np.ndarray, drawn: np.ndarray, chances: np.ndarray) -> Fitted:
    """Fit a curve to each draw of a learning curve, with a law and a shape drawn by their weights.

    Parameters
    ----------
    sizes
        Set sizes (T,), two at least.
    means
        Mean scores (T,).
    drawn
        Mean scores in each draw (D, T).
    chances
        Numbers between 0 and 1, (D,), that choose law and shape of each draw. The same ones for several sources let
        each draw judge them by similar laws.
    """
    names = np.repeat(list(LAWS), SHAPES)
    shapes = np.concatenate([law.shapes(sizes) for law in LAWS.values()])
    falling = np.concatenate([law.falling(sizes, law.shapes(sizes)[:, None]) for law in LAWS.values()])
    probable = np.cumsum(weights(means, drawn, falling, names))
    chosen = np.minimum(np.searchsorted(probable, chances), len(names) - 1)
    a, b = least_squares(falling[chosen], drawn, np.isin(names[chosen], _ENDLESS))
    return Fitted(names[chosen], shapes[chosen], a, b)


def weights(means: np.ndarray, drawn: np.ndarray, falling: np.ndarray, names: np.ndarray) -> np.ndarray:
    """The probability of each of C laws and shapes given a measured curve: (C,), from ``falling`` (C, T).

    Proportional to the likelihood of the curve's residuals, whose standard deviation is :func:`noise`, with all laws
    and shapes equally probable beforehand. With two set sizes there are no residuals, and all keep the same weight, but
    those that would fit with a > 1.
    """
    a, b = least_squares(falling, means, np.isin(names, _ENDLESS))
    squares = ((means - (a[:, None] - b[:, None] * falling)) ** 2).sum(axis=1)
    # A curve without noise leaves only the laws that fit it best.
    scale = max(2 * noise(means, drawn) ** 2, 1e-12)
    likelihood = np.exp(-(squares - squares.min()) / scale)
    return likelihood / likelihood.sum()


def noise(means: np.ndarray, drawn: np.ndarray) -> float:
    """Standard deviation of a mean score (T,) about its curve, from the draws (D, T) without what all sizes share.

    From the central 68 % of the deviations, because draws with few resamples have no finite variance.
    """
    deviations = drawn - means
    deviations = deviations - deviations.mean(axis=1, keepdims=True)
    low, high = np.quantile(deviations, (0.1587, 0.8413))
    return float((high - low) / 2 * np.sqrt(len(means) / (len(means) - 1)))


def least_squares(falling: np.ndarray, scores: np.ndarray, endless: np.ndarray | bool) -> tuple[np.ndarray, np.ndarray]:
    """Fit score = a - b * falling with b >= 0, and a <= 1 unless endless: a and b (...,) from (..., T)."""
    mean, mean_falling = scores.mean(axis=-1), falling.mean(axis=-1)
    centred = falling - mean_falling[..., None]
    b = np.maximum(0, -(scores * centred).sum(axis=-1) / (centred**2).sum(axis=-1))
    a = mean + b * mean_falling
    highest = np.maximum(0, ((1 - scores) * falling).sum(axis=-1) / (falling**2).sum(axis=-1))
    above = (a > 1) & np.logical_not(endless)
    return np.where(above, 1, a), np.where(above, highest, b)
