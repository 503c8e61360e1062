"""The answer in one row and one sentence per target: the best source, its gain, and the labelled scans it saves."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from headstart.evaluate.comparisons import ALL_SIZES
from headstart.evaluate.learning_curves import SAVED
from headstart.evaluate.significance import CRITERION, DIFFERENT, NO_DIFFERENCE
from headstart.evaluate.tables import BASELINE, METRICS

LEVEL = "volume"
_NUMBERS = ["gain", "low", "high", "p_holm"]
_SAVED = ["saved", "saved_is", "saved_low", "saved_low_is", "saved_high", "saved_high_is"]
COLUMNS = ["target", "metric", "level", "sizes", "best", "baseline", *_NUMBERS, "significantly_better",
           "significantly_worse", "gains", "size", *_SAVED, "not_different_from", "sentence"]  # fmt: skip


def verdict(summary: pd.DataFrame, comparisons: pd.DataFrame, saved: pd.DataFrame) -> pd.DataFrame:
    """The verdict on each target, over whole volumes, from the tables of these names: one row per target.

    ``best``: the source, other than the baseline, with the highest mean score over the set sizes; ``gain``: its gain
    over the baseline, averaged over the set sizes, with its 95 % confidence interval (``low``, ``high``) and its
    p-value adjusted over all pairs of sources (``p_holm``); ``significantly_better``, ``significantly_worse``: all
    sources whose gain over the baseline, averaged over the set sizes, is positive or negative and significant;
    ``gains``: the gain of the best source at each set size, as text; ``saved``: the labelled scans that it saves at the
    smallest set size, ``size``, as in that table; ``not_different_from``: the other sources from which the best one is
    not significantly different; ``sentence``: the verdict in words.
    """
    rows = []
    for (target, metric), part in summary[summary["level"] == LEVEL].groupby(["target", "metric"], sort=True):
        of_target = (table[table["target"] == target] for table in (comparisons, saved))
        pairs, scans = (table[table["level"] == LEVEL] for table in of_target)
        rows.append(_row(target, metric, part, pairs.astype({"size": str}), scans))
    return pd.DataFrame(rows, columns=COLUMNS)


def headline(row: Mapping) -> str:
    """The verdict on one target in a few short lines, from its row of :func:`verdict` or of the table in a file."""
    if pd.isna(row["best"]):
        return f"no source other than {BASELINE} has a score"
    if pd.isna(row["baseline"]):
        return f"highest mean score: {row['best']}; no {BASELINE} to compare it with"
    groups = {name: _names(row[name.replace(" ", "_")]) for name in ("significantly better", "significantly worse")}
    result = next((name for name, listed in groups.items() if row["best"] in listed), NO_DIFFERENCE)
    lines = [
        f"highest mean gain over {BASELINE}: {row['best']}",
        _gain(row),
        _over_sizes(row),
        f"{result} ({_p(row)})" if pd.notna(row["p_holm"]) else f"not tested ({_p(row)})",
        *(f"{name}: {', '.join(rest)}" for name, listed in groups.items() if (rest := _without(listed, row["best"]))),
    ]
    return "\n".join(lines)


def _row(target: str, metric: str, summary: pd.DataFrame, pairs: pd.DataFrame, saved: pd.DataFrame) -> dict:
    """The row of one target."""
    sizes = sorted(int(size) for size in summary["size"].unique())
    row = dict.fromkeys(COLUMNS) | dict.fromkeys([*_NUMBERS, "size", "saved", "saved_low", "saved_high"], np.nan)
    row |= {"target": target, "metric": metric, "level": LEVEL, "sizes": ", ".join(map(str, sizes))}
    scores = summary.groupby("source")["score"].mean()
    candidates = scores.drop(BASELINE, errors="ignore").dropna()
    if candidates.empty:
        return row | {"sentence": f"{target}: {headline(row)}."}
    best = str(candidates.idxmax())
    overall = pairs[pairs["size"] == (ALL_SIZES if len(sizes) > 1 else str(sizes[0]))]
    others = _compared_with_others(overall, best)
    similar = others.index[~others["significant"]].drop(BASELINE, errors="ignore")
    row |= {"best": best, "not_different_from": ", ".join(similar)}
    if BASELINE in others.index:
        against = overall[(overall["against"] == BASELINE) & overall["significant"].astype(bool)]
        row |= {
            "baseline": BASELINE,
            "significantly_better": ", ".join(against.loc[against["difference"] > 0, "source"]),
            "significantly_worse": ", ".join(against.loc[against["difference"] < 0, "source"]),
            **others.loc[BASELINE, _NUMBERS],
        }
        row |= _at_each_size(pairs[(pairs["source"] == best) & (pairs["against"] == BASELINE)], sizes)
        first = saved[(saved["source"] == best) & (saved["size"] == sizes[0])].iloc[0]
        row |= {"size": sizes[0], **dict(zip(_SAVED, first[list(SAVED)], strict=True))}
    return row | {"sentence": f"{target}: {_sentence(row, list(others.index))}."}


def _compared_with_others(pairs: pd.DataFrame, best: str) -> pd.DataFrame:
    """Comparisons of one source with each other, indexed by the other: gain, low, high, p_holm, significant."""
    own = pairs[(pairs["source"] == best) | (pairs["against"] == best)]
    second = own["against"] == best  # such a pair is turned round
    return pd.DataFrame(
        {
            "other": own["against"].mask(second, own["source"]),
            "gain": own["difference"].mask(second, -own["difference"]),
            "low": own["low"].mask(second, -own["high"]),
            "high": own["high"].mask(second, -own["low"]),
            "p_holm": own["p_holm"],
            "significant": own["significant"].astype(bool),
        }
    ).set_index("other")


def _at_each_size(pairs: pd.DataFrame, sizes: Sequence[int]) -> dict[str, str]:
    """The gain of a source at each set size, as text."""
    by_size = pairs.set_index("size")
    found = [(size, by_size.loc[str(size)]) for size in sizes]
    texts = (f"{size}: {at['difference']:+.3f} {_interval(at['low'], at['high'])}" for size, at in found)
    return {"gains": "; ".join(texts)}


def _sentence(row: Mapping, others: Sequence[str]) -> str:
    """The verdict in words, from a target's row; ``others``: the sources that the best one was compared with."""
    best, similar = row["best"], _names(row["not_different_from"])
    if not others:
        return f"{best} is the only source with a score, so there is nothing to compare it with"
    versus = f"it shows {NO_DIFFERENCE} from {', '.join(similar)}" if similar else f"it is {DIFFERENT} from all others"
    if pd.isna(row["baseline"]):
        return f"{best} has the highest mean score; {versus}; without {BASELINE} among the sources its gain is unknown"
    better, worse = _names(row["significantly_better"]), _names(row["significantly_worse"])
    gain = f"{_gain(row)}, {_over_sizes(row)} ({_p(row)})"
    highest = f"the highest mean gain is {best}'s, {gain}"
    if best in better:
        parts = [f"{best} is significantly better than {BASELINE}: mean gain {gain}"]
        if len(_sizes(row)) > 1:
            parts.append(f"trained on {_scans(_sizes(row)[0])} it saves {_saved(row)}")
        parts += [versus] * (len(others) > 1)
        if also := _without(better, best):
            parts.append(f"also significantly better than {BASELINE} ({CRITERION}): {', '.join(also)}")
    elif better:
        parts = [f"significantly better than {BASELINE} ({CRITERION}): {', '.join(better)}", highest]
    elif worse:
        parts = [f"no source is significantly better than {BASELINE} ({CRITERION})", highest]
    elif pd.isna(row["p_holm"]):
        parts = [f"differences from {BASELINE} cannot be tested with so few test scans and resamples", highest]
    else:
        parts = [f"no source differs significantly from {BASELINE} ({CRITERION})", highest]
    if worse:
        parts.append(f"significantly worse than {BASELINE} ({CRITERION}): {', '.join(worse)}")
    return "; ".join(parts)


def _p(row: Mapping) -> str:
    return "adjusted p not available" if pd.isna(row["p_holm"]) else f"adjusted p = {row['p_holm']:.2g}"


def _gain(row: Mapping) -> str:
    """The gain of the best source with its 95 % confidence interval."""
    return f"{row['gain']:+.3f} {METRICS[row['metric']]} {_interval(row['low'], row['high'])}"


def _over_sizes(row: Mapping) -> str:
    """The set sizes that a gain is averaged over."""
    *first, last = _sizes(row)
    return f"averaged over {', '.join(first)} and {_scans(last)}" if first else f"with {_scans(last)}"


def _sizes(row: Mapping) -> list[str]:
    """The set sizes of a target's row."""
    return str(row["sizes"]).split(", ")


def _scans(number: str) -> str:
    return f"{number} labelled scan{'s' * (number != '1')}"


def _names(listed: str | None) -> list[str]:
    """The sources of a list in a table; an empty list, and one read back from a file, is NaN or None."""
    return [] if pd.isna(listed) or not listed else listed.split(", ")


def _without(listed: Sequence[str], left_out: str) -> list[str]:
    return [name for name in listed if name != left_out]


def _interval(low: float, high: float) -> str:
    return "[95 % CI not available]" if np.isnan(low) else f"[95 % CI {low:+.3f}, {high:+.3f}]"


def _saved(row: Mapping) -> str:
    """Labelled scans saved with their 95 % confidence interval, marked where they lie beyond the measured sizes."""
    found, low, high = (
        "unknown" if sign == "n/a" else f"{sign} {scans:.0f}".removeprefix("= ")
        for scans, sign in ((row[name], row[f"{name}_is"]) for name in ("saved", "saved_low", "saved_high"))
    )
    return f"{found} labelled scans [95 % CI {low}, {high}]"
