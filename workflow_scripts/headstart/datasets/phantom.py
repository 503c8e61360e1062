"""Synthetic subjects, before any of them is generated."""

from collections.abc import Mapping
from pathlib import Path

from headstart.datasets.scan import Scan
from headstart.job import UserError
from headstart.phantom.recipe import Recipe, subject_paths


def recipe(entry: Mapping) -> Recipe:
    """The recipe of a synthetic dataset, from its entry in the configuration."""
    slice_mm = entry.get("slice_mm")
    return Recipe(
        lesions=entry["lesions"],
        voxel_mm=tuple(entry["voxel_mm"]),
        slice_mm=None if slice_mm is None else tuple(slice_mm),
    )


def scans(name: str, folder: Path, entry: Mapping) -> list[Scan]:
    """The scans of the synthetic dataset that will be generated in ``folder``; age and sex are not yet drawn."""
    found = []
    for subject in numbered(name, entry):
        ground_truth = subject_paths(folder, subject)
        t1w, _ = ground_truth.pop("t1w"), ground_truth.pop("sidecar")
        target = (ground_truth[entry["target"]],) if "target" in entry else ()
        found.append(Scan(name, subject, f"{name}-{subject}", t1w, target, ground_truth))
    return found


def numbered(name: str, entry: Mapping) -> list[str]:
    """The names of ``people`` synthetic subjects; raises :class:`UserError` if the entry does not say how many."""
    if "people" not in entry:
        raise UserError(f"datasets.{name} has the layout {entry['layout']} but no people; say how many.")
    width = max(2, len(str(entry["people"])))
    return [f"{number:0{width}d}" for number in range(1, entry["people"] + 1)]
