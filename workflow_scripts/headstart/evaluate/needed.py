"""How many labelled scans each source needs for a score, and how far forecasts of it can be trusted.

Within the measured set sizes the number is read off the monotone learning curve, as scans saved are; up to REACH times
the largest it is forecast by a mixture of laws (:mod:`headstart.evaluate.forecast`). The same forecast made without the
largest set size is compared with the score measured there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from headstart.evaluate import bootstrap, forecast
from headstart.evaluate.learning_curves import curves, interval, monotone, reaching
from headstart.evaluate.tables import CURVE, LEVEL, Cell, by_target
from headstart.seeds import generator

# How many times the largest measured set size a forecast may reach, and what it requires.
REACH = 3
# So many times the largest set size stand for any number of scans: a logarithm has no limit.
FAR = 100
LEAST_SIZES = 3
LEAST_RESAMPLES = 2
# Scores to reach beside the wanted one, as fractions of the highest measured mean score.
OF_BEST = (0.8, 0.9, 0.95)
READ_OFF, FORECAST, MORE, FEWER, NOT_REACHED, UNKNOWN = "=", "forecast", ">", "<", "not reached", "n/a"
NEEDED, FURTHER, FACTOR = (
    [f"{name}{end}{sign}" for end in ("", "_low", "_high") for sign in ("", "_is")]
    for name in ("needed", "more", "factor")
)
COLUMNS = [*CURVE, "wanted", "of_best", "source", "highest_mean", *NEEDED, "have", *FURTHER, *FACTOR]
BACKTEST = [*CURVE, "source", "fitted_on", "size", "predicted", "low", "high", "measured", "held"]


class Number(NamedTuple):
    """A number and its sign: read off or forecast, a bound that it exceeds or falls short of, or unknown."""

    value: float
    sign: str


class Reached(NamedTuple):
    """The set size at which a source reaches a score: the estimate, the ends of its 95 % confidence interval, draws.

    ``drawn`` (D,) is -inf below ``smallest``, the smallest measured size, inf beyond ``limit``, NaN if unknown.
    """

    estimate: Number
    low: Number
    high: Number
    drawn: np.ndarray
    smallest: float
    limit: float


@dataclass(frozen=True)
class Curve:
    """The learning curve of one source.

    ``sizes`` (T,); ``means`` (T,) and ``drawn`` (D, T): mean scores and those of each draw; ``law``: the fit to each
    draw, None where nothing may be forecast.
    """

    sizes: np.ndarray
    means: np.ndarray
    drawn: np.ndarray
    law: forecast.Fitted | None

    @property
    def limit(self) -> float:
        """The set size beyond which nothing is said."""
        return self.sizes[-1] * (REACH if self.law else 1)

    def reach(self, score: float) -> Reached:
        """The set size at which the curve reaches a score."""
        largest = self.sizes[-1]
        drawn, size, sign = self._read_off(self.drawn, score), self._read_off(self.means[None], score)[0], READ_OFF
        if self.law:
            beyond = np.maximum(self.law.sizes(score), largest)
            drawn = np.where(drawn == np.inf, np.where(beyond > self.limit, np.inf, beyond), drawn)
            if size == np.inf:
                size, sign = max(largest, np.quantile(drawn, 0.5, method="inverted_cdf")), FORECAST
        estimate = self._number(size, sign)
        if self.law and estimate.sign == MORE:
            highest = np.quantile(self.law.scores(FAR * largest), bootstrap.tails()[1])
            estimate = Number(np.nan, NOT_REACHED) if highest < score else estimate
        ends = (self._number(end, FORECAST if end > largest else READ_OFF) for end in interval(drawn))
        return Reached(estimate, *ends, drawn, self.sizes[0], self.limit)

    def _read_off(self, scores: np.ndarray, score: float) -> np.ndarray:
        """The set sizes at which learning curves (D, T) reach a score; NaN where one is not known: (D,)."""
        sizes = reaching(monotone(scores), self.sizes, np.full(len(scores), score))
        return np.where(np.isnan(scores).any(axis=1), np.nan, sizes)

    def _number(self, size: float, sign: str) -> Number:
        """A set size with its sign; the given one if it is known."""
        if np.isnan(size):
            return Number(size, UNKNOWN)
        return {np.inf: Number(self.limit, MORE), -np.inf: Number(self.sizes[0], FEWER)}.get(size, Number(size, sign))


def needed(cells: Iterable[Cell], aims: Mapping[str, Mapping[str, float | None]], seed: int) -> pd.DataFrame:
    """Labelled scans that each trained source needs for a score, over whole volumes.

    Parameters
    ----------
    cells
        Scores of the study, by :func:`headstart.evaluate.tables.cells`.
    aims
        By target, ``wanted``, the score that its user wants, and ``have``, the labelled scans that they have; None
        without.
    seed
        Seed of the choice of laws.

    Returns
    -------
    pandas.DataFrame
        One row per target, score and source; none of targets with a single set size. ``wanted``: the score;
        ``of_best``: its fraction of the highest measured mean score, NaN for the user's; ``highest_mean``: whether the
        source has the highest mean score over the set sizes, the baseline aside. ``needed`` with the ends of its 95 %
        confidence interval, ``needed_low`` and ``needed_high``; ``more``: the same beyond ``have``; ``factor``: scans
        that the baseline needs for one of the source's. The column ``_is`` of each says whether it is read off the
        measured curve ("="), a forecast ("forecast"), more (">") or less ("<") than the number, or unknown ("n/a");
        "not reached": with FAR times the largest set size, the confidence interval of the score lies below the wanted
        one.
    """
    rows = []
    for key, group in _of_several_sizes(cells):
        found, aim, baseline = of_sources(group, seed), aims[key["target"]], group[0].baseline
        highest = _highest({source: curve.means.mean() for source, curve in found.items() if source != baseline})
        for wanted, of_best in _scores(aim["wanted"], found.values()):
            reached = {source: curve.reach(wanted) for source, curve in found.items()}
            for source, own in reached.items():
                row = {**key, "wanted": wanted, "of_best": of_best, "source": source, "highest_mean": source == highest}
                row |= _entries(NEEDED, own[:3]) | {"have": np.nan if aim["have"] is None else aim["have"]}
                row |= _entries(FURTHER, [_further(number, row["have"]) for number in own[:3]])
                base = reached.get(baseline) if source != baseline else None
                rows.append(row | (_entries(FACTOR, _factor(base, own)) if base else {}))
    return pd.DataFrame(rows, columns=COLUMNS)


def backtest(cells: Iterable[Cell], seed: int) -> pd.DataFrame:
    """The forecast made without the largest set size, and the mean score measured there, over whole volumes.

    One row per target and source with enough set sizes for a forecast. ``fitted_on``: the set sizes of the fit;
    ``predicted``: the score at ``size``, the largest one, with the 95 % interval of the mean that this study should
    then measure (``low``, ``high``), from the differences of predicted and measured scores within draws; ``held``:
    whether ``measured`` lies within it.
    """
    rows = []
    for key, group in _of_several_sizes(cells):
        *sizes, size = (cell.key["size"] for cell in group)
        for source, curve in of_sources(group, seed).items():
            if curve.law is None:
                continue
            shorter = forecast.fit(curve.sizes[:-1], curve.means[:-1], curve.drawn[:, :-1], _chances(group[0], seed))
            predicted, measured = shorter.scores(size), curve.means[-1]
            low, high = np.clip(np.quantile(predicted - (curve.drawn[:, -1] - measured), bootstrap.tails()), 0, 1)
            row = {**key, "source": source, "fitted_on": ", ".join(map(str, sizes)), "size": size}
            row |= {"predicted": np.median(predicted), "low": low, "high": high, "measured": measured}
            rows.append(row | {"held": low <= measured <= high})
    return pd.DataFrame(rows, columns=BACKTEST)


def of_sources(group: Sequence[Cell], seed: int) -> dict[str, Curve]:
    """The learning curve of each source, from the cells of a target by increasing set size."""
    sizes, means, drawn = curves(group)
    chances = _chances(group[0], seed)
    enough = len(sizes) >= LEAST_SIZES and min(cell.resamples for cell in group) >= LEAST_RESAMPLES
    made = {}
    for k, source in enumerate(group[0].sources):
        known = enough and np.isfinite(drawn[:, k]).all()
        law = forecast.fit(sizes, means[k], drawn[:, k], chances) if known else None
        made[source] = Curve(sizes, means[k], drawn[:, k], law)
    return made


def _of_several_sizes(cells: Iterable[Cell]) -> Iterator[tuple[Mapping[str, object], list[Cell]]]:
    """The cells of whole volumes of each target with several set sizes, with the part of the key that they share.

    Without the sources that are not trained.
    """
    found = by_target(map(Cell.trained, cells))
    return ((key, group) for key, group in found if key["level"] == LEVEL and len(group) > 1)


def _chances(cell: Cell, seed: int) -> np.ndarray:
    """What chooses the law of each draw, the same for all sources of a target: (D,), evenly spaced in random order."""
    draws = len(cell.drawn)
    return (generator(seed, cell.key["target"], "laws").permutation(draws) + 0.5) / draws


def _highest(means: Mapping[str, float]) -> str | None:
    """The name with the highest mean; None without a mean."""
    known = {name: mean for name, mean in means.items() if not np.isnan(mean)}
    return max(known, key=known.get) if known else None


def _scores(wanted: float | None, found: Iterable[Curve]) -> list[tuple[float, float]]:
    """The scores to reach, and their fractions of the highest measured mean score, NaN for the user's."""
    asked = [] if wanted is None else [(wanted, np.nan)]
    best = max((mean for curve in found for mean in curve.means if mean > 0), default=None)
    return asked + ([] if best is None else [(fraction * best, fraction) for fraction in OF_BEST])


def _entries(names: Sequence[str], numbers: Iterable[Number]) -> dict[str, float | str]:
    """Numbers with their signs as columns of a row."""
    return dict(zip(names, (part for number in numbers for part in number), strict=True))


def _further(number: Number, have: float) -> Number:
    """A number of scans beyond those that the user has; unknown if these are, or if more than fewer are needed."""
    if np.isnan(have):
        return Number(np.nan, UNKNOWN)
    if number.value <= have:
        return Number(np.nan, UNKNOWN) if number.sign == MORE else Number(0, READ_OFF)
    return Number(number.value - have, number.sign)


def _factor(base: Reached, own: Reached) -> tuple[Number, Number, Number]:
    """The scans that the baseline needs, divided by those that a source needs, with the 95 % confidence interval.

    A size beyond those known gives a bound only; an end of the interval that no draw bounds is more than (">") the
    largest known one.
    """
    (fewest, most), bounds = _ratio(_bounds(base.estimate, base), _bounds(own.estimate, own)), (base, own)
    signs = {reached.estimate.sign for reached in bounds}
    if fewest == most:
        estimate = Number(fewest, FORECAST if FORECAST in signs else READ_OFF)
    elif fewest > 0 and most == np.inf:
        estimate = Number(fewest, MORE)
    elif fewest == 0 and most < np.inf:
        estimate = Number(most, FEWER)
    else:
        estimate = Number(np.nan, UNKNOWN)
    least, greatest = _ratio(*(_bounds_of_draws(reached) for reached in bounds))
    low, high = interval(least)[0], interval(greatest)[1]
    ends = (Number(low, READ_OFF), Number(high, READ_OFF))
    if np.isnan(low):
        ends = (Number(np.nan, UNKNOWN),) * 2
    elif high == np.inf:
        ends = (ends[0], Number(interval(least)[1], MORE))
    return estimate, *ends


def _ratio(over: tuple[np.ndarray, np.ndarray], under: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The bounds of a ratio, from those of its parts."""
    with np.errstate(divide="ignore"):
        return np.divide(over[0], under[1]), np.divide(over[1], under[0])


def _bounds(number: Number, reached: Reached) -> tuple[float, float]:
    """The least and the greatest set size that a number may stand for."""
    known = {MORE: (reached.limit, np.inf), NOT_REACHED: (reached.limit, np.inf), FEWER: (0.0, reached.smallest)}
    return known.get(number.sign, (number.value, number.value))


def _bounds_of_draws(reached: Reached) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest set size that each draw may stand for: (D,) each."""
    drawn = reached.drawn
    least = np.select([drawn == -np.inf, drawn == np.inf], [0.0, reached.limit], drawn)
    return least, np.where(drawn == -np.inf, reached.smallest, drawn)
