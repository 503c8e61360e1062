"""Checks of a NIfTI header: where it places the voxels, and which of its values cannot be true.

NIfTI-1 (nifti.nimh.nih.gov) has two ways to place an image, each with a code that is 0 if it is not given: ``sform``,
a matrix, and ``qform``, a rotation with the voxel sizes. nibabel uses the sform if both are given, and silently
replaces voxel sizes of zero; so the header is read here as it is stored.
"""

import os

import nibabel as nib
import numpy as np

from headstart import images
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
    image = nib.load(path)
    placed_by, warnings = "format", []
    if isinstance(image.header, nib.Nifti1Header):
        placed_by, warnings = _check_forms(path, _stored_header(image), image.shape)
    _check_affine(path, grid.affine, "an affine")
    _check_extent(path, grid)
    repairs, unit = [], images.unit_mm(image.header, image.affine)
    if unit != 1:
        repairs.append(f"converted from {'metres' if unit > 1 else 'micrometres'} to mm")
    elif "xyzt_units" in image.header and int(image.header["xyzt_units"]) & 7 in (1, 3):
        warnings.append("header names a unit other than mm, but its numbers can only be mm")
    metadata = {
        "placed_by": placed_by,
        "axes": "".join(nib.aff2axcodes(grid.affine)),
        "voxel_mm": [round(float(size), 4) for size in grid.spacing],
    }
    return metadata, repairs, warnings


def _stored_header(image: nib.Nifti1Pair) -> nib.Nifti1Header:
    """The header as it is in the file, before nibabel changes it."""
    holder = image.file_map.get("header") or image.file_map["image"]
    with holder.get_prepare_fileobj("rb") as file:
        return type(image.header).from_fileobj(file, check=False)


def _check_forms(path: str | os.PathLike, header: nib.Nifti1Header, shape: tuple[int, ...]) -> tuple[str, list[str]]:
    """Which of the two forms places the image, and warnings about them."""
    warnings = []
    by_sform, by_qform = int(header["sform_code"]) > 0, int(header["qform_code"]) > 0
    if not by_sform and not by_qform:
        raise UserError(
            f"{path} has neither sform nor qform, so left and right cannot be distinguished; convert it again with a "
            "tool that keeps the orientation (dcm2niix), or exclude the scan."
        )
    sizes = header["pixdim"][1:4].astype(float)
    valid_sizes = bool(np.all(np.isfinite(sizes) & (sizes > 0)))
    if not valid_sizes:
        shown = " x ".join(f"{size:g}" for size in sizes)
        if not by_sform:
            raise UserError(f"{path} has voxels of {shown} mm; {_REMEDY}.")
        warnings.append(f"header has voxels of {shown} mm; those of the sform were used")
    if by_sform:
        sform = header.get_sform()
        _check_affine(path, sform, "an sform")
        if by_qform and valid_sizes:
            warnings += _compare_forms(path, sform, _qform(header), shape)
    else:
        _check_affine(path, _qform(header), "a qform")
    if not np.isfinite(header["scl_slope"]):
        warnings.append("header scales intensities by a value that is not finite; they were used as stored")
    return "sform" if by_sform else "qform", warnings


def _qform(header: nib.Nifti1Header) -> np.ndarray:
    """The qform's matrix, NaN if its quaternion is not a rotation."""
    try:
        return header.get_qform()
    except (nib.spatialimages.HeaderDataError, ValueError):
        return np.full((4, 4), np.nan)


def _compare_forms(path: str | os.PathLike, sform: np.ndarray, qform: np.ndarray, shape: tuple[int, ...]) -> list[str]:
    """Warnings about how sform and qform differ; that they mirror each other, which leaves sides open, is an error."""
    if not np.isfinite(qform).all():
        return ["qform is not a rotation; the sform was used"]
    if np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0:
        raise UserError(
            f"{path} has sform and qform that are mirror images, so left and right cannot be distinguished; {_REMEDY}."
        )
    corners = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * [*shape[:3], 1]
    distance = np.linalg.norm((corners @ (sform - qform).T)[:, :3], axis=1).max()
    if distance <= _FORM_TOLERANCE_MM:
        return []
    return [f"sform and qform differ by up to {distance:.0f} mm; the sform was used"]


def _check_affine(path: str | os.PathLike, affine: np.ndarray, form: str) -> None:
    """Raise :class:`UserError` unless an affine is finite and spans three dimensions."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) <= 1e-3 * np.prod(sizes):
        raise UserError(f"{path} has {form} that is flat or not finite; {_REMEDY}.")


def _check_extent(path: str | os.PathLike, grid: images.Grid) -> None:
    extent = np.asarray(grid.shape) * grid.spacing
    if extent.min() < EXTENT_MM[0] or extent.max() > EXTENT_MM[1]:
        shown = " x ".join(f"{side:.4g}" for side in extent)
        raise UserError(
            f"{path} is {shown} mm in size, which is not that of a head ({EXTENT_MM[0]} to {EXTENT_MM[1]} mm per "
            "side); correct its voxel sizes or their unit, or exclude the scan."
        )
