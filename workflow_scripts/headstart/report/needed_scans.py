"""The labelled scans that a target needs, in a sentence or two, from the tables ``needed`` and ``backtest``."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from headstart.evaluate.needed import FEWER, FORECAST, MORE, NOT_REACHED, READ_OFF
from headstart.evaluate.tables import BASELINE, metric_name
from headstart.report.html import listed

# The score that the sentence is about where the user names none, as a fraction of the highest measured mean score.
_USUAL = 0.9


def sentence(needed: pd.DataFrame, backtest: pd.DataFrame, baseline: str | None = BASELINE) -> str:
    """The scans needed for the wanted score: with the source of the highest mean score, and with the baseline.

    ``needed`` and ``backtest``: the rows of one target of the tables of these names; ``baseline``: None without one.
    """
    asked = needed[needed["of_best"].isna()]
    rows = needed[np.isclose(needed["of_best"].astype(float), _USUAL)] if asked.empty else asked
    best, base = rows["highest_mean"].astype(bool), rows["source"] == baseline
    shown = rows[best].to_dict("records") + rows[base].to_dict("records")
    if not shown:
        return "How many labelled scans are needed is not known: it requires scores at several set sizes."
    first = shown[0]
    score = f"{metric_name(first['metric'])} {first['wanted']:.2f}"
    goal = f"{100 * _USUAL:.0f} % of the highest mean score ({score})" if asked.empty else score
    have = "" if np.isnan(first["have"]) else f"; you have {first['have']:.0f}{_further(first)}"
    return f"For {goal}, {_amounts(shown)}{have}.{_check(first, backtest)}"


def _amounts(rows: Sequence[Mapping]) -> str:
    """The scans that each source needs, and the sources of which it is not known or that never reach the score."""
    short = [row for row in rows if row["needed_is"] == NOT_REACHED]
    unknown = [row for row in rows if row not in short and _is_unknown(row)]
    needs = [_amount(row) for row in rows if row not in [*short, *unknown]]
    clauses = [f"you need {', '.join(needs)}"] if needs else []
    if unknown:
        names = listed([row["source"] for row in unknown])
        clauses.append(
            f"how many labelled scans you need with {names} is not known [{_interval(unknown[0], 'needed')}]"
        )
    if short:
        names = listed([row["source"] for row in short])
        clauses.append(f"the curve{'s' * (len(short) > 1)} of {names} will not reach it")
    return "; ".join(clauses)


def _is_unknown(row: Mapping) -> bool:
    """Whether a number of scans is not known, or its 95 % confidence interval has all that could be measured."""
    return pd.isna(row["needed"]) or (row["needed_low_is"] == FEWER and row["needed_high_is"] == MORE)


def _amount(row: Mapping) -> str:
    """The scans that one source needs, with their 95 % confidence interval unless it says no more."""
    signs = [row[f"needed{end}_is"] for end in ("", "_low", "_high")]
    interval = "" if set(signs) in ({MORE}, {FEWER}) else f" [{_interval(row, 'needed')}]"
    amount = _whole(row["needed"])
    bound = {MORE: "more than ", FEWER: "at most "}.get(signs[0], "")
    scans = "scan" if amount == 1 and signs[0] != MORE else "scans"
    mark = " (forecast)" if signs[0] == FORECAST else ""
    return f"{bound}{amount}{interval} labelled {scans} with {row['source']}{mark}"


def _further(row: Mapping) -> str:
    """The scans that are needed beyond those at hand, with their 95 % confidence interval; nothing if unknown."""
    if row["needed_is"] == NOT_REACHED or _is_unknown(row) or row["more_is"] not in (READ_OFF, FORECAST):
        return ""
    if row["more_high"] == 0:
        return ", which is enough"
    if row["more"] == 0 and pd.isna(row["more_high"]):
        return ", which may be enough"
    return f", so {_whole(row['more'])} [{_interval(row, 'more')}] more"


def _interval(row: Mapping, name: str) -> str:
    """A 95 % confidence interval of a number of scans; its ends may be bounds."""
    ends = [(row[f"{name}{end}"], row[f"{name}{end}_is"]) for end in ("_low", "_high")]
    if any(pd.isna(value) for value, _ in ends):
        return "95 % CI not available"
    bounds = {MORE: "> ", FEWER: "≤ "}
    low, high = (f"{bounds.get(sign, '')}{_whole(value)}" for value, sign in ends)
    return f"95 % CI {low}, {high}"


def _whole(scans: float) -> int:
    """A number of scans, rounded up: tables have six digits."""
    return math.ceil(scans - 1e-5 * abs(scans))


def _check(row: Mapping, backtest: pd.DataFrame) -> str:
    """How the forecast of a source did at the largest set size; nothing where nothing is forecast."""
    tested = backtest[backtest["source"] == row["source"]]
    if tested.empty or FORECAST not in {row[f"needed{end}_is"] for end in ("", "_low", "_high")}:
        return ""
    check = tested.iloc[0]
    predicted = f"{check['predicted']:.2f} [{check['low']:.2f}, {check['high']:.2f}]"
    outside = "" if check["held"] else ", outside that interval: do not rely on the forecast"
    return (
        f" Check of the forecast: made from {listed(str(check['fitted_on']).split(', '))} scans, it predicts "
        f"{predicted} with {check['size']}; measured: {check['measured']:.2f}{outside}."
    )
