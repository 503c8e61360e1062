"""The answer in one row and one sentence per target: which sources are better than the baseline, or worse."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from headstart.evaluate import comparisons as pairs_of
from headstart.evaluate import size_by_size
from headstart.evaluate import verdict_words as words
from headstart.evaluate.learning_curves import SAVED
from headstart.evaluate.significance import (
    BETTER,
    CRITERION,
    DIFFERENT,
    EQUIVALENT,
    NO_DIFFERENCE,
    UNDECIDED,
    WORSE,
    judge,
)
from headstart.evaluate.tables import ALL_SIZES, BASELINE, LEVEL, Cell, by_target, over_sizes

# Column of the sources of each word.
WORDS = {BETTER: "significantly_better", WORSE: "significantly_worse", EQUIVALENT: "equivalent", UNDECIDED: "undecided"}
_NUMBERS = ["gain", "low", "high", "p_adjusted", "detectable"]
_SAVED = ["saved", "saved_is", "saved_low", "saved_low_is", "saved_high", "saved_high_is"]
COLUMNS = ["target", "metric", "level", "sizes", "pool", "training_scans", "resamples", "scans", "sources", "highest",
           "baseline", *_NUMBERS[:-1], *WORDS.values(), "margin", "detectable", "narrows_first", "gains",
           "head_start_up_to", "size", *_SAVED, "not_different_from", "probability_highest", "sentence"]  # fmt: skip


def verdict(
    cells: Sequence[Cell],
    comparisons: pd.DataFrame,
    saved: pd.DataFrame,
    margin: float,
    pools: Mapping[str, int],
    training_scans: str,
) -> pd.DataFrame:
    """The verdict on each target, over whole volumes and averaged over the set sizes: one row per target.

    Parameters
    ----------
    cells
        The scores of the study, :func:`headstart.evaluate.tables.cells`.
    comparisons, saved
        The tables of these names.
    margin
        Largest difference of two mean scores that makes no difference to the user.
    pools
        Number of scans outside the test set, by target.
    training_scans
        The setting ``evaluate.training_scans``: whether results concern training sets of these scans, or of their
        population.

    Returns
    -------
    pandas.DataFrame
        ``highest``: the source, other than the baseline, with the highest mean score; ``gain``: its gain over the
        baseline with its simultaneous 95 % confidence interval (``low``, ``high``) and ``p_adjusted``.
        ``significantly_better``, ``significantly_worse``, ``equivalent``, ``undecided``: the sources of each word
        (:func:`headstart.evaluate.significance.judge`), none of which is said without a test. ``detectable``: the gain
        that would be significant with a probability of 80 % for every undecided source, or for every source where none
        is; ``narrows_first``: whether intervals depend more on the number of resamples or of test scans. ``gains``: the
        gain of that source at each set size, as text; ``head_start_up_to``: the largest set size up to which each
        source is a head start (:func:`headstart.evaluate.size_by_size.up_to`), as text; ``saved``: the labelled scans
        that it saves at the smallest set size, ``size``, as in that table, n/a if it or the baseline is not trained;
        ``not_different_from``: the other sources from which it is not significantly different;
        ``probability_highest``: the probability that each source has the highest mean, as text; ``sentence``: the
        verdict in words.
    """
    chances, rows = pairs_of.highest(cells), []
    for key, group in by_target(cells):
        if key["level"] == LEVEL:
            target, cell = key["target"], over_sizes(group)
            pairs, scans, chance = (
                table[(table["target"] == target) & (table["level"] == LEVEL)]
                for table in (comparisons, saved, chances)
            )
            asked = {"margin": margin, "pool": pools.get(target, np.nan), "training_scans": training_scans}
            row = _row(cell, [of_size.key["size"] for of_size in group], pairs.astype({"size": str}), scans, asked)
            known = chance.dropna().sort_values("highest", ascending=False)
            shares = zip(known["source"], known["highest"], strict=True)
            row["probability_highest"] = "; ".join(f"{source}: {share:.2f}" for source, share in shares)
            rows.append(row | {"sentence": f"{target}: {sentence(row, cell.baseline)}."})
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(cell: Cell, sizes: Sequence[int], pairs: pd.DataFrame, saved: pd.DataFrame, asked: Mapping) -> dict:
    """The row of one target, without its sentence; ``pairs``, ``saved``: its rows of these tables."""
    row = dict.fromkeys(COLUMNS) | dict.fromkeys([*_NUMBERS, "size", "saved", "saved_low", "saved_high"], np.nan)
    row |= {**cell.key, **asked, "sizes": ", ".join(map(str, sizes)), "size": sizes[0]}
    row |= {"resamples": cell.resamples, "scans": cell.scans, "sources": len(cell.sources)}
    means = pd.Series(cell.means, cell.sources).drop(cell.baseline, errors="ignore").dropna()
    if means.empty:
        return row
    row["highest"] = str(means.idxmax())
    overall = pairs[pairs["size"] == str(cell.key["size"])]
    others = overall[(overall["family"] == pairs_of.HIGHEST) & (overall["against"] != cell.baseline)]
    row["not_different_from"] = ", ".join(others.loc[~others["significant"].astype(bool), "against"])
    with_baseline = pairs[pairs["against"] == cell.baseline]
    gains = with_baseline[with_baseline["size"] == str(cell.key["size"])].set_index("source")
    if gains.empty:
        return row
    own = with_baseline[with_baseline["source"] == row["highest"]].set_index("size")
    row |= {"baseline": cell.baseline, "gain": gains["difference"][row["highest"]], "gains": _at_each_size(own, sizes)}
    row |= gains.loc[row["highest"], ["low", "high", "p_adjusted"]].to_dict()
    if len(sizes) > 1:
        reach = size_by_size.up_to(with_baseline[with_baseline["size"] != ALL_SIZES])
        row["head_start_up_to"] = "; ".join(f"{source}: {size}" for source, size in reach.items())
    tested = gains[gains["p_adjusted"].notna()]
    named = _by_word(tested, asked["margin"])
    row |= {column: ", ".join(named[word]) for word, column in WORDS.items()}
    row["detectable"] = tested.loc[named[UNDECIDED] or tested.index, "detectable"].max()
    if len(tested):
        by_scans, by_resamples = ((tested[f"error_{axis}"] ** 2).sum() for axis in ("scans", "resamples"))
        sets = "resamples" if asked["training_scans"] == "these" else "resamples and scans to draw them from"
        row["narrows_first"] = sets if by_resamples > by_scans else "test scans"
    first = saved[(saved["source"] == row["highest"]) & (saved["size"] == sizes[0])]
    return row if first.empty else row | dict(zip(_SAVED, first.iloc[0][list(SAVED)], strict=True))


def _by_word(tested: pd.DataFrame, margin: float) -> dict[str, list[str]]:
    """The sources of each word, from the gains that are tested."""
    named: dict[str, list[str]] = {word: [] for word in WORDS}
    for source, gain in tested.to_dict("index").items():
        named[judge(gain["difference"], gain["low"], gain["high"], gain["significant"], margin)].append(source)
    return named


def _at_each_size(own: pd.DataFrame, sizes: Sequence[int]) -> str:
    """The gain of a source at each set size, as text."""
    found = [(size, own.loc[str(size)]) for size in sizes]
    return "; ".join(f"{size}: {at['difference']:+.3f} {words.interval(at['low'], at['high'])}" for size, at in found)


def headline(row: Mapping, baseline: str = BASELINE) -> str:
    """The verdict on one target in a few short lines, from its row of :func:`verdict` or of the table in a file.

    ``baseline``: the one that was asked for, which the row lacks if it has no scores.
    """
    if pd.isna(row["highest"]):
        return f"no source other than {baseline} has a score"
    if pd.isna(row["baseline"]):
        return f"highest mean score: {row['highest']}; no {baseline} to compare it with"
    if pd.isna(row["p_adjusted"]):
        return f"highest mean score: {row['highest']}\n{_untested(row)}"
    said = {word: words.names(row[column]) for word, column in WORDS.items()}
    result = next(word for word, listed in said.items() if row["highest"] in listed)
    lines = [f"highest mean gain over {row['baseline']}: {row['highest']}", words.gain(row), words.sizes(row)]
    lines.append(f"{_title(result)} ({words.p(row)})")
    for word, listed in said.items():
        if rest := [name for name in listed if name != row["highest"]]:
            lines.append(f"{_title(word)}: {', '.join(rest)}")
    return "\n".join(lines)


def _title(word: str) -> str:
    return f"significantly {word}" if word in (BETTER, WORSE) else word


def _untested(row: Mapping) -> str:
    """Why nothing is said about sources."""
    if row["resamples"] < 2:
        return "one fine-tuning per source: scores of single models, from which nothing follows about sources"
    if row["scans"] < 2:
        return "one test scan: scores on this scan, from which nothing follows about sources"
    return "nothing is tested, as scores are missing"


def sentence(row: Mapping, baseline: str = BASELINE) -> str:
    """The verdict in words, from a target's row; ``baseline``: as in :func:`headline`."""
    highest = row["highest"]
    if highest is None:
        return headline(row, baseline)
    untested = row["resamples"] < 2 or row["scans"] < 2
    if pd.isna(row["baseline"]):
        if row["sources"] < 2:
            return f"{highest} is the only source with a score, so there is nothing to compare it with"
        found = (
            _untested(row) if untested else f"{_versus(row)}; without {baseline} among the sources its gain is unknown"
        )
        return f"{highest} has the highest mean score; {found}"
    gain, sizes = words.gain(row), words.sizes(row)
    if pd.isna(row["p_adjusted"]):
        return f"{_untested(row)}; the highest mean score is {highest}'s ({gain} against {baseline}, {sizes})"
    return "; ".join([*_first(row, f"{gain}, {sizes} ({words.p(row)})"), *_rest(row)])


def _first(row: Mapping, gain: str) -> list[str]:
    """What is said of the source with the highest mean, and of those that are better."""
    highest, baseline, better = row["highest"], row["baseline"], words.names(row["significantly_better"])
    of_highest = f"the highest mean gain is {highest}'s, {gain}"
    if highest in better:
        parts = [f"{highest} is significantly better than {baseline}: mean gain {gain}{words.size_by_size(row)}"]
        if ", " in row["sizes"] and not pd.isna(row["saved_is"]):
            parts.append(f"trained on {words.scans(row['sizes'].split(', ')[0])} it saves {words.saved(row)}")
        parts += [_versus(row)] * (row["sources"] > 2)
        if also := [name for name in better if name != highest]:
            parts.append(f"also significantly better than {baseline} ({CRITERION}): {', '.join(also)}")
        return parts
    if better:
        return [f"significantly better than {baseline} ({CRITERION}): {', '.join(better)}", of_highest]
    differs = "is significantly better than" if row["significantly_worse"] else "differs significantly from"
    return [f"no source {differs} {baseline} ({CRITERION})", of_highest]


def _rest(row: Mapping) -> list[str]:
    """What is said of sources that are better with few scans alone, and of those worse, equivalent or undecided."""
    parts, better = [], words.names(row["significantly_better"])
    if row["significantly_worse"]:
        parts.append(f"significantly worse than {row['baseline']} ({CRITERION}): {row['significantly_worse']}")
    reach = {name: scans for name, scans in words.head_starts(row).items() if name not in better}
    if reach:
        named = ", ".join(f"{name} with up to {words.scans(scans)}" for name, scans in reach.items())
        parts.append(f"a head start, set size by set size: {named}")
    if row["equivalent"]:
        parts.append(f"equivalent to {row['baseline']} (95 % CI within ±{row['margin']:g}): {row['equivalent']}")
    if row["undecided"]:
        parts.append(
            f"undecided: {row['undecided']} (a gain of {row['detectable']:.3f} would have been found with a "
            f"probability of 80 %; more {row['narrows_first']} would narrow the intervals most)"
        )
    return parts


def _versus(row: Mapping) -> str:
    """How the source with the highest mean compares with the others."""
    similar = row["not_different_from"]
    return f"it shows {NO_DIFFERENCE} from {similar}" if similar else f"it is {DIFFERENT} from all others"
