"""The comparison of finished studies in sentences."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from headstart.compare.pairs import INDEPENDENT, PAIRED, PARTLY, SAME, Compared
from headstart.compare.shared import Shared
from headstart.evaluate import verdict_words
from headstart.evaluate.learning_curves import SAVED
from headstart.evaluate.significance import BETTER, EQUIVALENT, UNDECIDED, WORSE
from headstart.evaluate.tables import ALL_SIZES
from headstart.report.html import listed
from headstart.report.wording import count

_SIDES = ("study", "source", "size", "resamples")
_REVERSED = {BETTER: WORSE, WORSE: BETTER}
_SETS = {PAIRED: "the same scans", INDEPENDENT: "drawn independently", PARTLY: "the same scans at some of the sizes"}


def sentences(compared: Compared, margin: float) -> dict[str, list[str]]:
    """What is said of each source that several studies have, under a heading: its name, and the two studies.

    First the difference averaged over the set sizes that both studies have, then which numbers of labelled scans give
    the same score, or a better one with fewer scans. All rest on the family of equal sources: see
    :func:`headstart.compare.pairs.compare`.
    """
    same, across = (table[table["family"] == SAME] for table in (compared.same_size, compared.across_sizes))
    found = {}
    key = ["study", "against_study", "source"]
    for names in dict.fromkeys(itertools.chain(*(table[key].itertuples(index=False, name=None)
                                                 for table in (same, across)))):  # fmt: skip
        own, apart = (table[(table[key] == names).all(axis=1)] for table in (same, across))
        study, against, source = names
        found[f"{source}: {study} and {against}"] = [
            *_at_equal_sizes(own, compared.saved, margin),
            *_across(apart, margin),
        ]
    return found


def overview(compared: Compared) -> list[str]:
    """A sentence for each two studies with several sources of the same name: which are better in which study."""
    same = compared.same_size[compared.same_size["family"] == SAME]
    # The mean over the common set sizes comes last, and is the only row where there is one size.
    last = same.drop_duplicates(["study", "against_study", "source"], keep="last")
    said = []
    for (one, other), rows in last.groupby(["study", "against_study"], sort=False):
        forms = {
            BETTER: f"{one} is significantly better than {other} with",
            WORSE: f"{other} is significantly better than {one} with",
            EQUIVALENT: f"{one} and {other} are equivalent with",
            UNDECIDED: f"undecided between {one} and {other}:",
        }
        sources = {word: list(rows.loc[rows["verdict"] == word, "source"]) for word in forms}
        parts = [f"{form} {listed(sources[word])}" for word, form in forms.items() if sources[word]]
        if len(rows) > 1:
            said.append(f"{'; '.join(parts)}.")
    return said


def unmatched(found: Shared, compared: Compared) -> list[str]:
    """A sentence for each two studies without a source of the same name, of which nothing else is said."""
    same = pd.concat([compared.same_size, compared.across_sizes]).query("family == @SAME")
    matched = set(same[["study", "against_study"]].itertuples(index=False, name=None))
    names = [part.study for part in found.parts]
    return [
        f"{one} and {other} have no source of the same name; the tables have all pairs of their sources."
        for one, other in itertools.combinations(names, 2)
        if (one, other) not in matched
    ]


def design(found: Shared, compared: Compared) -> str:
    """The test scans and the training sets in a sentence."""
    parts = []
    for part in found.parts:
        rows = compared.summary[compared.summary["study"] == part.study]
        sizes = [str(size) for size in sorted(rows["size"].unique())]
        scans = "scan" if sizes == ["1"] else "scans"
        each = " each" if len(sizes) > 1 else ""
        resamples = count(int(rows["resamples"].max()), "resample")
        parts.append(f"{part.study}: {listed(sizes)} labelled {scans}, {resamples}{each}")
    sets = set(compared.same_size["training_sets"])
    trained = f" At equal set sizes, training sets are {listed(sorted(_SETS[name] for name in sets))}." if sets else ""
    return f"Tested on {count(found.scans, 'scan')} that all studies test. {'; '.join(parts)}.{trained}"


def _at_equal_sizes(rows: pd.DataFrame, saved: pd.DataFrame, margin: float) -> Iterator[str]:
    """The sentence on the difference at the set sizes that both studies have."""
    if rows.empty:
        yield "No set size is in both studies."
        return
    sizes = [str(size) for size in rows["size"] if size != ALL_SIZES]
    row = _higher_first(rows.iloc[-1].to_dict())
    where = f"averaged over {listed(sizes)} labelled scans" if len(sizes) > 1 else f"with {_scans(sizes[0])}"
    difference = f"{_difference(row)}, {where}"
    if pd.isna(row["p_adjusted"]):
        single = min(row["resamples"], row["against_resamples"]) < 2
        reason = "a study has a single resample" if single else "there are too few scores"
        yield f"Nothing is tested, as {reason}: {row['study']} minus {row['against_study']} is {difference}."
    elif row["verdict"] == BETTER:
        yield (
            f"{row['study']} is significantly better than {row['against_study']}: {difference} "
            f"({verdict_words.p(row)}){_saves(row, saved, sizes)}."
        )
    elif row["verdict"] == EQUIVALENT:
        yield f"{row['study']} and {row['against_study']} are equivalent (95 % CI within ±{margin:g}): {difference}."
    else:
        yield (
            f"Undecided between {row['study']} and {row['against_study']}: {difference}; a difference of "
            f"{row['detectable']:.3f} would have been found with a probability of 80 %."
        )


def _saves(row: Mapping, saved: pd.DataFrame, sizes: Sequence[str]) -> str:
    """Labelled scans that the better study saves at the smallest common set size, for the end of a sentence."""
    size = min(map(int, sizes))
    found = saved[
        (saved[["study", "source", "against_study", "against_source"]]
         == [row["study"], row["source"], row["against_study"], row["against_source"]]).all(axis=1)
        & (saved["size"] == size)
    ]  # fmt: skip
    if found.empty:
        return ""
    named = found.iloc[0].rename({name: f"saved_{name}" for name in SAVED if not name.startswith("saved")})
    return f"; trained on {_scans(size)} it saves {verdict_words.saved(named)}"


def _across(rows: pd.DataFrame, margin: float) -> Iterator[str]:
    """The sentences on different set sizes: the fewest scans of one study that equal, or beat, more of the other."""
    fewer = [_fewer_first(row) for row in rows.to_dict("records")]
    kept = [row for row in fewer if row["verdict"] in (EQUIVALENT, BETTER)]
    for row in sorted(kept, key=lambda row: (row["study"], row["size"], row["against_size"])):
        if any(_outdoes(other, row) for other in kept):
            continue
        one = f"{row['source']} of {row['study']} with {_scans(row['size'])}"
        other = f"{row['source']} of {row['against_study']} with {row['against_size']}"
        if row["verdict"] == EQUIVALENT:
            yield f"{one} equals {other}: difference {_difference(row)}, within ±{margin:g}."
        else:
            yield f"{one} is significantly better than {other}: {_difference(row)} ({verdict_words.p(row)})."


def _outdoes(one: Mapping, other: Mapping) -> bool:
    """Whether a statement on two set sizes says more than another: with fewer scans against more, at least as good."""
    if one is other or one["study"] != other["study"]:
        return False
    wider = one["size"] <= other["size"] and one["against_size"] >= other["against_size"]
    if one["verdict"] == other["verdict"]:
        return wider
    return wider and one["verdict"] == BETTER


def _difference(row: Mapping) -> str:
    return verdict_words.gain({**row, "gain": row["difference"]})


def _scans(size: int | str) -> str:
    return verdict_words.scans(str(size))


def _higher_first(row: dict) -> dict:
    """The row with the higher mean as ``study``."""
    return row if row["difference"] >= 0 else _turned(row)


def _fewer_first(row: dict) -> dict:
    """The row with the smaller set size as ``study``."""
    return row if row["size"] < row["against_size"] else _turned(row)


def _turned(row: dict) -> dict:
    """The same comparison from the other side."""
    sides = {one: row[other] for name in _SIDES for one, other in _both(name)}
    ends = {"difference": -row["difference"], "low": -row["high"], "high": -row["low"], "effect": -row["effect"]}
    return row | sides | ends | {"verdict": _REVERSED.get(row["verdict"], row["verdict"])}


def _both(name: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (name, f"against_{name}"), (f"against_{name}", name)
