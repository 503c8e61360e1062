"""Values of manual labels: what masks and label maps may hold, and which inexact values are rounded."""

import os

import numpy as np

from headstart.image_files import StoredImage
from headstart.job import UserError

PathLike = str | os.PathLike
# Largest distance of a mask or a label from a whole value: what arithmetic in single precision leaves.
_ROUNDING = 1e-3
# Steps between the values of a file from which on two whole numbers can be stored as one.
_COARSE = 0.5
# No mask and hardly a class covers a larger share of a scan, unless inverted: a ball within a cube covers half of it.
MAX_SHARE = 0.8


def whole_mask(path: PathLike, data: np.ndarray, mask_above: float | None) -> tuple[np.ndarray, int]:
    """A mask as a boolean array, and how many of its voxels were rounded.

    It is set above ``mask_above``; or, if that is None, where it has its only value that is not 0. Raises
    :class:`UserError` if it has others, or is set nearly everywhere.
    """
    _check_finite(path, data)
    highest, rounded = data.max(initial=0), 0
    if mask_above is None:
        mask, rounded = _two_values(path, data)
    else:
        mask = data > mask_above
        if data.any() and not mask.any():
            raise UserError(
                f"{path} has no voxel above mask_above {mask_above:g}, since its highest value is {highest:g}; lower "
                "mask_above in the dataset's entry."
            )
    if mask.mean() > MAX_SHARE:
        raise UserError(
            f"{path} is set in {100 * mask.mean():.1f} % of all voxels, so it may be inverted; give a mask that is 0 "
            "outside the labelled region, or exclude the scan."
        )
    return mask, rounded


def whole_labels(path: PathLike, stored: StoredImage) -> tuple[np.ndarray, int]:
    """A label map as int32, or int64 if its values need it, and how many of its voxels were rounded.

    Values are rounded if they are as near to whole numbers as their storage allows: within half a step of the values
    that scaled integers can have, or single precision. Raises :class:`UserError` for values in between, and for those
    that are too large to be exact.
    """
    data = stored.data
    _check_finite(path, data)
    whole = np.rint(data) if data.dtype.kind == "f" else data
    distance = np.abs(data - whole) if data.dtype.kind == "f" else np.zeros(1)
    if between := int(np.count_nonzero(distance > max(_ROUNDING, 0.501 * stored.slope * (stored.slope < _COARSE)))):
        if stored.slope >= _COARSE:
            raise UserError(
                f"{path} is not a label map: it is stored in steps of {stored.slope:.3g} (scl_slope), too coarse for "
                f"whole numbers, and {between} voxels are none; save it again as integers from its source."
            )
        raise UserError(
            f"{path} is not a label map: {between} voxels are not whole numbers; resample it with nearest neighbours, "
            "or, if it is a mask in a dataset of the layout flat, set masks: true, mask_above: 0.5 in its entry."
        )
    largest = max(float(whole.max(initial=0)), -float(whole.min(initial=0)))
    # Floating point holds every whole number only up to the digits of its fraction.
    exact = min(np.finfo(data.dtype).nmant + 1, 63) if data.dtype.kind == "f" else 63
    if largest >= 2.0**exact:
        raise UserError(
            f"{path} has labels of up to {largest:.6g}, too large to be read exactly; give its labels smaller "
            "numbers, or exclude the scan."
        )
    integer = np.int32 if largest <= np.iinfo(np.int32).max else np.int64
    return whole.astype(integer), int(np.count_nonzero(distance))


def _check_finite(path: PathLike, data: np.ndarray) -> None:
    if not np.isfinite(data).all():
        raise UserError(f"{path} has voxels that are NaN or infinite; set them to 0.")


def _two_values(path: PathLike, data: np.ndarray) -> tuple[np.ndarray, int]:
    """A mask of 0 and one other value as a boolean array, and how many of its voxels were rounded."""
    highest = float(data.max(initial=0))
    if highest <= 0 and data.any():
        raise UserError(
            f"{path} is not a mask: it has negative values (down to {data.min():g}) and none above 0; save it again "
            "with 1 where it is set and 0 elsewhere."
        )
    share = data / max(highest, 1e-12)
    distance = np.abs(share - (share > 0.5))
    # Near 0, the distance counts as it stands too: 1 is no rounding error beside 2000.
    if between := int(np.count_nonzero((distance > _ROUNDING) | ((share < 0.5) & (np.abs(data) > _ROUNDING)))):
        raise UserError(
            f"{path} is not a mask: {between} voxels are neither 0 nor its highest value {highest:g}; say above which "
            "value it is set, with mask_above in the dataset's entry."
        )
    return share > 0.5, int(np.count_nonzero(distance))
