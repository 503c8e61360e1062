"""Differences between finished studies on shared test scans, at equal and at different set sizes.

Shared test scans are paired. Training sets are paired where they are the same scans in both studies; otherwise they
are drawn independently, and the variance between them is the sum of both (:func:`headstart.evaluate.anova.spread`,
where training sets of different studies stand as those of different set sizes do).
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from headstart.compare.finished import OfTarget
from headstart.compare.shared import Shared, blocks
from headstart.evaluate import anova, bootstrap, comparisons, learning_curves, simultaneous, tables
from headstart.evaluate.learning_curves import SAVED
from headstart.evaluate.significance import judge, significant
from headstart.evaluate.tables import ALL_SIZES, Cell
from headstart.seeds import seed_for

# Families of comparisons of two studies: of sources with the same name, and of all others.
SAME, OTHER = "same source", "other"
# Whether the training sets of both sides hold the same scans; partly: at some of the set sizes of a mean.
PAIRED, PARTLY, INDEPENDENT = "paired", "partly paired", "independent"
_ONE, _AGAINST = ["study", "source", "size"], ["against_study", "against_source", "against_size"]
COLUMNS = ["target", "metric", *_ONE, *_AGAINST, "family", "training_sets", "difference", *simultaneous.Tested._fields,
           "significant", "verdict", "error_scans", "error_resamples", "effect", "resamples", "against_resamples",
           "scans"]  # fmt: skip
SAVED_COLUMNS = ["target", "metric", *_ONE, "against_study", "against_source", *SAVED]


@dataclass(frozen=True)
class Arm:
    """One side of a comparison: the models of a source in a study, at a set size or averaged over several.

    ``mean``: their mean score; ``by_scan`` (S,): that of each scan; ``contributions``: those of
    :func:`headstart.evaluate.anova.influence`, (R, S), by the number of their training sets
    (:func:`headstart.compare.shared.blocks`); ``resamples``: number of training sets of a size; ``trained``: whether it
    was trained on them, so that its score is that of a number of labelled scans.
    """

    study: str
    source: str
    size: int | str
    mean: float
    by_scan: np.ndarray
    contributions: Mapping[int, np.ndarray]
    resamples: int
    trained: bool = True


@dataclass(frozen=True)
class Compared:
    """The tables of a comparison, all over whole volumes.

    ``same_size``: one row per pair of sources of two studies at each set size that both have, and at the mean over
    these sizes (size "all"); ``across_sizes``: the same at different set sizes; ``saved``: labelled scans saved by the
    one against the other. See docs/compare.md. ``summary``, ``runs``: mean scores of each source of each study, and of
    each resample, on the shared scans, with ``source`` as :func:`label` names it.
    """

    same_size: pd.DataFrame
    across_sizes: pd.DataFrame
    saved: pd.DataFrame
    summary: pd.DataFrame
    runs: pd.DataFrame


def label(study: str, source: str) -> str:
    """The name of a source of one of several studies."""
    return f"{study}: {source}"


def compare(found: Shared, margin: float, draws: int, seed: int) -> Compared:
    """Compare the studies of a target in pairs.

    ``margin``: largest difference of two mean scores that makes none to the user; ``draws``, ``seed``: of the bootstrap
    of labelled scans saved.
    """
    numbers = blocks(found.parts)
    cells = {part.study: list(tables.cells(part.scores, 1, seed)) for part in found.parts}
    arms = {part.study: _arms(part, cells[part.study], numbers) for part in found.parts}
    same, across, saved = [], [], []
    for one, other in itertools.combinations(arms, 2):
        for rows, families in ((same, _at_equal_sizes), (across, _at_different_sizes)):
            for name, pairs in families(arms[one], arms[other]):
                rows += family(name, pairs, margin)
    curves = {part.study: _curves(part, numbers, draws, seed) for part in found.parts}
    for one, other in itertools.permutations(curves, 2):
        saved += _saved(one, curves[one], other, curves[other])
    about = {"target": found.target, "metric": found.metric}
    return Compared(
        pd.DataFrame(same).assign(**about).reindex(columns=COLUMNS),
        pd.DataFrame(across).assign(**about).reindex(columns=COLUMNS),
        pd.DataFrame(saved).assign(**about).reindex(columns=SAVED_COLUMNS),
        _labelled({study: tables.summary(own) for study, own in cells.items()}),
        _labelled({part.study: tables.scores(part.scores) for part in found.parts}),
    )


def family(name: str, pairs: Sequence[tuple[Arm, Arm]], margin: float) -> list[dict]:
    """The rows of one family of comparisons, whose intervals and adjusted p-values hold for all of it at once.

    As in :func:`headstart.evaluate.comparisons.compare`; ``training_sets``: whether those of both are the same, paired,
    partly paired or independent; ``verdict``: better, worse, equivalent (within ``margin``) or undecided. Nothing is
    tested where one of both has a single training set.
    """
    shapes = {number: part.shape for pair in pairs for arm in pair for number, part in arm.contributions.items()}
    contributions = [[_difference(one, other, number, shape) for number, shape in shapes.items()]
                     for one, other in pairs]  # fmt: skip
    beyond = [0.0] * len(shapes)
    spreads = [
        anova.spread(each, beyond, pooled=False, between=_scans_cancelled(one, other, each, list(shapes)))
        for each, (one, other) in zip(contributions, pairs, strict=True)
    ]
    differences = [one.mean - other.mean for one, other in pairs]
    rows = []
    for k, tested in enumerate(comparisons.test(differences, contributions, spreads, beyond)):
        one, other = pairs[k]
        is_significant = bool(significant(tested.p_adjusted))
        rows.append({
            **dict(zip(_ONE, (one.study, one.source, one.size), strict=True)),
            **dict(zip(_AGAINST, (other.study, other.source, other.size), strict=True)),
            "family": name, "training_sets": _training_sets(one, other), "difference": differences[k],
            **tested._asdict(), "low": np.maximum(tested.low, -1), "high": np.minimum(tested.high, 1),
            "significant": is_significant,
            "verdict": judge(differences[k], tested.low, tested.high, is_significant, margin),
            "error_scans": np.sqrt(spreads[k].of_scans), "error_resamples": np.sqrt(spreads[k].of_resamples),
            "effect": comparisons.effect(one.by_scan - other.by_scan), "resamples": one.resamples,
            "against_resamples": other.resamples, "scans": len(one.by_scan),
        })  # fmt: skip
    return rows


def _training_sets(one: Arm, other: Arm) -> str:
    """Whether both were trained on the same sets of scans."""
    if one.contributions.keys() == other.contributions.keys():
        return PAIRED
    return PARTLY if one.contributions.keys() & other.contributions.keys() else INDEPENDENT


def _difference(one: Arm, other: Arm, number: int, shape: tuple[int, int]) -> np.ndarray:
    """What one kind of training sets contributes to a difference, (R, S); NaN if it has no part in it."""
    mine, theirs = (arm.contributions.get(number, np.full(shape, np.nan)) for arm in (one, other))
    return anova.difference(mine, theirs)


def _scans_cancelled(
    one: Arm, other: Arm, contributions: Sequence[np.ndarray], numbers: Sequence[int]
) -> list[np.ndarray]:
    """The contributions (R, S) to a difference, those of independent training sets less those of the other side.

    With cross-validation, resamples test other scans, and how hard these are would count as variance between training
    sets. What the other side has of each scan is therefore taken off, in equal parts: the sums over a resample are then
    of differences on its scans (Cameron, Gelbach and Miller 2011, with the resamples of both sides as two clusterings).
    Where each resample tests all scans this changes nothing, as the contributions of a side sum to 0.
    """
    apart = [set(arm.contributions) - set(than.contributions) for arm, than in ((one, other), (other, one))]
    by_number = dict(zip(numbers, contributions, strict=True))
    sums = [sum(np.nan_to_num(by_number[number]).sum(axis=0) for number in own) for own in apart]
    for own, of_other in zip(apart, reversed(sums), strict=True):
        for number in own:
            part = by_number[number]
            times = np.maximum(1, (~np.isnan(part)).sum(axis=0))
            by_number[number] = part + of_other / times / len(own)
    return [by_number[number] for number in numbers]


def _arms(part: OfTarget, cells: Sequence[Cell], numbers: Mapping[tuple[str, int], int]) -> dict[int, dict[str, Arm]]:
    """The arms of a study by set size and source."""
    return {
        size: {
            source: Arm(part.study, source, size, cell.means[k], cell.by_scan[k],
                        {numbers[part.study, size]: cell.contributions[0][k]}, cell.resamples,
                        source not in part.untrained)
            for k, source in enumerate(cell.sources)
        }
        for cell in cells
        for size in (cell.key["size"],)
    }  # fmt: skip


def _mean(arms: Sequence[Arm]) -> Arm:
    """The mean over set sizes, with equal weights, of one source."""
    parts = {number: part / len(arms) for arm in arms for number, part in arm.contributions.items()}
    first, mean = arms[0], float(np.mean([arm.mean for arm in arms]))
    by_scan = np.mean([arm.by_scan for arm in arms], axis=0)
    return Arm(first.study, first.source, ALL_SIZES, mean, by_scan, parts, first.resamples, first.trained)


Sized = Mapping[int, Mapping[str, Arm]]
Families = Iterator[tuple[str, list[tuple[Arm, Arm]]]]


def _at_equal_sizes(one: Sized, other: Sized) -> Families:
    """The families at each common set size, and at the mean over all of them."""
    common = [size for size in one if size in other]
    sized = [(one[size], other[size]) for size in common]
    if len(common) > 1:
        sized.append(tuple({source: _mean([each[size][source] for size in common]) for source in each[common[0]]}
                           for each in (one, other)))  # fmt: skip
    for first, second in sized:
        yield from _families(first, second)


def _at_different_sizes(one: Sized, other: Sized) -> Families:
    """One family of equal sources over all pairs of different set sizes, and one of all others at each pair of sizes.

    Sentences are chosen among the former, which is why all of it holds at once. What was not trained has no set size.
    """
    one, other = (
        {size: {name: arm for name, arm in arms.items() if arm.trained} for size, arms in sized.items()}
        for sized in (one, other)
    )
    same = []
    for size, against in itertools.product(one, other):
        if size != against:
            for name, pairs in _families(one[size], other[against]):
                if name == SAME:
                    same += pairs
                else:
                    yield name, pairs
    if same:
        yield SAME, same


def _families(one: Mapping[str, Arm], other: Mapping[str, Arm]) -> Families:
    """The pairs of sources of two studies in families; one without any pair is left out."""
    pairs: dict[str, list[tuple[Arm, Arm]]] = {SAME: [], OTHER: []}
    for first, second in itertools.product(one.values(), other.values()):
        pairs[SAME if first.source == second.source else OTHER].append((first, second))
    yield from ((name, listed) for name, listed in pairs.items() if listed)


@dataclass(frozen=True)
class _Curves:
    """Learning curves of a study: set sizes (T,), mean scores by source (T,), and in each draw (D, T)."""

    sizes: np.ndarray
    means: Mapping[str, np.ndarray]
    drawn: Mapping[str, np.ndarray]


def _curves(part: OfTarget, numbers: Mapping[tuple[str, int], int], draws: int, seed: int) -> _Curves:
    """With the same draws of scans for all studies, and of training sets where these are the same."""
    trained = part.scores[~part.scores["source"].isin(part.untrained)]
    scans, sources = sorted(trained["scan"].unique()), sorted(trained["source"].unique())
    by_scan = bootstrap.weights(draws, len(scans), seed_for(seed, "compare", "scans"))
    sizes, means, drawn = [], [], []
    for size, rows in trained.groupby("size"):
        resamples = sorted(rows["resample"].unique())
        scores = tables.arranged(rows, ("total", "count"), (sources, resamples, scans))
        own = seed_for(seed, "compare", "resamples", numbers[part.study, size])
        sizes.append(float(size))
        means.append(bootstrap.mean_score(*scores))
        drawn.append(bootstrap.bootstrap_means(*scores, bootstrap.weights(draws, len(resamples), own), by_scan))
    means_of, drawn_of = np.stack(means, axis=-1), np.stack(drawn, axis=-1)
    return _Curves(
        np.array(sizes),
        dict(zip(sources, means_of, strict=True)),
        dict(zip(sources, np.moveaxis(drawn_of, 1, 0), strict=True)),
    )


def _saved(study: str, one: _Curves, against: str, other: _Curves) -> Iterator[dict]:
    """Labelled scans that sources of one study save against those of another whose curve has several set sizes."""
    if len(other.sizes) < 2:
        return
    rising = {source: learning_curves.monotone(means) for source, means in other.means.items()}
    drawn = {source: learning_curves.monotone(means) for source, means in other.drawn.items()}
    for source, base in itertools.product(one.means, other.means):
        for i, size in enumerate(one.sizes):
            yield {
                **dict(zip(_ONE, (study, source, int(size)), strict=True)),
                "against_study": against, "against_source": base,
                **learning_curves.saved_columns(
                    (rising[base][None], drawn[base]), (one.means[source][None, i], one.drawn[source][:, i]),
                    other.sizes, size,
                ),
            }  # fmt: skip


def _labelled(by_study: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The tables of several studies in one, with the study in the name of each source."""
    parts = [
        table.assign(study=study, source=[label(study, source) for source in table["source"]])
        for study, table in by_study.items()
    ]
    return pd.concat(parts, ignore_index=True)
