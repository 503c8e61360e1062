"""Repairs of a scan's intensities, which have no unit: air becomes 0, and stray voxels are limited.

Brain extraction, the mask of the head and resampling take 0 for air. Ordinary scans meet none of the criteria here and
keep every value.
"""

import os

import numpy as np

from headstart.images import Volume
from headstart.job import UserError

# Share of a scan's voxels that may be NaN or infinite.
_MAX_NOT_FINITE = 0.01
# If this share of the surface of the image's box has one value, that is air's, and all noise was removed from it.
_EVEN_AIR = 0.25
# The surface shows air if the middle half of its voxels covers less than this share of the scan's range.
_AIR_SPREAD = 0.2
# Air that is noise is shifted to 0 if its level is more than this share of the scan's range.
_AIR_SHIFT = 0.05
# A voxel is far darker than air by this share of the scan's range, and stray beyond this multiple of it.
_DARKER, _STRAY = 0.1, 10
# Steps from a voxel to those around it, and to itself.
_AROUND = np.indices((3, 3, 3)).reshape(3, -1).T - 1
# Shares of voxels far darker than air above which there is a warning, and above which they are tissue.
_SOME_DARKER, _MANY_DARKER = 1e-3, 0.02


def repair(path: str | os.PathLike, stored: Volume) -> tuple[Volume, list[str], list[str]]:
    """A scan as float32 whose air is 0, with a list of repairs and a list of warnings.

    - If air is not 0, its level is subtracted. The level is the lower quartile of the surface of the image's box; or,
      if values differ widely there, as in the noise around the head in MP2RAGE, the first percentile of the image. It
      is subtracted if a quarter of the surface has exactly this value, or if it is more than 5 % of the scan's range,
      which reaches from air to the 99.5th percentile of the image.
    - A few voxels that are NaN or infinite become 0.
    - Stray voxels, farther from air than ten times the range, are set to the median around them, since a single one can
      move the registration by centimetres. In ordinary scans the brightest voxel is within five times the range.

    Raises :class:`UserError` if many voxels are not finite, if all voxels are equal, or if tissue is darker than air.
    """
    with np.errstate(over="ignore"):  # numbers that single precision cannot hold become infinite
        data = stored.data.astype(np.float32)
    bad = ~np.isfinite(data)
    count = int(np.count_nonzero(bad))
    if count > _MAX_NOT_FINITE * data.size:
        raise UserError(
            f"{path} has {100 * count / data.size:.1f} % of voxels that are NaN or infinite; convert it again from "
            "its source, or exclude the scan."
        )
    repairs, warnings = [], []
    if count:
        data[bad] = np.median(data[~bad])
    lowest, highest = data.min(initial=np.inf), data.max(initial=-np.inf)
    if lowest >= highest:
        raise UserError(f"{path} has the same value everywhere; convert it again, or exclude the scan.")
    air, top, even = _levels(data)
    if air != 0 and (even or abs(air) > _AIR_SHIFT * (top - air)):
        with np.errstate(over="ignore", invalid="ignore"):
            data = (stored.data - np.float64(air)).astype(np.float32)
        top, lowest, highest = top - air, lowest - air, highest - air
        repairs.append(f"intensities shifted so that air is 0 instead of {air:g}")
    if count:
        data[bad] = 0
        repairs.append(f"voxels that were NaN or infinite set to 0: {count}")
    top = max(top, np.float32(0))  # 0 if nothing is brighter than air
    if lowest < -_DARKER * top and (darker := float(np.mean(data < -_DARKER * top))) > _SOME_DARKER:
        warnings.append(_judge_darker(path, stored.data, darker, even))
    elif top > 0 and max(highest, -lowest) > _STRAY * top:
        stray = np.abs(data) > _STRAY * top
        _fill(data, stray, top)
        repairs.append(
            f"voxels beyond {_STRAY} times the range of intensities set to the median around them: "
            f"{np.count_nonzero(stray)}"
        )
    return Volume(data, stored.affine), repairs, warnings


def _fill(data: np.ndarray, stray: np.ndarray, top: np.float32) -> None:
    """Set the voxels ``stray`` (boolean) to the medians of the 27 voxels around them, themselves as 0 or ``top``."""
    places = np.argwhere(stray)
    data[stray] = np.clip(data[stray], 0, top)
    around = np.clip(places[:, None] + _AROUND, 0, np.array(data.shape) - 1)
    data[stray] = np.median(data[tuple(np.moveaxis(around, -1, 0))], axis=1)


def _levels(data: np.ndarray) -> tuple[np.float32, np.float32, bool]:
    """Level of air, the 99.5th percentile of the image, and whether air is the same value in many voxels."""
    surface = np.concatenate([np.moveaxis(data, axis, 0)[end].ravel() for axis in range(3) for end in (0, -1)])
    low, high = np.percentile(surface, (25, 75), method="lower")
    some = data if data.size < 2**20 else data[::2, ::2, ::2]
    darkest, top = np.percentile(some, (1, 99.5), method="lower")
    even = bool(np.mean(surface == low) >= _EVEN_AIR)
    return low if even or high - low < _AIR_SPREAD * (top - low) else darkest, top, even


def _judge_darker(path: str | os.PathLike, stored: np.ndarray, share: float, even_air: bool) -> str:
    """A warning about the share of voxels that are far darker than air; if they are tissue, that is an error."""
    shown = f"{100 * share:.1f} % of voxels far darker than air (down to {stored.min():g} as stored)"
    if stored.dtype.kind == "i" and stored.min() < np.iinfo(stored.dtype).min / 2:
        return f"{shown}: did integers overflow?"
    if even_air and share > _MANY_DARKER:
        raise UserError(
            f"{path} has {shown}, so its intensities were normalised within the head (z-scores?) or inverted; give "
            "the scan before that step, or exclude it."
        )
    return shown
