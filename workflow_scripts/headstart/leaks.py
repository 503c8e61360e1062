"""People whom pre-training and test data of a study have in common, as far as public sets are known to share them.

Participants are compared by identity within a study (:func:`headstart.datasets.splits.check_usable`). Here, sets are
compared by name: those that weights were trained on, those of datasets, and the atlases behind labels and phantoms.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from headstart.datasets.released import SETS
from headstart.datasets.scan import alphanumeric, same_folder
from headstart.job import UserError
from headstart.sources import Source, lineage

# What the table of known sets says of a set and the others of a row: it has all of their people; it has some, or may
# have; they are other names of it.
_CONTAINS, _SHARES, _IS = "contains", "shares", "is"
# How to go on if a set was not trained on as a whole.
_NOT_ALL = "name in trained_on the part of the set that was trained on, if it is other people"
_ONE_GENERATOR = (
    "one generator makes the synthetic subjects of source and target, so the gain says nothing about other scans"
)


@dataclass(frozen=True)
class Overlap:
    """What a source and a target have, or may have, in common.

    why: in words, without their names.
    remedy: how to avoid it; None for synthetic subjects of one generator, which is no mistake.
    """

    source: str
    target: str
    why: str
    remedy: str | None


@dataclass(frozen=True)
class _Origin:
    """A set that something in a source comes from.

    known_as: its name, as the study has it; key: where the study says so.
    whole: whether all of the set was used, and its people themselves rather than a mean of them.
    """

    known_as: str
    key: str
    whole: bool
    remedy: str


def find(config: Mapping, sources: Mapping[str, Source], backends: Mapping[str, str]) -> list[Overlap]:
    """The possible overlaps of a study's sources, and of competitors from elsewhere, with its targets.

    ``config``: resolved; ``sources``: by name; ``backends``: the labelling back end of each dataset, ``ants`` or
    ``fsl``. Raises :class:`UserError` in one sentence if a source has seen all people of a target's set.
    """
    found = []
    for name, target in config["targets"].items():
        entry = config["datasets"][target["dataset"]]
        tested = set_of(entry)
        for source in sources.values():
            # What a source continues has seen, it has seen too.
            seen = lineage(source, sources)
            if entry["layout"] == "phantom" and any(each.generated for each in seen):
                found.append(Overlap(source.name, name, _ONE_GENERATOR, None))
            behind = [origin for each in seen for origin in _origins(config, each, target["dataset"], backends)]
            found += _overlaps(source.name, name, behind, tested)
        for competitor, given in target.get("external", {}).items():
            key = f"targets.{name}.external.{competitor}.trained_on"
            correct = f"remove the competitor, or {_NOT_ALL}"
            behind = [_Origin(known_as, key, True, correct) for known_as in given.get("trained_on", ())]
            found += _overlaps(competitor, name, behind, tested)
    return list(dict.fromkeys(found))


def _overlaps(source: str, target: str, origins: Iterable[_Origin], tested: str | None) -> list[Overlap]:
    """What a source or competitor has in common with a target's set, ``tested``; raises :class:`UserError` for all."""
    found = []
    for origin in origins if tested else ():
        whole, phrase = _relation(origin.known_as, tested)
        if whole and origin.whole:
            raise UserError(
                f"{origin.key} names {phrase}, so targets.{target} would test on people of pre-training; "
                f"{origin.remedy}."
            )
        if phrase:
            found.append(Overlap(source, target, f"{origin.key} names {phrase}", origin.remedy))
    return found


def warnings(overlaps: Iterable[Overlap]) -> list[str]:
    """A sentence with the remedy for each possible overlap of people."""
    remedies = {overlap.why: overlap.remedy for overlap in overlaps if overlap.remedy}
    return [
        f"possible overlap of pre-training and test ({_named(sources, targets)}): {why}; {remedies[why]}."
        for why, sources, targets in _grouped(overlap for overlap in overlaps if overlap.remedy)
    ]


def sentences(overlaps: Iterable[Overlap]) -> list[str]:
    """A sentence for each thing that sources and targets have, or may have, in common, for readers of the results."""
    return [f"{_named(sources, targets)}: {why}." for why, sources, targets in _grouped(overlaps)]


def of_source(overlaps: Iterable[Overlap], source: Source, sources: Mapping[str, Source]) -> str:
    """What a source has, or may have, in common with each target, for a table; empty if nothing is known.

    ``sources``: all of the study, by name.
    """
    unknown = [
        f"unknown: {'' if seen is source else f'pretrain.sources.{seen.name}.'}weights.trained_on is not given"
        for seen in lineage(source, sources)
        if seen.weights is not None and not seen.trained_on
    ]
    own = _grouped(overlap for overlap in overlaps if overlap.source == source.name)
    return "; ".join([*unknown, *(f"{', '.join(targets)}: {why}" for why, _, targets in own)])


def _origins(config: Mapping, source: Source, tested: str, backends: Mapping[str, str]) -> list[_Origin]:
    """The sets behind a source, but for what participants' identities tell; ``tested``: the dataset of a target."""
    key = f"pretrain.sources.{source.name}"
    correct = f"remove the source, or {_NOT_ALL}"
    found = [_Origin(name, f"{key}.weights.trained_on", True, correct) for name in source.trained_on]
    if not source.trained or source.natural:
        return found
    # Of label maps, the people are those of the scans whose labels they have.
    people = source.scans or source.dataset
    entry, target = config["datasets"][people], config["datasets"][tested]
    named = set_of(entry)
    if named and not _comparable(entry, target):
        place = f"datasets.{people}"
        exclude = f"leave the people of the target out of {place}, and name what is left in {place}.set"
        complete = "include" not in entry and not entry["exclude"]
        found.append(_Origin(named, f"{place}{'.set' if 'set' in entry else '.layout'}", complete, exclude))
    if source.generated or (source.uses_made_labels and backends[source.dataset] == "ants"):
        for atlas in config["label"]["atlases"]:
            found.append(_Origin(atlas, "label.atlases", False, f"leave {atlas} out of label.atlases"))
    return found


def set_of(entry: Mapping) -> str | None:
    """The name of the set that a dataset is from; None if it is not known."""
    return entry.get("set") or (entry["layout"] if entry["layout"] in SETS else None)


def _comparable(entry: Mapping, other: Mapping) -> bool:
    """Whether the people of two datasets are known by the same identities, so that splits compare them."""
    released = entry["layout"] == other["layout"] and entry["layout"] in SETS
    return released or same_folder(entry, other)


def _relation(origin: str, tested: str) -> tuple[bool, str | None]:
    """Whether all people of the set ``tested`` are in the set ``origin``, and in words what they share; None: nothing.

    The words begin with the name of ``origin``.
    """
    one, other = canonical(origin), canonical(tested)
    if one == other:
        return True, f"{origin}, the target's own set"
    inside, within = _inside(one), _inside(other)
    if other in inside:
        return True, f"{origin}, which has the people of {tested}, the target's set ({inside[other]})"
    if one in within:
        return False, f"{origin}, whose people are in {tested}, the target's set ({within[one]})"
    if both := sorted(inside.keys() & within.keys()):
        return (
            False,
            f"{origin}, which like {tested}, the target's set, has the people of {both[0]} ({inside[both[0]]})",
        )
    ones, others = ({name, *_inside(name), *_around(name)} for name in (one, other))
    for a, relation, b, evidence in _table():
        if relation == _SHARES and ((a in ones and b in others) or (b in ones and a in others)):
            return False, f"{origin}, which may share people with {tested}, the target's set ({evidence})"
    return False, None


def _inside(name: str) -> dict[str, str]:
    """The sets whose people are all in a set, with the evidence."""
    found = {}
    for a, relation, b, evidence in _table():
        if a == name and relation == _CONTAINS:
            found[b] = evidence
            found |= {deeper: f"{evidence}; {more}" for deeper, more in _inside(b).items() if deeper not in found}
    return found


def _around(name: str) -> set[str]:
    """The sets that have all people of a set."""
    return {a for a, relation, _, _ in _table() if relation == _CONTAINS and name in _inside(a)}


def canonical(name: str) -> str:
    """The name that the table has for a set; capitals and all but letters and digits do not matter."""
    return _aliases().get(_plain(name), _plain(name))


def _plain(name: str) -> str:
    return alphanumeric(name).casefold()


@cache
def _table() -> tuple[tuple[str, str, str, str], ...]:
    """Rows of the table of known sets: a set, its relation to another, that other, and the evidence."""
    with open(Path(__file__).with_name("known_sets.tsv"), encoding="utf-8", newline="") as file:
        return tuple(
            (_plain(row["set"]), row["relation"], _plain(other), row["evidence"])
            for row in csv.DictReader(file, delimiter="\t")
            for other in row["others"].split(", ")
        )


@cache
def _aliases() -> dict[str, str]:
    return {other: name for name, relation, other, _ in _table() if relation == _IS}


def _grouped(overlaps: Iterable[Overlap]) -> list[tuple[str, Sequence[str], Sequence[str]]]:
    """Overlaps as (why, sources, targets), each for as many sources and targets as have it in common."""
    sources: dict[tuple[str, str], list[str]] = {}
    for overlap in overlaps:
        sources.setdefault((overlap.why, overlap.target), []).append(overlap.source)
    targets: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (why, target), names in sources.items():
        targets.setdefault((why, tuple(dict.fromkeys(names))), []).append(target)
    return [(why, names, each) for (why, names), each in targets.items()]


def _named(sources: Sequence[str], targets: Sequence[str]) -> str:
    """Sources and targets by their names."""
    one, other = ("source" if len(sources) == 1 else "sources"), ("target" if len(targets) == 1 else "targets")
    return f"{one} {', '.join(sources)}, {other} {', '.join(targets)}"
