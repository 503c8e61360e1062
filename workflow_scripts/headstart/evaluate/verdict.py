"""The answer in a row and a sentence a target: which source, what it gains, and how many labelled scans it saves."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from headstart.evaluate.comparisons import ALL_SIZES
from headstart.evaluate.learning_curves import SAVED
from headstart.evaluate.tables import BASELINE, METRICS

LEVEL = "volume"
ALPHA = 0.05
_NUMBERS = ["gain", "low", "high", "p_holm"]
_SAVED = ["saved", "saved_is", "saved_low", "saved_low_is", "saved_high", "saved_high_is"]
COLUMNS = ["target", "metric", "level", "sizes", "best", "baseline", *_NUMBERS, "better", "gains", "size", *_SAVED,
           "alike", "sentence"]  # fmt: skip


def verdict(summary: pd.DataFrame, comparisons: pd.DataFrame, saved: pd.DataFrame) -> pd.DataFrame:
    """A row a target, over whole volumes, from the tables of these names.

    ``best``: the source, other than the baseline, with the highest mean score over the set sizes; ``gain`` over the
    baseline averaged over the set sizes, its 95 % interval and p-value, corrected over all pairs of sources;
    ``better``: all sources that gain with such a p-value below 0.05, which is what it takes to be told apart;
    ``gains``: what the best gains at each set size, as text; ``saved``: labelled scans that it saves at the smallest
    set size, ``size``, as in that table; ``alike``: the other sources from which the best is not told apart;
    ``sentence``: all this in words.
    """
    rows = []
    for (target, metric), part in summary[summary["level"] == LEVEL].groupby(["target", "metric"], sort=True):
        of_target = (table[table["target"] == target] for table in (comparisons, saved))
        pairs, scans = (table[table["level"] == LEVEL] for table in of_target)
        rows.append(_answer(target, metric, part, pairs.astype({"size": str}), scans))
    return pd.DataFrame(rows, columns=COLUMNS)


def _answer(target: str, metric: str, summary: pd.DataFrame, pairs: pd.DataFrame, saved: pd.DataFrame) -> dict:
    """The row of one target."""
    sizes = sorted(int(size) for size in summary["size"].unique())
    row = dict.fromkeys(COLUMNS) | dict.fromkeys([*_NUMBERS, "size", "saved", "saved_low", "saved_high"], np.nan)
    row |= {"target": target, "metric": metric, "level": LEVEL, "sizes": ", ".join(map(str, sizes))}
    scores = summary.groupby("source")["score"].mean()
    candidates = scores.drop(BASELINE, errors="ignore").dropna()
    if candidates.empty:
        return row | {"sentence": f"{target}: no source but {BASELINE} has a score."}
    best = str(candidates.idxmax())
    overall = pairs[pairs["size"] == (ALL_SIZES if len(sizes) > 1 else str(sizes[0]))]
    others = _ahead(overall, best)
    alike = others.index[~(others["p_holm"] < ALPHA)].drop(BASELINE, errors="ignore")
    row |= {"best": best, "alike": ", ".join(alike)}
    if BASELINE in others.index:
        against = overall[overall["against"] == BASELINE]
        better = against[(against["difference"] > 0) & (against["p_holm"] < ALPHA)]
        row |= {"baseline": BASELINE, "better": ", ".join(better["source"]), **others.loc[BASELINE]}
        row |= _at_each_size(pairs[(pairs["source"] == best) & (pairs["against"] == BASELINE)], sizes)
        first = saved[(saved["source"] == best) & (saved["size"] == sizes[0])].iloc[0]
        row |= {"size": sizes[0], **dict(zip(_SAVED, first[list(SAVED)], strict=True))}
    return row | {"sentence": f"{target}: {_sentence(row, sizes, list(others.index))}."}


def _ahead(pairs: pd.DataFrame, best: str) -> pd.DataFrame:
    """By how much one source is ahead of each other, by the other's name: columns gain, low, high, p_holm."""
    ahead = pairs[pairs["source"] == best].set_index("against")[["difference", "low", "high", "p_holm"]]
    behind = pairs[pairs["against"] == best].set_index("source")[["difference", "high", "low", "p_holm"]]
    turned = behind * [-1, -1, -1, 1]
    return pd.concat([part.set_axis(_NUMBERS, axis=1) for part in (ahead, turned)])


def _at_each_size(pairs: pd.DataFrame, sizes: Sequence[int]) -> dict[str, str]:
    """What a source gains at each set size, as text."""
    by_size = pairs.set_index("size")
    found = [(size, by_size.loc[str(size)]) for size in sizes]
    return {"gains": "; ".join(f"{size}: {_gain(at['difference'], at['low'], at['high'])}" for size, at in found)}


def _sentence(row: Mapping, sizes: Sequence[int], others: Sequence[str]) -> str:
    """What a target's row says, the best source having been compared with these others."""
    best = row["best"]
    if not others:
        return f"{best} is the only source with a score, so there is nothing to compare it with"
    alike = f"not told apart from {row['alike']}" if row["alike"] else "told apart from all other sources"
    if row["baseline"] is None:
        return f"{best} scores best, {alike}; without {BASELINE} among the sources, what it gains is not known"
    over = f"averaged over {row['sizes']} labelled scans" if len(sizes) > 1 else f"with {sizes[0]} labelled scans"
    gain = (
        f"{_gain(row['gain'], row['low'], row['high'])} {METRICS[row['metric']]}, {over}, "
        f"adjusted p {'not known' if np.isnan(row['p_holm']) else format(row['p_holm'], '.2g')}"
    )
    if not row["better"]:
        return f"no source is told apart from {BASELINE} as better; the best, {best}, gains {gain}"
    if best not in row["better"].split(", "):
        return f"better than {BASELINE} is {row['better']}; {best} scores best, but is not told apart from it ({gain})"
    saves = f"; with {sizes[0]} labelled scans it saves {_saved(row)} more" if len(sizes) > 1 else ""
    told = f"; it is {alike}" if len(others) > 1 else ""
    return f"{best} is better than {BASELINE} ({gain}){saves}{told}"


def _gain(gain: float, low: float, high: float) -> str:
    return f"{gain:+.3f} " + ("(no interval)" if np.isnan(low) else f"[{low:+.3f}, {high:+.3f}]")


def _saved(row: Mapping) -> str:
    """Scans saved with their interval, where they lie beyond what was measured said so."""
    found, low, high = (
        "n/a" if sign == "n/a" else f"{sign} {scans:.0f}".removeprefix("= ")
        for scans, sign in ((row[name], row[f"{name}_is"]) for name in ("saved", "saved_low", "saved_high"))
    )
    return f"{found} [{low}, {high}]"
