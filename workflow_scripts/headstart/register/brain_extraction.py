"""Where the brain is, and where the head is."""

import numpy as np
from scipy import ndimage

from headstart.images import Volume
from headstart.job import UserError

# Below this share of the brain's median intensity a voxel is air.
_AIR = 0.1
# How far from the brain, in mm, there is no brain; of a head, more than this share of voxels out there is tissue.
_FAR_MM = 8
_SKULL = 0.002


def extract(scan: Volume, threads: int = 1) -> tuple[Volume, bool]:
    """Brain mask of a T1 scan, with the skull or already without, and whether it was already stripped.

    Returns a uint8 mask on the scan's grid. Heads go through deepbet (Fisch 2024, a 3D U-Net whose weights ship in
    its package). Of a stripped scan, every voxel that is not air is brain. Raises :class:`UserError` without the
    file's name when no brain is found, for the caller to complete.
    """
    mask = _deepbet(scan, threads)
    if not mask.any():
        raise UserError("no brain was found in it; check that it is a T1 scan of a head, or exclude the scan.")
    tissue = scan.data > _AIR * np.median(scan.data[mask])
    stripped = tissue[_far(mask, scan.grid.spacing)].mean() < _SKULL
    if stripped:
        mask = ndimage.binary_fill_holes(_largest(tissue))
    return Volume(mask.astype(np.uint8), scan.affine), bool(stripped)


def head(scan: Volume, brain: Volume) -> np.ndarray:
    """Boolean mask of the head: what is brighter than air, its largest part, holes filled."""
    tissue = scan.data > _AIR * np.median(scan.data[brain.data > 0])
    return ndimage.binary_fill_holes(_largest(tissue))


def _deepbet(scan: Volume, threads: int) -> np.ndarray:
    """Boolean brain mask by deepbet, on the CPU, so that it is the same on every machine of a cluster."""
    import nibabel as nib
    import torch
    from deepbet import BrainExtraction

    torch.set_num_threads(threads)
    try:
        _, mask, _ = BrainExtraction(no_gpu=True).run(nib.Nifti1Image(scan.data, scan.affine))
    except (AssertionError, ValueError):  # deepbet asserts that there is a foreground at all
        return np.zeros(scan.data.shape, bool)
    return np.asanyarray(mask.dataobj) > 0


def _far(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Every second voxel along each axis that is far from a mask, as a boolean array of the mask's shape."""
    some = (slice(None, None, 2),) * 3
    far = np.zeros(mask.shape, bool)
    far[some] = ndimage.distance_transform_edt(~mask[some], sampling=2 * spacing) > _FAR_MM
    return far


def _largest(mask: np.ndarray) -> np.ndarray:
    """The largest face-connected part of a mask."""
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    return parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1
