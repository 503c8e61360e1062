"""Training and test sets: drawn from the seed alone, never depending on the source or on another draw.

Zoetmulder 2022, section 4.3: a random test set, and for each fine-tuning set size, resamples drawn at random from the
scans left for training. No participant is in both training and test set (no leakage).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from headstart.datasets.folds import CROSS_VALIDATION, cut
from headstart.datasets.scan import Scan
from headstart.datasets.synthetic import dataset_of_scans
from headstart.job import UserError, shown
from headstart.seeds import generator

# Scans on which a learning rate is validated, at most.
MOST_HELD_OUT = 4


@dataclass(frozen=True)
class Split:
    """Subjects of the training set, of the test set, and in neither, each sorted."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    unused: tuple[str, ...]

    def table(self) -> str:
        """Tab-separated table with the columns subject and role."""
        rows = [(s, role) for role in ("train", "test", "unused") for s in getattr(self, role)]
        return "subject\trole\n" + "".join(f"{subject}\t{role}\n" for subject, role in sorted(rows))


def draw(
    target: str,
    scans: Sequence[Scan],
    test: int | Sequence[str] | None,
    size: int,
    resample: int,
    seed: int,
    *,
    split: str,
    folds: int | None = None,
    drawn_as: str | None = None,
) -> Split:
    """Draw one resample of the training scans for a target, and its test set.

    Parameters
    ----------
    target
        Name of the target.
    scans
        All scans of the target's dataset.
    test
        Number of scans in the test set, drawn by person, or the names of its subjects; None with cross-validation.
    size
        Number of scans in the training set.
    resample
        Number of the resample, from 1.
    seed
        Seed of the study.
    split
        ``fixed``: all resamples have the same test set; ``redrawn``: each resample has its own; ``cross-validation``:
        the test sets of the first ``folds`` resamples are the folds of the scans, those of the next ones other folds,
        and so on, the same for all sizes. Without training, at size 0, all scans are in the test set.
    folds
        Number of folds of a cross-validation.
    drawn_as
        Name that is part of the seed; None for that of the target. Targets with the same one have the same sets.

    Raises
    ------
    UserError
        If there are too few scans, or ``test`` names one that does not exist.
    """
    drawn_as = drawn_as or target
    if split == CROSS_VALIDATION:
        tested, remedy = _fold(target, scans, size, resample, seed, folds, drawn_as), "give more folds"
    else:
        tested = _test_set(target, scans, test, seed, resample if split == "redrawn" else 0, drawn_as)
        remedy = "test on fewer scans"
    pool = _outside(scans, tested)
    if size > len(pool):
        raise UserError(
            f"targets.{target}.sizes asks for {size} training scans, but only {len(pool)} are left outside the test "
            f"set; lower it, or {remedy}."
        )
    chosen = generator(seed, "split", drawn_as, size, resample).choice(len(pool), size, replace=False)
    train = tuple(sorted(pool[i] for i in chosen))
    unused = set(scan.subject for scan in scans) - set(train) - tested
    return Split(train, tuple(sorted(tested)), tuple(sorted(unused)))


def _outside(scans: Sequence[Scan], tested: Iterable[str]) -> list[str]:
    """Subjects of the scans of all people without a scan in a test set, sorted."""
    persons = {scan.person for scan in scans if scan.subject in set(tested)}
    return sorted(scan.subject for scan in scans if scan.person not in persons)


def pool_size(scans: Sequence[Scan], drawn: Split, split: str) -> int:
    """Number of scans that the training sets of a target are drawn from.

    ``scans``: all of its dataset; ``drawn``: one of its splits. If resamples have test sets of their own, every scan
    may be trained on.
    """
    return len(_outside(scans, drawn.test)) if split == "fixed" else len(scans)


def check_population(config: Mapping, pools: Mapping[str, int]) -> None:
    """Raise :class:`UserError` where results cannot concern the population of the scans that all sets consist of.

    ``pools``: :func:`pool_size` of each target.
    """
    for name, target in config["targets"].items():
        if max(target["sizes"]) >= pools[name] and config["evaluate"]["training_scans"] == "population":
            raise UserError(
                f"targets.{name}.sizes: training sets of {max(target['sizes'])} scans are all that are left outside "
                "the test set, from which nothing follows about other scans; set evaluate.training_scans to these, or "
                "give smaller sizes."
            )


def draw_tuning(
    target: str,
    scans: Sequence[Scan],
    splits: Sequence[Split],
    sizes: Sequence[int],
    draws: int,
    seed: int,
    *,
    drawn_as: str | None = None,
) -> list[Split]:
    """Training and validation sets (``test``) on which learning rates are tried, from scans that no test set has.

    ``scans``, ``drawn_as``: see :func:`draw`; ``splits``: all of the target, with training sets of these ``sizes``. The
    training sets have the middle one of the sizes, as far as there are scans; validation sets have up to four scans, or
    more where the last participant has several. Raises :class:`UserError` if fewer than two participants are left.
    """
    tested = {scan.person for scan in scans if any(scan.subject in split.test for split in splits)}
    pool = [scan for scan in scans if scan.person not in tested]
    persons = len({scan.person for scan in pool})
    if persons < 2:
        outside = {scan.person for scan in scans} - {scan.person for scan in scans if scan.subject in splits[0].test}
        fixed = f", or set targets.{target}.split to fixed" if len(outside) > 1 else ""
        raise UserError(
            f"finetune.learning_rates tries rates for targets.{target} on participants of no test set, of which there "
            f"are {persons}; give one rate, or test on fewer scans{fixed}."
        )
    size, name = sorted(sizes)[(len(sizes) - 1) // 2], f"{drawn_as or target} tuning"
    held_out = max(1, min(MOST_HELD_OUT, persons - size))
    split = [draw(name, pool, held_out, 1, number, seed, split="redrawn") for number in range(draws)]
    least = min(len(each.train) + len(each.unused) for each in split)
    return [draw(name, pool, held_out, min(size, least), number, seed, split="redrawn") for number in range(draws)]


def draw_labeller_split(scans: Sequence[Scan], learn: Mapping, seed: int) -> Split:
    """Draw the scans that a study's labeller is trained on and those it is tested on; it labels the others.

    ``scans``: those of the datasets that need labels; the split names each as ``<dataset>/<subject>``. ``learn``: the
    section ``label.learn`` of the configuration, with the numbers ``scans`` (of the training set) and ``held_out`` (of
    the test set). Raises :class:`UserError` if no scan would be left to label.
    """
    named = [replace(scan, subject=f"{scan.dataset}/{scan.subject}") for scan in scans]
    try:
        split = draw("labeller", named, learn["held_out"], learn["scans"], 0, seed, split="fixed")
    except UserError:
        split = None
    if split is None or not split.unused:
        raise UserError(
            f"label.learn trains on {learn['scans']} scans and tests on {learn['held_out']}, but the datasets "
            f"that need labels have {len(scans)}; lower these, so that some are left to label, or remove label.learn."
        )
    return split


def left_out(
    config: Mapping, scans: Mapping[str, Mapping[str, Scan]], drawn: Mapping[tuple[str, int, int], Split]
) -> dict[str, list[str]]:
    """Subjects of each target's dataset whose people are in any test set: no source may be trained on them.

    ``config``: resolved; ``scans``: by dataset and subject; ``drawn``: all draws, by target, size and resample.
    """
    tested = set().union(*_tested_people(config, scans, drawn).values())
    names = dict.fromkeys(target["dataset"] for target in config["targets"].values())
    return {name: [subject for subject, scan in scans[name].items() if scan.person in tested] for name in names}


def check_usable(
    config: Mapping,
    scans: Mapping[str, Mapping[str, Scan]],
    drawn: Mapping[tuple[str, int, int], Split],
    omitted: Mapping[str, Sequence[str]],
) -> None:
    """Raise :class:`UserError` if labels are missing, or a source has too few scans or people of a test set.

    ``config``, ``scans``, ``drawn``: as in :func:`left_out`, which returns ``omitted``.
    """
    for target in config["targets"].values():
        _check_labels(target["dataset"], scans)
    tested = _tested_people(config, scans, drawn)
    for name, source in config["pretrain"]["sources"].items():
        named, place = source.get("dataset"), f"pretrain.sources.{name}"
        dataset = dataset_of_scans(named, config["datasets"]) if named else None
        if dataset is None:
            continue
        if source.get("labels") == "target" or dataset != named:
            _check_labels(dataset, scans)
        if (own := _cross_validated(config, dataset)) is not None:
            raise UserError(
                f"{place} is trained on scans of datasets.{dataset}, all of which the {CROSS_VALIDATION} of "
                f"targets.{own} tests; name another dataset, or give targets.{own} a test set."
            )
        trained = {scan.person for subject, scan in scans[dataset].items() if subject not in omitted.get(dataset, ())}
        for target, people in tested.items():
            if both := sorted(trained & people):
                raise UserError(
                    f"targets.{target} tests on people who are also in datasets.{dataset}, on which {place} is trained "
                    f"({shown(both)}); exclude them from datasets.{dataset}."
                )
        left, held_out = len(scans[dataset]) - len(omitted.get(dataset, ())), config["pretrain"]["held_out"]
        if left <= held_out:
            raise UserError(
                f"{place}: outside the test sets are {left} of {len(scans[dataset])} scans of datasets.{dataset}, and "
                f"pretrain.held_out takes {held_out}; lower it, test on fewer scans, or name another dataset."
            )


def _cross_validated(config: Mapping, dataset: str) -> str | None:
    """The name of the target that tests all scans of a dataset in turn; None if there is none."""
    named = (
        name
        for name, target in config["targets"].items()
        if target["dataset"] == dataset and target["split"] == CROSS_VALIDATION
    )
    return next(named, None)


def _tested_people(
    config: Mapping, scans: Mapping[str, Mapping[str, Scan]], drawn: Mapping[tuple[str, int, int], Split]
) -> dict[str, set[str]]:
    """The people in any test set of each target."""
    tested: dict[str, set[str]] = {name: set() for name in config["targets"]}
    for (name, _, _), split in drawn.items():
        tested[name] |= {scans[config["targets"][name]["dataset"]][subject].person for subject in split.test}
    return tested


def _check_labels(dataset: str, scans: Mapping[str, Mapping[str, Scan]]) -> None:
    """Raise :class:`UserError` if a scan of a dataset has no manual labels."""
    if unlabelled := [subject for subject, scan in scans[dataset].items() if not scan.target]:
        raise UserError(
            f"datasets.{dataset} has no labels for {shown(unlabelled)}; add them, exclude these scans, or say "
            "where they are (phantom: target; bids: labels_suffix; flat: labels_pattern)."
        )


def _test_set(
    target: str, scans: Sequence[Scan], test: int | Sequence[str], seed: int, round_: int, drawn_as: str
) -> set[str]:
    """The subjects of a test set; ``round_`` counts test sets that are drawn again."""
    if not isinstance(test, int):
        known = {scan.subject for scan in scans}
        if unknown := sorted(set(test) - known):
            raise UserError(
                f"targets.{target}.test names {', '.join(unknown)}, which the dataset lacks, or leaves out for a "
                "missing image; correct it."
            )
        return set(test)
    persons = sorted({scan.person for scan in scans})
    order = generator(seed, "test", drawn_as, round_).permutation(len(persons))
    tested: set[str] = set()
    for index in order:
        if len(tested) >= test:
            break
        tested |= {scan.subject for scan in scans if scan.person == persons[index]}
    if len(tested) >= len(scans):
        raise UserError(f"targets.{target}.test takes {test} of {len(scans)} scans; leave some to train on.")
    return tested


def _fold(
    target: str, scans: Sequence[Scan], size: int, resample: int, seed: int, folds: int, drawn_as: str
) -> set[str]:
    """The subjects of the fold on which a resample is tested; of all folds at size 0."""
    repeat, number = divmod(resample - 1, folds)
    parts = cut(target, scans, folds, repeat + 1, seed, drawn_as)
    return parts[number] if size else set().union(*parts)
