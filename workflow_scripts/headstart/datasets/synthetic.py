"""Synthetic heads: datasets of label maps alone, without a scan, of which a training makes its images."""

from collections.abc import Mapping

from headstart.datasets.natural import is_natural
from headstart.datasets.phantom import numbered
from headstart.datasets.scan import Layout
from headstart.phantom.recipe import Recipe

LAYOUTS = {"synthetic": Layout(None, "", frozenset({"people", "fineness"}))}


def has_label_maps_alone(entry: Mapping) -> bool:
    """Whether a dataset's entry is for synthetic heads, neither for scans nor for natural images."""
    return entry["layout"] in LAYOUTS


def has_scans(entry: Mapping) -> bool:
    """Whether a dataset's entry is for scans."""
    return not (is_natural(entry) or has_label_maps_alone(entry))


def heads(name: str, entry: Mapping) -> list[str]:
    """The names of a dataset's heads; raises :class:`UserError` if its entry does not say how many."""
    return numbered(name, entry)


def recipe(entry: Mapping) -> Recipe:
    """The recipe of synthetic heads, of which only the lesions are used: no scanner is simulated."""
    return Recipe(lesions=entry["lesions"], voxel_mm=(1, 1), slice_mm=None)
