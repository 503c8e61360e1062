"""Folds of a repeated cross-validation over people, in which every scan is tested once in each repeat."""

from collections.abc import Mapping, Sequence

from headstart.datasets.scan import Scan
from headstart.job import UserError
from headstart.seeds import generator

CROSS_VALIDATION = "cross-validation"


def check(config: Mapping) -> None:
    """Raise :class:`UserError` unless each target has either a test set, or folds and as many resamples in each repeat.

    ``config``: with all of its keys.
    """
    for name, target in config["targets"].items():
        place, folds, resamples = f"targets.{name}", target.get("folds"), target["resamples"]
        if target["split"] != CROSS_VALIDATION:
            if folds is not None:
                raise UserError(f"{place} has folds without split: {CROSS_VALIDATION}; add it, or remove folds.")
            if "test" not in target:
                raise UserError(f"{place} lacks the key 'test'; add it, or set split to {CROSS_VALIDATION}.")
            continue
        if "test" in target:
            raise UserError(f"{place} has test, but split: {CROSS_VALIDATION} tests every scan; remove one of the two.")
        if folds is None:
            raise UserError(f"{place} lacks the key 'folds', which split: {CROSS_VALIDATION} needs; add it, such as 5.")
        if resamples % folds:
            raise UserError(
                f"{place}.resamples is {resamples}, but each repeat of a {CROSS_VALIDATION} has one resample for each "
                f"of {folds} folds; set it to a multiple, such as {folds * max(1, round(resamples / folds))}."
            )
        if len(config["finetune"]["learning_rates"]) > 1:
            raise UserError(
                f"finetune.learning_rates tries rates on scans of no test set, of which the {CROSS_VALIDATION} of "
                f"{place} leaves none; give one rate."
            )


def cut(
    target: str, scans: Sequence[Scan], count: int, repeat: int, seed: int, drawn_as: str | None = None
) -> list[set[str]]:
    """The subjects of each fold of one repeat, the largest folds first, with all scans of a person in the same fold.

    People come in an order drawn at random, those with more scans first, each into the fold with the fewest scans: the
    sizes of the folds are about equal, and the same in every repeat.

    Parameters
    ----------
    target
        Name of the target.
    scans
        All scans of the target's dataset.
    count
        Number of folds.
    repeat
        Number of the repeat, from 1.
    seed
        Seed of the study.
    drawn_as
        See :func:`headstart.datasets.splits.draw`.

    Raises
    ------
    UserError
        If there are fewer people than folds.
    """
    scans_of: dict[str, set[str]] = {}
    for scan in sorted(scans, key=lambda scan: (scan.person, scan.subject)):
        scans_of.setdefault(scan.person, set()).add(scan.subject)
    if count > len(scans_of):
        raise UserError(f"targets.{target}.folds is {count}, but the dataset has {len(scans_of)} people; lower it.")
    people = list(scans_of.values())
    order = generator(seed, "folds", drawn_as or target, repeat).permutation(len(people))
    folds: list[set[str]] = [set() for _ in range(count)]
    for index in sorted(order, key=lambda index: -len(people[index])):
        min(folds, key=len).update(people[index])
    return sorted(folds, key=len, reverse=True)
