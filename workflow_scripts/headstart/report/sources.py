"""Presentation of the sources: their domains, their order, and their colours and markers in figures."""

import zlib
from collections.abc import Iterable
from typing import NamedTuple

# Domain by the part of a source's name before the hyphen (Zoetmulder 2022, section 5).
_DOMAINS = {"t1": "equal", "natural": "unequal", "imagenet": "reference", "scratch": "baseline"}
DOMAINS = {
    "equal": "Equal domain: T1 MR",
    "unequal": "Unequal domain: natural images",
    "reference": "All of ImageNet",
    "baseline": "No pre-training",
}
TASKS = {
    "segmentation": "Segmentation",
    "autoencoding": "Self-supervised (auto-encoding)",
    "classification": "Classification",
    "scratch": "Random initialisation",
}


class Style(NamedTuple):
    """Colour and marker of a source, distinguishable with colour blindness, and by the marker alone in greyscale."""

    color: str
    marker: str


# Okabe and Ito's colours.
_STYLES = {
    "natural-autoencoding": Style("#0072B2", "o"),
    "natural-classification": Style("#D55E00", "s"),
    "natural-segmentation": Style("#CC79A7", "D"),
    "scratch": Style("#999999", "^"),
    "t1-autoencoding": Style("#E69F00", "v"),
    "t1-classification": Style("#56B4E9", "P"),
    "t1-segmentation": Style("#009E73", "X"),
    "imagenet-classification": Style("#000000", "*"),
}
# Of sources with another task than those of the paper.
_OTHER_COLOR, _OTHER_MARKERS = "#7F3C8D", "<>pdh8"


def domain_of(source: str) -> str:
    """The domain of a source: equal (T1), unequal (natural images), reference (all of ImageNet) or baseline."""
    return _DOMAINS[source.partition("-")[0]]


def task_of(source: str) -> str:
    """The task that a source was trained on, in words."""
    task = source.rpartition("-")[2]
    return TASKS.get(task, task.capitalize())


def in_order(sources: Iterable[str]) -> list[str]:
    """Sources in the paper's order: by domain, then segmentation, auto-encoding, classification and other tasks."""
    domains, tasks = list(DOMAINS), {task: place for place, task in enumerate(TASKS)}

    def place(source: str) -> tuple[int, int, str]:
        return domains.index(domain_of(source)), tasks.get(source.rpartition("-")[2], len(tasks)), source

    return sorted(set(sources), key=place)


def style_of(source: str) -> Style:
    """Colour and marker of a source, the same in every figure."""
    marker = _OTHER_MARKERS[zlib.crc32(source.encode()) % len(_OTHER_MARKERS)]
    return _STYLES.get(source, Style(_OTHER_COLOR, marker))
