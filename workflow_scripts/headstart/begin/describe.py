"""What was found in a folder, and what the study will be, in lines for a terminal."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from headstart.begin.contents import Contents
from headstart.begin.design import Design
from headstart.begin.folder import Found
from headstart.datasets.scan import Scan
from headstart.job import shown

# Values of labels that a line names, and classes from which on one would merge some.
_NAMED = MANY = 12


def found(folder: Path, there: Found, contents: Contents) -> list[str]:
    """What the folder holds: scans, voxels, participants and labels."""
    labelled = [scan for scan in there.scans if scan.subject in contents.volumes]
    layout = "BIDS" if there.entry["layout"] == "bids" else "no BIDS; names are read by regular expressions"
    flair = ", each with a FLAIR image" if "FLAIR" in there.entry.get("images", ()) else ""
    lines = [
        f"{folder} ({layout})",
        f"  scans         {people(there.scans)}{flair}",
        f"  voxels        {_voxels(contents)}",
        f"  participants  {_participants(there.scans)}",
        f"  labels        of {people(labelled)}, such as {_a_label_file(folder, labelled)}",
        f"  values        {_values(contents)}",
    ]
    if contents.empty:
        lines.append(f"  empty labels  {len(contents.empty)} scans ({shown(contents.empty)}): taken as unlabelled")
    return lines


def planned(design: Design, classes: Mapping[str, list[int]], *, gpu: bool) -> list[str]:
    """What the study will be; ``classes``: of the target."""
    machine = "a GPU" if gpu else "a machine without a GPU"
    sources = ["scratch", "synthetic heads with dense labels"]
    if design.unlabelled or not design.folds:
        own = f"the {len(design.unlabelled)} scans without labels" if design.unlabelled else "the scans not tested on"
        sources.append(f"{own}, by masked auto-encoding")
    tested = f"{design.test} scans" if design.test else f"each of {design.folds} folds of the scans in turn"
    lines = [
        f"  test set      {tested}; sets of {', '.join(map(str, design.sizes))} of the others to fine-tune on, "
        f"{design.resamples} of each size",
        f"  grid          {design.voxel_mm:g} mm, slices of {design.size} pixels, for {machine}",
        f"  sources       {'; '.join(sources)}",
    ]
    if design.left_out:
        lines.append(
            f"  not used      {len(design.left_out)} scans without labels ({shown(design.left_out)}): too few, or of "
            "people with labelled scans"
        )
    if len(classes) > MANY:
        lines.append(f"  classes       {len(classes)}, one for each value: merge those that belong together")
    return lines


def people(scans: Sequence[Scan]) -> str:
    """How many scans there are, and of how many people."""
    persons = len({scan.person for scan in scans})
    sessions = ", some in several sessions" if persons < len(scans) else ""
    return f"{len(scans)} T1 scans of {persons} people{sessions}"


def _voxels(contents: Contents) -> str:
    sizes = np.array(list(contents.voxel_mm.values()))
    low, middle, high = (" x ".join(f"{side:.2g}" for side in of(sizes, axis=0)) for of in (np.min, np.median, np.max))
    return f"{middle} mm" + ("" if low == high else f" (median; from {low} to {high})")


def _participants(scans: Sequence[Scan]) -> str:
    first = {scan.person: scan for scan in reversed(scans)}.values()
    known = {key: sum(getattr(scan, key) is not None for scan in first) for key in ("age", "sex", "site")}
    told = [f"{key} of {count}" for key, count in known.items() if count]
    return ", ".join(told) if told else "no table of age and sex"


def _a_label_file(folder: Path, labelled: Iterable[Scan]) -> str:
    return next(os.path.relpath(path, folder) for scan in labelled for path in scan.target)


def _values(contents: Contents) -> str:
    values = contents.values
    volumes = [sum(by_value.values()) for by_value in contents.volumes.values()]
    low, middle, high = (_rounded(float(of(volumes))) for of in (min, np.median, max))
    held = f"{low} to {high} mL in a scan, median {middle} mL"
    if contents.piece_ml is not None:
        kind = "masks" if contents.masks else f"0 and {values[0]}"
        return f"{kind}: {held}, half of it in pieces of {_rounded(contents.piece_ml)} mL or more"
    return f"{shown(values, _NAMED)}: {held}"


def _rounded(volume: float) -> str:
    """Two significant digits, without an exponent."""
    return f"{float(f'{volume:.2g}'):g}"
