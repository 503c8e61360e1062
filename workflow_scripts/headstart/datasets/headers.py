"""Checks of a header: whether it places the voxels, and which of its values cannot be true.

The header is read as it is stored, since nibabel replaces some values silently, for instance voxel sizes of zero.
"""

import os

import nibabel as nib
import numpy as np

from headstart import image_files, images, placement
from headstart.images import Grid
from headstart.job import UserError

# Range of the sides of an image of a head, in mm: from a baby's brain alone to a scan with much air and neck.
EXTENT_MM = (50, 600)
# If sform and qform differ by more than this at a corner of the image, there is a warning.
_FORM_TOLERANCE_MM = 1.0
_REMEDY = "convert it again from its source, or exclude the scan"


def check(path: str | os.PathLike, grid: images.Grid) -> tuple[dict, list[str], list[str]]:
    """Check the placement of the image in ``path``, whose ``grid`` :func:`headstart.images.read` returned.

    Returns metadata, repairs and warnings. Metadata: ``placed_by`` (``sform``, ``qform``, or ``format`` if the image is
    not NIfTI), ``axes`` (letters of the directions in which the array's axes run) and ``voxel_mm``. Raises
    :class:`UserError` if left and right cannot be known, the affine is invalid, or no head has the image's size.
    """
    header, _, _ = image_files.read_header(path)
    placed_by, differences = "format", []
    if isinstance(header, nib.Nifti1Header):
        placed_by, differences = _check_forms(path, header, grid)
    check_affine(path, grid.affine, "an affine")
    _check_extent(path, grid)
    repairs, warnings = placement.conversion(header)
    metadata = {
        "placed_by": placed_by,
        "axes": "".join(nib.aff2axcodes(grid.affine)),
        "voxel_mm": [round(float(size), 4) for size in grid.spacing],
    }
    return metadata, repairs, [*differences, *warnings]


def check_sides(path: str | os.PathLike, header: nib.spatialimages.SpatialHeader, remedy: str) -> None:
    """Raise :class:`UserError` if the header of a NIfTI image leaves open which side is left."""
    if not isinstance(header, nib.Nifti1Header):
        return
    if not placement.forms(header):
        raise UserError(f"{path} has neither sform nor qform, so left and right cannot be distinguished; {remedy}.")
    if placement.contradict(header):
        raise UserError(
            f"{path} has sform and qform that are mirror images or differ about which side is left, so left and right "
            f"cannot be distinguished; {remedy}."
        )


def _check_forms(path: str | os.PathLike, header: nib.Nifti1Header, grid: Grid) -> tuple[str, list[str]]:
    """Which of the two forms places the image, and warnings about them."""
    warnings = []
    found = placement.forms(header)
    check_sides(path, header, "convert it again with a tool that keeps the orientation (dcm2niix), or exclude the scan")
    sizes = header["pixdim"][1:4].astype(float)
    shown = " x ".join(f"{size:g}" for size in sizes)
    valid_sizes = bool(np.all(np.isfinite(sizes) & (sizes > 0)))
    if not valid_sizes and "sform" not in found:
        raise UserError(f"{path} has voxels of {shown} mm; {_REMEDY}.")
    if not valid_sizes:
        warnings.append(f"header has voxels of {shown} mm; those of the sform were used")
    (used, form), *other = found.items()
    check_affine(path, form, f"{'an' if used == 'sform' else 'a'} {used}")
    if other and valid_sizes:
        warnings += _compare_forms(grid, Grid(grid.shape, other[0][1]))
    if not np.isfinite(header["scl_slope"]):
        warnings.append("header scales intensities by a value that is not finite; they were used as stored")
    return used, warnings


def _compare_forms(sform: Grid, qform: Grid) -> list[str]:
    """Warnings about how the grids of sform and qform differ."""
    if not np.isfinite(qform.affine).all():
        return ["qform is not a rotation, so its left and right could not be compared; the sform was used"]
    distance = sform.distance(qform)
    if distance <= _FORM_TOLERANCE_MM:
        return []
    return [f"sform and qform differ by up to {distance:.0f} mm; the sform was used"]


def check_affine(path: str | os.PathLike, affine: np.ndarray, form: str) -> None:
    """Raise :class:`UserError` unless an affine is finite and spans three dimensions."""
    if not np.isfinite(affine).all():
        invalid = "not finite, or no rotation" if "qform" in form else "not finite"
    elif abs(np.linalg.det(affine[:3, :3])) <= 1e-3 * np.prod(np.linalg.norm(affine[:3, :3], axis=0)):
        invalid = "flat"
    else:
        return
    raise UserError(f"{path} has {form} that is {invalid}; {_REMEDY}.")


def _check_extent(path: str | os.PathLike, grid: images.Grid) -> None:
    extent = np.asarray(grid.shape) * grid.spacing
    if extent.min() < EXTENT_MM[0] or extent.max() > EXTENT_MM[1]:
        shown = " x ".join(f"{side:.4g}" for side in extent)
        raise UserError(
            f"{path} is {shown} mm in size, which is not that of a head ({EXTENT_MM[0]} to {EXTENT_MM[1]} mm per "
            "side); correct its voxel sizes or their unit, or exclude the scan."
        )
