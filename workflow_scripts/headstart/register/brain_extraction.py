"""Masks of the brain and of the head."""

import numpy as np
from scipy import ndimage

from headstart.images import Volume
from headstart.job import UserError, one_line

# A voxel below this share of the brain's median intensity is air.
_AIR = 0.1
# Beyond this distance in mm nothing is brain; if the scan shows the skull, more than this share of voxels is tissue.
_FAR_MM = 8
_SKULL = 0.002


def extract(scan: Volume, threads: int) -> tuple[Volume, bool]:
    """Brain mask of a scan, uint8 on its grid, and whether the scan was already skull-stripped.

    The mask is from deepbet (Fisch 2024, a 3D U-Net with weights in its package), which was trained on T1 scans and
    finds the brain in FLAIR too (benchmarks/first_image.tsv); in a stripped scan, every voxel that is not air is brain.
    Raises :class:`UserError` if no brain is found; the caller adds the file's name.
    """
    mask = deepbet(scan, threads)
    if not mask.any():
        raise UserError("no brain was found in it; check that it is a scan of a head, or exclude it.")
    stripped = is_stripped(scan, mask)
    if stripped:
        mask = ndimage.binary_fill_holes(_largest(_tissue(scan, mask)))
    return Volume(mask.astype(np.uint8), scan.affine), stripped


def is_stripped(scan: Volume, mask: np.ndarray) -> bool:
    """Whether a scan shows no skull; ``mask``: its brain, boolean on its grid."""
    return bool(_tissue(scan, mask)[_far(mask, scan.grid.spacing)].mean() < _SKULL)


def head(scan: Volume, brain: Volume) -> np.ndarray:
    """Boolean mask of the head: the largest part of what is brighter than air, with holes filled."""
    return ndimage.binary_fill_holes(_largest(_tissue(scan, brain.data > 0)))


def _tissue(scan: Volume, mask: np.ndarray) -> np.ndarray:
    """Voxels brighter than air, boolean; ``mask``: the brain."""
    return scan.data > _AIR * np.median(scan.data[mask])


def deepbet(scan: Volume, threads: int) -> np.ndarray:
    """Boolean brain mask from deepbet, on the CPU, so that it is the same on all machines of a cluster."""
    import nibabel as nib
    import torch
    from deepbet import BrainExtraction

    torch.set_num_threads(threads)
    try:
        _, mask, _ = BrainExtraction(no_gpu=True).run(nib.Nifti1Image(scan.data, scan.affine))
    except (AssertionError, ValueError):  # deepbet asserts that there is a foreground at all
        return np.zeros(scan.data.shape, bool)
    except (RuntimeError, IndexError) as error:
        raise UserError(
            f"brain extraction failed ({one_line(error)[:200]}); check that it is a scan of a head, or exclude it."
        ) from error
    return np.asanyarray(mask.dataobj) > 0


def _far(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Voxels far from a mask, of which only every second along each axis is tested; boolean, of the mask's shape."""
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
