"""Measures of registration and resampling for one scan, which :mod:`headstart.register.quality_table` judges."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from headstart import images
from headstart.images import Volume
from headstart.metrics import overlap

_NEIGHBOURS = np.ones((3, 3, 3), bool)


def contrast(image: Volume, tissues: Mapping[str, Volume]) -> dict[str, float]:
    """How much brighter white matter is than grey matter and than CSF, in the places of the template's tissues.

    ``image``: a registered one, in [0, 1]; ``tissues``: the template's probabilities ``csf``, ``gm``, ``wm``. In a T1,
    both ``wm_minus_gm`` and ``wm_minus_csf`` are above zero. Voxels are weighted by the square of the
    probability, which favours the inner parts of tissues.
    """
    weights = {name: images.resample(tissue, image.grid).data ** 2 for name, tissue in tissues.items()}
    mean = {name: float(np.average(image.data, weights=weight)) for name, weight in weights.items()}
    return {"wm_minus_gm": mean["wm"] - mean["gm"], "wm_minus_csf": mean["wm"] - mean["csf"]}


def label_losses(native: Volume, moved: Volume, transform: np.ndarray, names: Sequence[str]) -> dict:
    """Compare manual labels before and after resampling.

    ``native``, ``moved``: labels 1, 2, ... named ``names``, on the scan's grid and on the study's; ``transform``:
    (4, 4) from RAS+ mm of the template to RAS+ mm of the scan. Returns ``label_native_voxels``, ``label_voxels``;
    ``label_native_ml``, ``label_ml`` (both in mL in the scan); ``parts_native``, ``parts`` (numbers of 26-connected
    parts, all classes together); ``parts_lost``, the number of native parts without any voxel on the study's grid, and
    ``parts_lost_ml``, their volumes in mL in the scan; ``classes_lost``, the names of the classes without any; and
    ``ceiling_dice``, the Dice of the native labels and ``moved``, resampled back to the scan's grid, averaged over the
    classes that the scan has: no prediction on the study's grid can be expected to score higher on that of the scan.
    """
    native_parts, count = ndimage.label(native.data > 0, _NEIGHBOURS)
    volume = moved.grid.voxel_ml * abs(float(np.linalg.det(transform[:3, :3])))
    sizes = np.bincount(native_parts.ravel(), minlength=count + 1)
    lost = np.setdiff1d(np.arange(1, count + 1), _parts_shown(native_parts, native, moved, transform))
    voxels = {"native": int((native.data > 0).sum()), "moved": int((moved.data > 0).sum())}
    return {
        "label_native_voxels": voxels["native"],
        "label_voxels": voxels["moved"],
        "label_native_ml": voxels["native"] * native.grid.voxel_ml,
        "label_ml": voxels["moved"] * volume,
        "parts_native": int(count),
        "parts": int(ndimage.label(moved.data > 0, _NEIGHBOURS)[1]),
        "parts_lost": len(lost),
        "parts_lost_ml": [float(sizes[part] * native.grid.voxel_ml) for part in lost],
        "classes_lost": [
            name for k, name in enumerate(names, 1) if (native.data == k).any() and not (moved.data == k).any()
        ],
        "ceiling_dice": _ceiling(native, moved, transform),
    }


def _ceiling(native: Volume, moved: Volume, transform: np.ndarray) -> float:
    """Mean Dice of the classes of native labels with what is left of them on the study's grid."""
    back = images.resample_labels(moved, native.grid, np.linalg.inv(transform)).data
    classes = np.unique(native.data[native.data > 0])
    return float(np.mean([overlap.dice(back == k, native.data == k, "skip") for k in classes]))


def _parts_shown(parts: np.ndarray, native: Volume, moved: Volume, transform: np.ndarray) -> np.ndarray:
    """Numbers of those native ``parts`` that overlap a labelled voxel of ``moved``.

    Tested in both directions, since either grid may be the finer one: centres of the parts' voxels in labelled voxels,
    and centres of labelled voxels in the parts.
    """
    there = np.linalg.inv(native.affine) @ transform @ moved.affine
    of_parts, labelled = np.argwhere(parts), np.argwhere(moved.data)
    inside = _at(moved.data, of_parts, np.linalg.inv(there)) > 0
    shown = parts[tuple(of_parts[inside].T)]
    return np.union1d(shown, np.setdiff1d(_at(parts, labelled, there), [0]))


def _at(data: np.ndarray, voxels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Values of ``data`` at the voxels nearest to ``matrix`` times ``voxels`` (N, 3); 0 outside."""
    there = np.rint(voxels @ matrix[:3, :3].T + matrix[:3, 3]).astype(int)
    within = np.all((there >= 0) & (there < data.shape), axis=1)
    found = np.zeros(len(voxels), data.dtype)
    found[within] = data[tuple(there[within].T)]
    return found
