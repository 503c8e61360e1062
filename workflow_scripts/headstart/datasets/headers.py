"""What a NIfTI header says of where its voxels lie, and what in it cannot be true.

NIfTI-1 (nifti.nimh.nih.gov) has two ways to place an image, each with a code that is 0 where it says nothing:
``sform``, a matrix, and ``qform``, a rotation with the voxel sizes. nibabel takes the sform where both are there, and
mends voxel sizes of zero without a word; so the header is read here as it is stored.
"""

import os

import nibabel as nib
import numpy as np

from headstart import images
from headstart.job import UserError

# Sides that an image of a head can have, in mm: from the brain of a baby alone to a scan with much air and neck.
EXTENT_MM = (50, 600)
# Two placements that part by more than this at a corner are worth a word.
_APART_MM = 1.0
_REMEDY = "convert it again from its source, or exclude the scan"


def check(path: str | os.PathLike, grid: images.Grid) -> tuple[dict, list[str], list[str]]:
    """What is known of an image's place, what was repaired in reading it, and what is worth a look.

    ``grid``: the one that :func:`headstart.images.read` finds in ``path``. Facts: ``placed_by`` (``sform``, ``qform``,
    or ``format`` of images that are no NIfTI), ``axes`` (letters of the directions in which the array's axes run),
    ``voxel_mm``. Raises :class:`UserError` when left and right cannot be known, when the placement is no placement, or
    when no head has the image's size.
    """
    image = nib.load(path)
    placed_by, warnings = "format", []
    if isinstance(image.header, nib.Nifti1Header):
        placed_by, warnings = _forms(path, _stored(image), image.shape)
    _check_sound(path, grid.affine, "a placement")
    _check_extent(path, grid)
    repairs, unit = [], images.unit_mm(image.header, image.affine)
    if unit != 1:
        repairs.append(f"converted from {'metres' if unit > 1 else 'micrometres'} to mm")
    elif "xyzt_units" in image.header and int(image.header["xyzt_units"]) & 7 in (1, 3):
        warnings.append("header names another unit than mm, but its numbers can only be mm")
    metadata = {
        "placed_by": placed_by,
        "axes": "".join(nib.aff2axcodes(grid.affine)),
        "voxel_mm": [round(float(size), 4) for size in grid.spacing],
    }
    return metadata, repairs, warnings


def _stored(image: nib.Nifti1Pair) -> nib.Nifti1Header:
    """The header as its file has it, before nibabel mends it."""
    holder = image.file_map.get("header") or image.file_map["image"]
    with holder.get_prepare_fileobj("rb") as file:
        return type(image.header).from_fileobj(file, check=False)


def _forms(path: str | os.PathLike, header: nib.Nifti1Header, shape: tuple[int, ...]) -> tuple[str, list[str]]:
    """Which of the two forms places the image, and what is odd about them."""
    warnings = []
    by_sform, by_qform = int(header["sform_code"]) > 0, int(header["qform_code"]) > 0
    if not by_sform and not by_qform:
        raise UserError(
            f"{path} has neither sform nor qform, so that left cannot be told from right; convert it again with a tool "
            "that keeps the place (dcm2niix), or exclude the scan."
        )
    sizes = header["pixdim"][1:4].astype(float)
    sound_sizes = bool(np.all(np.isfinite(sizes) & (sizes > 0)))
    if not sound_sizes:
        said = " x ".join(f"{size:g}" for size in sizes)
        if not by_sform:
            raise UserError(f"{path} gives its voxels the size {said} mm; {_REMEDY}.")
        warnings.append(f"header gives voxels the size {said} mm; the sform's was taken")
    if by_sform:
        sform = header.get_sform()
        _check_sound(path, sform, "an sform")
        if by_qform and sound_sizes:
            warnings += _disagreement(path, sform, _qform(header), shape)
    else:
        _check_sound(path, _qform(header), "a qform")
    if not np.isfinite(header["scl_slope"]):
        warnings.append("header scales intensities by no number; they were taken as stored")
    return "sform" if by_sform else "qform", warnings


def _qform(header: nib.Nifti1Header) -> np.ndarray:
    """The qform's matrix, NaN where its quaternion is no rotation."""
    try:
        return header.get_qform()
    except (nib.spatialimages.HeaderDataError, ValueError):
        return np.full((4, 4), np.nan)


def _disagreement(path: str | os.PathLike, sform: np.ndarray, qform: np.ndarray, shape: tuple[int, ...]) -> list[str]:
    """How sform and qform part. A mirror image between them leaves open which side is left: that is an error."""
    if not np.isfinite(qform).all():
        return ["qform is no rotation; the sform was taken"]
    if np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0:
        raise UserError(
            f"{path} has sform and qform that are mirror images, so that left cannot be told from right; {_REMEDY}."
        )
    corners = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * [*shape[:3], 1]
    apart = np.linalg.norm((corners @ (sform - qform).T)[:, :3], axis=1).max()
    return [f"sform and qform part by up to {apart:.0f} mm; the sform was taken"] if apart > _APART_MM else []


def _check_sound(path: str | os.PathLike, affine: np.ndarray, form: str) -> None:
    """An affine must be of numbers and span three dimensions."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) <= 1e-3 * np.prod(sizes):
        raise UserError(f"{path} has {form} that is flat or not made of numbers; {_REMEDY}.")


def _check_extent(path: str | os.PathLike, grid: images.Grid) -> None:
    extent = np.asarray(grid.shape) * grid.spacing
    if extent.min() < EXTENT_MM[0] or extent.max() > EXTENT_MM[1]:
        said = " x ".join(f"{side:.4g}" for side in extent)
        raise UserError(
            f"{path} is {said} mm in size, not that of a head ({EXTENT_MM[0]} to {EXTENT_MM[1]} mm a side); correct "
            "its voxel sizes or their unit, or exclude the scan."
        )
