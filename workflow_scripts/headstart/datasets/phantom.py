"""Synthetic subjects, before any of them is generated."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from headstart.datasets.scan import Scan, image_names
from headstart.job import UserError
from headstart.phantom.recipe import IMAGES, Recipe, subject_paths

# Files of a subject that are not ground truth.
_RAW = ("first", "sidecar", "second", "second_sidecar")


def recipe(entry: Mapping) -> Recipe:
    """The recipe of a synthetic dataset, from its entry in the configuration."""
    slice_mm = entry.get("slice_mm")
    return Recipe(
        lesions=entry["lesions"],
        voxel_mm=tuple(entry["voxel_mm"]),
        slice_mm=None if slice_mm is None else tuple(slice_mm),
        images=tuple(image_names(entry)),
    )


def scans(name: str, folder: Path, entry: Mapping) -> list[Scan]:
    """The scans of the synthetic dataset that will be generated in ``folder``; age and sex are not yet drawn.

    Raises :class:`UserError` if the entry does not say how many, or names images that synthetic subjects lack.
    """
    _check_images(name, image_names(entry))
    first, *second = image_names(entry)
    found = []
    for subject in numbered(name, entry):
        paths = subject_paths(folder, subject, (first, *second))
        ground_truth = {key: path for key, path in paths.items() if key not in _RAW}
        target = (ground_truth[entry["target"]],) if "target" in entry else ()
        others = {image: paths["second"] for image in second}
        person = f"{name}-{subject}"
        found.append(Scan(name, subject, person, paths["first"], target, ground_truth, others, first_name=first))
    return found


def _check_images(name: str, images: Sequence[str]) -> None:
    """Raise :class:`UserError` for an image that synthetic subjects lack."""
    if unknown := [image for image in images if image not in IMAGES]:
        raise UserError(f"datasets.{name}.images: synthetic subjects have no {unknown[0]}; name T1w, FLAIR, or both.")


def numbered(name: str, entry: Mapping) -> list[str]:
    """The names of ``people`` synthetic subjects; raises :class:`UserError` if the entry does not say how many."""
    if "people" not in entry:
        raise UserError(f"datasets.{name} has the layout {entry['layout']} but no people; say how many.")
    width = max(2, len(str(entry["people"])))
    return [f"{number:0{width}d}" for number in range(1, entry["people"] + 1)]
