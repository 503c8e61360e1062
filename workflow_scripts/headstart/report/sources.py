"""Presentation of the sources: their order, and their names, colours and markers in figures and tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

# The domains of sources (see headstart.sources.Source) in their order, and the group of each in the figures and tables
# of Zoetmulder 2022, section 5.
_GROUPS = {
    "t1": "equal",
    "mr": "equal",
    "synthetic": "equal",
    "natural": "unequal",
    "other": "reference",
    "external": "external",
    "baseline": "baseline",
}
GROUPS = {
    "equal": "Equal domain: MR",
    "unequal": "Unequal domain: natural images",
    "reference": "Weights from files",
    "external": "Masks made elsewhere",
    "baseline": "No pre-training",
}
# What stands for the task of a competitor that was not trained on the training sets, such as a rater.
UNTRAINED = "untrained"
# Names of tasks, in their order; None: of what is not trained, by domain.
_TASKS = {
    "segmentation": "Segmentation",
    "autoencoding": "Self-supervised (auto-encoding)",
    "classification": "Classification",
    "masked-autoencoding": "Self-supervised (masked auto-encoding)",
    "restoring": "Self-supervised (restoring)",
    "trained-elsewhere": "Trained elsewhere on the same training sets",
    UNTRAINED: "Not trained on the training sets",
}
_UNTRAINED = {"other": "Weights from a file", "baseline": "Random initialisation"}


class Style(NamedTuple):
    """Colour and marker of a source, distinguishable with colour blindness, and by the marker alone in greyscale."""

    color: str
    marker: str


class _OfPaper(NamedTuple):
    """A source of Zoetmulder 2022: its domain and task, and its style in Okabe and Ito's colours."""

    domain: str
    task: str | None
    style: Style


_PAPER = {
    "t1-segmentation": _OfPaper("t1", "segmentation", Style("#009E73", "X")),
    "t1-autoencoding": _OfPaper("t1", "autoencoding", Style("#E69F00", "v")),
    "t1-classification": _OfPaper("t1", "classification", Style("#56B4E9", "P")),
    "natural-segmentation": _OfPaper("natural", "segmentation", Style("#CC79A7", "D")),
    "natural-autoencoding": _OfPaper("natural", "autoencoding", Style("#0072B2", "o")),
    "natural-classification": _OfPaper("natural", "classification", Style("#D55E00", "s")),
    "imagenet-classification": _OfPaper("other", None, Style("#000000", "*")),
    "scratch": _OfPaper("baseline", None, Style("#999999", "^")),
}
# Tol's muted colours, with markers that the paper's sources do not have: 45 styles, as 9 and 5 share no factor.
_COLORS = ("#332288", "#DDCC77", "#117733", "#CC6677", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499")
_MARKERS = "<>pdh"


@dataclass(frozen=True)
class Shown:
    """The sources of a study: ``known`` has ``domain`` and ``task`` of each by name, in the study's order."""

    known: Mapping[str, Mapping[str, str | None]]

    @property
    def baseline(self) -> str | None:
        """The source that the others are compared with; None if the study has none."""
        return next((source for source in self.known if self.domain(source) == "baseline"), None)

    def domain(self, source: str) -> str:
        """The domain of a source: t1, mr (other scans), synthetic, natural, other, external (masks) or baseline."""
        return self.known[source]["domain"]

    def group(self, source: str) -> str:
        """The group of a source in figures: the paper's equal, unequal and reference (weights from files), or else."""
        return _GROUPS[self.domain(source)]

    def trained(self, source: str) -> bool:
        """Whether a source has a learning curve; one that was not trained on the training sets has none."""
        return self.known[source]["task"] != UNTRAINED

    def task(self, source: str) -> str:
        """What a source was trained on, in words."""
        task = self.known[source]["task"]
        return _UNTRAINED[self.domain(source)] if task is None else _TASKS.get(task, task.capitalize())

    def in_order(self, listed: Iterable[str]) -> list[str]:
        """Sources by domain, then task (those of the paper first), then name; the baseline is the last."""
        domains, tasks = list(_GROUPS), list(_TASKS)

        def place(source: str) -> tuple[int, int, str, str]:
            task = self.known[source]["task"] or ""
            number = tasks.index(task) if task in tasks else len(tasks)
            return domains.index(self.domain(source)), number, task, source

        return sorted(set(listed), key=place)

    def style(self, source: str) -> Style:
        """Colour and marker of a source, the same in every figure: the paper's, or by its place among the others."""
        if source in _PAPER:
            return _PAPER[source].style
        number = [name for name in self.known if name not in _PAPER].index(source)
        return Style(_COLORS[number % len(_COLORS)], _MARKERS[number % len(_MARKERS)])

    def with_paper(self) -> "Shown":
        """These sources and, after them, the paper's, of which some may not be in the study."""
        paper = {name: {"domain": row.domain, "task": row.task} for name, row in _PAPER.items()}
        return Shown({**self.known, **{name: row for name, row in paper.items() if name not in self.known}})
