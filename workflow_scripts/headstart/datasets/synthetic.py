"""Synthetic heads: datasets of label maps alone, of which a training makes its images.

The heads are drawn, or are those of a dataset of labelled scans, whose label maps are used without its images.
"""

import difflib
from collections.abc import Mapping

from headstart.datasets.natural import is_natural
from headstart.datasets.phantom import numbered
from headstart.datasets.scan import Layout
from headstart.job import UserError
from headstart.phantom.recipe import Recipe

LAYOUTS = {"synthetic": Layout(None, "", frozenset({"people", "fineness", "scans", "clusters"}))}
# Keys of an entry that describe drawn heads; label maps of scans are on the slices of these.
_OF_DRAWN_HEADS = ("people", "fineness", "lesions", "discard_mm")


def has_label_maps_alone(entry: Mapping) -> bool:
    """Whether a dataset's entry is for synthetic heads, neither for scans nor for natural images."""
    return entry["layout"] in LAYOUTS


def has_scans(entry: Mapping) -> bool:
    """Whether a dataset's entry is for scans."""
    return not (is_natural(entry) or has_label_maps_alone(entry))


def dataset_of_scans(name: str, datasets: Mapping[str, Mapping]) -> str | None:
    """The dataset whose scans, or labels of scans, a dataset consists of; None of drawn heads and natural images."""
    return name if has_scans(datasets[name]) else datasets[name].get("scans")


def check(name: str, datasets: Mapping[str, Mapping]) -> None:
    """Raise :class:`UserError` unless an entry of synthetic heads is for drawn heads, or for those of known scans."""
    entry, key = datasets[name], f"datasets.{name}"
    if "scans" not in entry:
        if "clusters" in entry:
            raise UserError(
                f"{key}.clusters is for label maps of labelled scans; remove it, or name these in {key}.scans."
            )
        return
    scans = entry["scans"]
    if scans not in datasets:
        near = difflib.get_close_matches(scans, datasets, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "name a dataset of scans with manual labels."
        raise UserError(f"{key}.scans is {scans!r}, which datasets lacks; {remedy}")
    if not has_scans(datasets[scans]):
        holds = "natural images" if is_natural(datasets[scans]) else "no scans"
        raise UserError(f"{key}.scans is {scans!r}, which holds {holds}; name a dataset of scans with manual labels.")
    if drawn := [part for part in _OF_DRAWN_HEADS if part in entry]:
        raise UserError(
            f"{key} has both scans and {drawn[0]}, but its heads and slices are those of {scans!r}; remove {drawn[0]}."
        )
    if "include" in entry or entry["exclude"]:
        raise UserError(f"{key}: its heads are the scans of {scans!r}; choose them there, in datasets.{scans}.")


def heads(name: str, entry: Mapping) -> list[str]:
    """The names of a dataset's drawn heads; none if its entry names scans.

    Raises :class:`UserError` if its entry says neither.
    """
    if "scans" in entry:
        return []
    if "people" not in entry:
        raise UserError(
            f"datasets.{name} has the layout {entry['layout']} but no people; say how many heads to draw, or name a "
            "dataset of labelled scans in scans."
        )
    return numbered(name, entry)


def recipe(entry: Mapping) -> Recipe:
    """The recipe of synthetic heads, of which only the lesions are used: no scanner is simulated."""
    return Recipe(lesions=entry["lesions"], voxel_mm=(1, 1), slice_mm=None)
