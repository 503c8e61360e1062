"""Lesion detection: which lesions a segmentation detects, and its false positives (Zoetmulder 2022, section 4.4).

A lesion is a connected component of the ground truth: 8-connected within a slice, as in the paper (``slice8``: what
continues in the next slice is another lesion), or 26-connected within the volume (``volume26``). A lesion is detected
if the share of its voxels that were segmented exceeds the overlap cutoff. A false positive is a component of the
segmentation, with the same connectivity, that shares no voxel with any lesion of the ground truth, whatever that
lesion's size. Lesions and false positives smaller than the volume cutoff are excluded.

The paper reports sensitivity alone. Precision here is the number of detected lesions over that of detected lesions and
false positives; F1 is twice the number of detected lesions over twice the detected, the missed and the false positives
(as ISLES 2022, Hernandez Petzsche 2022). A lesion that is detected in several pieces therefore counts once, and each of
several lesions under one piece counts. A piece that touches lesions without detecting any is neither a true nor a false
positive, because these lesions count as missed.
"""

from collections.abc import Sequence
from typing import Literal, TypeVar, get_args

import numpy as np
import pandas as pd

from headstart.metrics import distance

Connectivity = Literal["slice8", "volume26"]
CONNECTIVITIES = get_args(Connectivity)
# A lesion as it is counted in a scan.
WHOLE: Connectivity = "volume26"

Numbers = TypeVar("Numbers", int, np.ndarray)


def ratios(lesions: Numbers, detected: Numbers, false_positives: Numbers) -> dict[str, tuple[Numbers, Numbers]]:
    """Numerator and denominator of each measure, from numbers or arrays of numbers of lesions and false positives.

    Numerators and denominators of several scans can be summed: the ratio of the sums is the measure over all of them.
    """
    return {
        "sensitivity": (detected, lesions),
        "precision": (detected, detected + false_positives),
        "f1": (2 * detected, lesions + detected + false_positives),
    }


def tabulate(
    prediction: np.ndarray, truth: np.ndarray, voxel_ml: float, connectivity: Connectivity = "slice8"
) -> pd.DataFrame:
    """Tabulate all lesions and false positives of a scan, before any cutoff.

    ``prediction`` and ``truth`` are masks (slices, rows, columns), set where they are not 0; ``voxel_ml`` is the volume
    of a voxel. Columns: kind ("true": a lesion of the ground truth; "false": a false positive), slice (index of its
    lowest), voxels, volume_ml, overlap (share of a lesion's voxels that were segmented; NaN of a false positive).
    Raises ValueError if the shapes differ or have not three axes, or the connectivity is unknown.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction has shape {prediction.shape}, ground truth {truth.shape}")
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


def of_scan(
    prediction: np.ndarray,
    truth: np.ndarray,
    voxel_ml: float,
    scan: str,
    connectivities: Sequence[Connectivity] = CONNECTIVITIES,
) -> pd.DataFrame:
    """The rows of :func:`tabulate` for each of the connectivities, with the columns scan and connectivity.

    A scan with neither lesions nor false positives has one row of kind "none" per connectivity, so that it still counts
    as tested.
    """
    parts = []
    for connectivity in connectivities:
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
    """Count lesions, detected lesions and false positives of each scan at given cutoffs, from rows of :func:`of_scan`.

    ``overlap``: fraction of a lesion's voxels that must be exceeded for it to count as detected; ``volume_ml``:
    lesions and false positives of a smaller volume are excluded. Columns: scan, connectivity, lesions, detected,
    false_positives; one row per scan and connectivity, also where all are 0.
    """
    kept = table["volume_ml"] >= volume_ml
    true = kept & (table["kind"] == "true")
    detected, false = true & (table["overlap"] > overlap), kept & (table["kind"] == "false")
    flags = pd.DataFrame({"lesions": true, "detected": detected, "false_positives": false})
    return flags.groupby([table["scan"], table["connectivity"]]).sum().reset_index()


def _components(mask: np.ndarray, other: np.ndarray, connectivity: str) -> pd.DataFrame:
    """Components of a mask: index of the lowest slice, number of voxels, and voxels shared with ``other``."""
    import cc3d  # here, so that a machine which only trains may lack it

    box = distance.bounding_box(mask)
    kept = mask[box]
    # An empty slice between each two keeps components within their slice, in one call for all slices.
    step = 2 if connectivity == "slice8" else 1
    # cc3d rejects arrays without extent: padding by one empty voxel avoids them.
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
