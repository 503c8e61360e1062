"""Made-up people, before any of them is made."""

from collections.abc import Mapping
from pathlib import Path

from headstart.datasets.scan import Scan
from headstart.job import UserError
from headstart.phantom.recipe import Recipe, subject_paths


def recipe(entry: Mapping) -> Recipe:
    """The recipe of a made-up dataset."""
    slice_mm = entry.get("slice_mm")
    return Recipe(
        lesions=entry["lesions"],
        voxel_mm=tuple(entry["voxel_mm"]),
        slice_mm=None if slice_mm is None else tuple(slice_mm),
    )


def scans(name: str, folder: Path, entry: Mapping) -> list[Scan]:
    """The people of a made-up dataset that will appear in ``folder``; their age and sex are drawn when it is made."""
    if "people" not in entry:
        raise UserError(f"datasets.{name} has the layout phantom but no people; say how many.")
    found = []
    for number in range(1, entry["people"] + 1):
        subject = f"{number:0{max(2, len(str(entry['people'])))}d}"
        truth = subject_paths(folder, subject)
        t1w, _ = truth.pop("t1w"), truth.pop("sidecar")
        target = (truth[entry["target"]],) if "target" in entry else ()
        found.append(Scan(name, subject, f"{name}-{subject}", t1w, target, truth))
    return found
