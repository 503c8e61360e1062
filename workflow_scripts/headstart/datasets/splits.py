"""Who trains and who tests: draws that depend on the seed alone, never on the source or on another draw.

Zoetmulder 2022, section 4.3: a random test set, and for each fine-tuning set size, resamples drawn at random from the
scans left for training. A person never stands on both sides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headstart.datasets.scan import Scan
from headstart.job import UserError
from headstart.seeds import generator


@dataclass(frozen=True)
class Split:
    """Subjects that train, subjects that test, and those left over, each sorted."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    unused: tuple[str, ...]

    def table(self) -> str:
        """Tab-separated: subject, role."""
        rows = [(s, role) for role in ("train", "test", "unused") for s in getattr(self, role)]
        return "subject\trole\n" + "".join(f"{subject}\t{role}\n" for subject, role in sorted(rows))


def draw(
    target: str,
    scans: Sequence[Scan],
    test: int | Sequence[str],
    size: int,
    resample: int,
    seed: int,
    *,
    split: str = "fixed",
) -> Split:
    """Draw resample number ``resample`` of ``size`` training scans for ``target``.

    ``test``: a number of scans, drawn by whole persons, or subjects by name. ``split``: ``fixed`` keeps the test set
    for every draw, ``redrawn`` draws it anew for each resample. Raises :class:`UserError` if there are too few scans.
    """
    tested = _test_set(target, scans, test, seed, resample if split == "redrawn" else 0)
    persons = {scan.person for scan in scans if scan.subject in tested}
    pool = sorted(scan.subject for scan in scans if scan.person not in persons)
    if size > len(pool):
        raise UserError(
            f"targets.{target}.sizes asks for {size} training scans, but {len(pool)} are left beside the test set; "
            "lower it, or test fewer."
        )
    chosen = generator(seed, "split", target, size, resample).choice(len(pool), size, replace=False)
    train = tuple(sorted(pool[i] for i in chosen))
    unused = set(scan.subject for scan in scans) - set(train) - tested
    return Split(train, tuple(sorted(tested)), tuple(sorted(unused)))


def draw_teachers(scans: Sequence[Scan], learn: Mapping, seed: int) -> Split:
    """Who a study's labeller learns from (``train``), and who it is compared on (``test``); the rest it labels.

    ``learn``: ``scans`` and ``held_out``, how many. Raises :class:`UserError` if they are not fewer than there are.
    """
    try:
        split = draw("labeller", scans, learn["held_out"], learn["scans"], 0, seed)
    except UserError:
        split = None
    if split is None or not split.unused:
        raise UserError(
            f"label.learn takes {learn['scans']} scans to learn from and {learn['held_out']} to compare on, but the "
            f"cohort has {len(scans)}; lower these, so that some are left to label, or drop label.learn."
        )
    return split


def check_usable(
    config: Mapping, scans: Mapping[str, Mapping[str, Scan]], drawn: Mapping[tuple[str, int, int], Split]
) -> None:
    """Raise :class:`UserError` unless every target's scans have labels and no tested person is pre-trained on."""
    source = config["pretrain"]["dataset"]
    pretrained = {scan.person for scan in scans[source].values()}
    for name, target in config["targets"].items():
        dataset = target["dataset"]
        if bare := [subject for subject, scan in scans[dataset].items() if not scan.target]:
            named = ", ".join(bare[:5]) + f" and {len(bare) - 5} more" * (len(bare) > 5)
            raise UserError(
                f"datasets.{dataset} has no labels for {named}; add them, exclude these scans, or say where they are "
                "(phantom: target; bids: labels_suffix; flat: labels_pattern)."
            )
        tests = {subject for (owner, _, _), split in drawn.items() if owner == name for subject in split.test}
        tested = {scans[dataset][subject].person for subject in tests}
        if both := sorted(tested & pretrained):
            raise UserError(
                f"targets.{name} tests people whom pretrain.dataset {source!r} holds too ({', '.join(both)}); "
                f"exclude them from datasets.{source}."
            )


def _test_set(target: str, scans: Sequence[Scan], test: int | Sequence[str], seed: int, round_: int) -> set[str]:
    if not isinstance(test, int):
        known = {scan.subject for scan in scans}
        if unknown := sorted(set(test) - known):
            raise UserError(f"targets.{target}.test names {', '.join(unknown)}, which the dataset lacks; correct it.")
        return set(test)
    persons = sorted({scan.person for scan in scans})
    order = generator(seed, "test", target, round_).permutation(len(persons))
    tested: set[str] = set()
    for index in order:
        if len(tested) >= test:
            break
        tested |= {scan.subject for scan in scans if scan.person == persons[index]}
    if len(tested) >= len(scans):
        raise UserError(f"targets.{target}.test takes {test} of {len(scans)} scans; leave some to train on.")
    return tested
