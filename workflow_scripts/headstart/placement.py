"""Where the header of an image places its voxels: affines in RAS+ mm, from NIfTI's two forms or Analyze's slices.

NIfTI-1 (nifti.nimh.nih.gov) has two ways to place an image, each with a code that is 0 if it is not given: ``sform``,
a matrix, and ``qform``, a rotation with the voxel sizes. The sform is used if both are given. Qforms are read as the
standard's own library does (nifti1_io.c, ``nifti_quatern_to_mat44``), which FSL, AFNI and ITK follow; nibabel refuses
some of those, or reads them with another handedness.
"""

import os

import nibabel as nib
import numpy as np
from nibabel.quaternions import fillpositive, quat2mat

# Codes of Analyze's header for coronal and sagittal slices, and the directions of the array's axes (nibabel's codes).
_ANALYZE_AXES = {b"\x01": "LSA", b"\x02": "ASL"}
# Codes of NIfTI's header for metres and micrometres, with their length in mm; any other code is taken for mm.
_UNITS_MM = {1: 1e3, 3: 1e-3}
# Below this square of its real part, nifti1_io takes a quaternion for a rotation by 180 degrees.
_HALF_TURN = 1e-7
# A quaternion whose square is longer than 1 by more than this is no rotation.
_NO_ROTATION = 1e-3


def affine(image: nib.spatialimages.SpatialImage, header: nib.spatialimages.SpatialHeader) -> np.ndarray:
    """The affine of an image, (4, 4) float64 from voxel indices to RAS+ mm, whatever unit its header names.

    ``header``: its header as stored, before nibabel changes it. NaN where the header gives no valid placement; if it
    gives none at all, the affine is nibabel's default, and left and right are a guess.
    """
    if isinstance(header, nib.Nifti1Header):
        found = forms(header)
        default = image.header.get_base_affine()
        return found.get("sform", found.get("qform", default * unit_mm(header, default)[:, None]))
    return _of_slices(image)


def forms(header: nib.Nifti1Header) -> dict[str, np.ndarray]:
    """Those of ``sform`` and ``qform`` that a header as stored gives, in this order: (4, 4) float64 in RAS+ mm.

    Each is in mm by its own numbers, since the two may be in different units. A form is NaN if it is not valid: if the
    quaternion is not a rotation, or the voxel sizes are not positive.
    """
    found = {}
    if header["sform_code"] > 0:
        found["sform"] = header.get_sform().astype(np.float64)
    if header["qform_code"] > 0:
        found["qform"] = _qform(header)
    return {name: form * unit_mm(header, form)[:, None] for name, form in found.items()}


def handedness(header: nib.Nifti1Header) -> int:
    """The sign of the determinant of a header's qform, which does not depend on its rotation: 1 or -1."""
    return -1 if header["pixdim"][0] < 0 else 1


def contradict(header: nib.Nifti1Header) -> bool:
    """Whether sform and qform of a header as stored lay left and right on different sides.

    They do if one is the mirror image of the other, or if a step to the right by one is a step to the left by the
    other. The former shows even if the quaternion is not a rotation.
    """
    found = forms(header)
    if len(found) < 2 or not np.isfinite(found["sform"]).all():
        return False
    sform, qform = (form[:3, :3] for form in found.values())
    if np.linalg.det(sform) * handedness(header) < 0:
        return True
    if not np.isfinite(qform).all() or np.linalg.det(qform) == 0:
        return False
    return bool((sform @ np.linalg.inv(qform))[0, 0] < 0)


def unit_mm(header: nib.spatialimages.SpatialHeader, affine: np.ndarray) -> np.ndarray:
    """Factors (4,) that turn the rows of a header's ``affine`` into mm: 1, or its unit's length if mm is impossible.

    Many headers that name metres or micrometres hold millimetres, so voxels that are 0.1 to 20 mm wide as they stand
    are taken for mm. The last factor, of the row 0 0 0 1, is always 1.
    """
    factor = _UNITS_MM.get(int(header["xyzt_units"]) & 7, 1.0) if "xyzt_units" in header else 1.0
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if np.all((sizes >= 0.1) & (sizes <= 20)):
        factor = 1.0
    return np.array([factor, factor, factor, 1.0])


def conversion(header: nib.spatialimages.SpatialHeader) -> tuple[list[str], list[str]]:
    """What was done about the unit of a header as stored, as repairs and warnings (sentences)."""
    if not isinstance(header, nib.Nifti1Header) or int(header["xyzt_units"]) & 7 not in _UNITS_MM:
        return [], []
    stored = header.get_sform() if header["sform_code"] > 0 else _qform(header)
    factor = unit_mm(header, stored)[0]
    if factor == 1:
        return [], ["header names a unit other than mm, but its numbers can only be mm"]
    return [f"converted from {'metres' if factor > 1 else 'micrometres'} to mm"], []


def _qform(header: nib.Nifti1Header) -> np.ndarray:
    """The qform's matrix in the header's unit, (4, 4) float64; NaN if it is not valid."""
    sizes = header["pixdim"][1:4].copy()
    imaginary = np.array([header[f"quatern_{part}"] for part in "bcd"], np.float64)
    excess = imaginary @ imaginary - 1
    if not excess <= _NO_ROTATION or not np.all(np.isfinite(sizes) & (sizes > 0)):
        return np.full((4, 4), np.nan)
    half_turn = -excess < _HALF_TURN
    quaternion = np.r_[0, imaginary / np.linalg.norm(imaginary)] if half_turn else fillpositive(imaginary)
    sizes[2] *= handedness(header)
    form = np.eye(4)
    form[:3, :3] = quat2mat(quaternion) @ np.diag(sizes)
    form[:3, 3] = [header[f"qoffset_{axis}"] for axis in "xyz"]
    return form


def _of_slices(image: nib.spatialimages.SpatialImage) -> np.ndarray:
    """The affine of an image that is not NIfTI, also if it is an Analyze 7.5 image in coronal or sagittal slices.

    nibabel takes the slices of every Analyze image for transverse ones; the header tells in ``orient`` (Mayo Clinic,
    Analyze 7.5 file format; ITK reads it the same way). A ``.mat`` file of SPM beside the image takes precedence.
    """
    slices = bytes(image.header["orient"]) if "orient" in image.header else b""
    placed = "mat" in image.file_map and os.path.exists(image.file_map["mat"].filename)
    if slices not in _ANALYZE_AXES or placed:
        return np.array(image.affine, dtype=np.float64)
    orientation = nib.orientations.axcodes2ornt(_ANALYZE_AXES[slices])
    shape, zooms = np.array(image.shape[:3]), np.array(image.header.get_zooms()[:3], dtype=np.float64)
    found = np.diag([0.0, 0, 0, 1])
    found[orientation[:, 0].astype(int), range(3)] = orientation[:, 1] * zooms
    found[:3, 3] = -found[:3, :3] @ ((shape - 1) / 2)
    return found
