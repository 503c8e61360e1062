"""Which lesions a segmentation finds, and which it makes up (Zoetmulder 2022, section 4.4).

A lesion is a connected component of the true mask: 8-connected within a slice, as in the paper (``slice8``: what goes
on in the next slice is another lesion), or 26-connected within the volume (``volume26``). It is found if the share of
its voxels that were segmented exceeds the overlap cutoff. A false lesion is a component of the segmentation, connected
likewise, that shares no voxel with any true lesion, whatever that one's size. Either is left out where its volume is
under the volume cutoff.

The paper has the sensitivity alone. Precision is the share of found lesions among found and false ones, and F1 twice
the found over twice the found, the missed and the false (as ISLES 2022, Hernandez Petzsche 2022). So a lesion found in
several pieces counts once, and of several lesions under one piece each does; a piece that touches lesions and finds
none is neither true nor false, since these count as missed.
"""

from typing import Literal, NamedTuple, TypeVar, get_args

import numpy as np
import pandas as pd

from headstart.metrics import distance

Connectivity = Literal["slice8", "volume26"]
CONNECTIVITIES = get_args(Connectivity)

Numbers = TypeVar("Numbers", int, np.ndarray)


class Detection(NamedTuple):
    """What a segmentation of one scan finds at given cutoffs.

    ``lesions``: the true lesions, a row each: slice (index of its lowest), voxels, volume_ml, overlap (share of its
    voxels that were segmented), found. ``false``: the false ones: slice, voxels, volume_ml.
    """

    lesions: pd.DataFrame
    false: pd.DataFrame

    @property
    def false_lesions(self) -> int:
        """Number of false lesions of the scan."""
        return len(self.false)

    @property
    def sensitivity(self) -> float:
        """Share of the true lesions that are found; NaN if there is none."""
        return self._ratio("sensitivity")

    @property
    def precision(self) -> float:
        """Found lesions over found and false ones; NaN if there is neither."""
        return self._ratio("precision")

    @property
    def f1(self) -> float:
        """Twice the found lesions over all true, found and false ones; NaN if there is none of them."""
        return self._ratio("f1")

    def _ratio(self, measure: str) -> float:
        part, whole = ratios(len(self.lesions), int(self.lesions["found"].sum()), len(self.false))[measure]
        return part / whole if whole else float("nan")


def ratios(lesions: Numbers, found: Numbers, false: Numbers) -> dict[str, tuple[Numbers, Numbers]]:
    """Each measure as part and whole, from numbers of true, found and false lesions, or arrays of such numbers.

    Parts and wholes of several scans add up: their ratio is the measure over all of them.
    """
    return {
        "sensitivity": (found, lesions),
        "precision": (found, found + false),
        "f1": (2 * found, lesions + found + false),
    }


def detect(
    prediction: np.ndarray,
    truth: np.ndarray,
    voxel_ml: float,
    overlap: float = 0.0,
    volume_ml: float = 0.0,
    connectivity: Connectivity = "slice8",
) -> Detection:
    """Find the true and the false lesions of a scan.

    ``prediction`` and ``truth`` are masks (slices, rows, columns), set where they are not 0; ``voxel_ml`` is the volume
    of a voxel in mL. ``overlap``: share of a lesion's voxels that must be exceeded for it to be found; ``volume_ml``:
    lesions of less volume are left out, true and false ones. Raises ValueError if the shapes differ, are not of three
    axes, or the connectivity is none of :data:`CONNECTIVITIES`.
    """
    return at(tabulate(prediction, truth, voxel_ml, connectivity), overlap, volume_ml)


def tabulate(
    prediction: np.ndarray, truth: np.ndarray, voxel_ml: float, connectivity: Connectivity = "slice8"
) -> pd.DataFrame:
    """Every true and every false lesion of a scan, before any cutoff; arguments and errors as :func:`detect`.

    Columns: kind ("true" or "false"), slice (index of its lowest), voxels, volume_ml, overlap (share of a true lesion's
    voxels that were segmented; NaN of a false one).
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction has shape {prediction.shape}, truth {truth.shape}")
    if truth.ndim != 3:
        raise ValueError(f"masks must have the axes (slices, rows, columns), not the shape {truth.shape}")
    if connectivity not in CONNECTIVITIES:
        raise ValueError(f"connectivity is {connectivity!r}, not one of {', '.join(CONNECTIVITIES)}")
    predicted, true = np.asarray(prediction, bool), np.asarray(truth, bool)
    lesions, pieces = _components(true, predicted, connectivity), _components(predicted, true, connectivity)
    table = pd.concat(
        [
            lesions.assign(kind="true", overlap=lesions["shared"] / lesions["voxels"]),
            pieces[pieces["shared"] == 0].assign(kind="false", overlap=np.nan),
        ],
        ignore_index=True,
    )
    return table.assign(volume_ml=table["voxels"] * voxel_ml)[["kind", "slice", "voxels", "volume_ml", "overlap"]]


def at(table: pd.DataFrame, overlap: float = 0.0, volume_ml: float = 0.0) -> Detection:
    """What is found at given cutoffs, from the rows of :func:`tabulate`; the components are not sought again."""
    kept = table[table["volume_ml"] >= volume_ml]
    true, false = (kept[kept["kind"] == kind].drop(columns="kind").reset_index(drop=True) for kind in ("true", "false"))
    return Detection(true.assign(found=true["overlap"] > overlap), false.drop(columns="overlap"))


def of_scan(prediction: np.ndarray, truth: np.ndarray, voxel_ml: float, scan: str) -> pd.DataFrame:
    """The rows of :func:`tabulate` for both connectivities, in columns scan and connectivity.

    A scan without any lesion, true or false, has one row of the kind "none" for each, so that it is not forgotten.
    """
    parts = []
    for connectivity in CONNECTIVITIES:
        table = tabulate(prediction, truth, voxel_ml, connectivity)
        if table.empty:
            table = pd.DataFrame(
                {"kind": ["none"], "slice": [-1], "voxels": [0], "volume_ml": [np.nan], "overlap": [np.nan]}
            )
        table.insert(0, "connectivity", connectivity)
        parts.append(table)
    joined = pd.concat(parts, ignore_index=True)
    joined.insert(0, "scan", scan)
    return joined


def count(table: pd.DataFrame, overlap: float, volume_ml: float) -> pd.DataFrame:
    """Numbers of lesions, found and false ones of each scan at given cutoffs, from rows of :func:`of_scan`.

    Columns: scan, connectivity, lesions, found, false; a row for every scan, also where all are 0.
    """
    kept = table["volume_ml"] >= volume_ml
    true = kept & (table["kind"] == "true")
    found, false = true & (table["overlap"] > overlap), kept & (table["kind"] == "false")
    flags = pd.DataFrame({"lesions": true, "found": found, "false": false})
    return flags.groupby([table["scan"], table["connectivity"]]).sum().reset_index()


def _components(mask: np.ndarray, other: np.ndarray, connectivity: str) -> pd.DataFrame:
    """A mask's components: the slice of each that is lowest, its voxels, and how many of these ``other`` shares."""
    import cc3d  # here, so that a machine which only trains may lack it

    box = distance.bounding_box(mask)
    kept = mask[box]
    # An empty slice between each two keeps components within theirs, in one call for all slices.
    step = 2 if connectivity == "slice8" else 1
    # cc3d knows no boxes without extent; one that is empty voxels wider has some.
    wider = np.zeros([step * len(kept) + 1, *(side + 1 for side in kept.shape[1:])], bool)
    within = np.s_[:-1:step, :-1, :-1]
    wider[within] = kept
    numbered = cc3d.connected_components(wider, connectivity=26)[within]
    labels = numbered[kept].astype(np.int64) - 1
    voxels = np.bincount(labels)
    lowest = np.full(len(voxels), len(mask))
    np.minimum.at(lowest, labels, np.nonzero(kept)[0] + box[0].start)
    shared = np.bincount(labels[other[box][kept]], minlength=len(voxels))
    return pd.DataFrame({"slice": lowest, "voxels": voxels, "shared": shared})
