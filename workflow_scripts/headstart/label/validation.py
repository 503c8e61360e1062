"""Agreement with the exact ground truth of synthetic scans: registration error and overlap of labels."""

import os

import numpy as np
import pandas as pd

from headstart.images import Volume
from headstart.metrics import overlap
from headstart.template.template import STRUCTURES, TISSUES

NAMES = {"brain": {1: "brain"}, "tissue": TISSUES, "structures": STRUCTURES}


def registration_error(landmarks: str | os.PathLike, transform: np.ndarray) -> dict[str, float]:
    """Distance in mm, in template space, between the registered and the true positions of landmarks.

    ``landmarks``: a table with the columns native_x ... template_z (RAS+ mm); ``transform``: (4, 4) from template to
    scan. Returns the root mean square ``registration_mm`` and, since the true mapping is a warp that no affine can
    follow, ``best_affine_mm``, the same for the affine that fits these landmarks best.
    """
    table = pd.read_csv(landmarks, sep="\t")
    native = np.c_[table[["native_x", "native_y", "native_z"]].to_numpy(), np.ones(len(table))]
    exact = table[["template_x", "template_y", "template_z"]].to_numpy()
    best, *_ = np.linalg.lstsq(native, exact, rcond=None)
    found = (np.linalg.inv(transform) @ native.T).T[:, :3]
    return {"registration_mm": _rms(found - exact), "best_affine_mm": _rms(native @ best - exact)}


def dice_by_label(made: Volume, exact: Volume, names: dict[int, str]) -> dict[str, float]:
    """Dice of each label over the volume, as ``"dice <name>"``; labels in neither image are left out."""
    found = overlap.counts(made.data[None], exact.data[None], max(names) + 1)
    scores = found.over_volume().dice("skip").ravel()
    return {f"dice {name}": float(scores[label]) for label, name in names.items() if not np.isnan(scores[label])}


def _rms(steps: np.ndarray) -> float:
    return float(np.sqrt((steps**2).sum(axis=1).mean()))
