"""Whether manual labels lie on the voxels of their scan, and how to bring them there without interpolation."""

import os
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

from headstart import image_files, images, placement
from headstart.datasets import bids_names, headers
from headstart.image_files import StoredImage
from headstart.images import Grid, Volume
from headstart.job import UserError

PathLike = str | os.PathLike
_COPY_HEADER = "if it was drawn on the voxels of its scan, copy the scan's header to it (fslcpgeom)"
_IN_ORDER = [[0, 1], [1, 1], [2, 1]]


def align(path: PathLike, labels: StoredImage, first: PathLike) -> tuple[Volume, list[str]]:
    """The labels in ``path`` on the grid of a scan, with a list of what was done about their header.

    ``first``: the first image of the scan.

    Labels lie on the scan's voxels if no corner voxel is farther than a tenth of a voxel from the scan's; that is
    recorded from a hundredth of a voxel on. Axes in another order, or running the other way, are reordered. Labels are
    taken voxel by voxel if they lie where the form of the scan's header that is not used would place the scan (or the
    reverse), or if only the unit of their numbers differs. Nothing is interpolated. Raises :class:`UserError`, which
    says how the grids differ, for all else.
    """
    header, shape, affine = image_files.read_header(first)
    headers.check_sides(path, labels.header, f"{_COPY_HEADER}, or exclude the scan")
    repairs, _ = placement.conversion(labels.header)
    for lies, expected, reason in _placements(labels, header, affine):
        grid, turned = Grid(shape, expected), _reordered(labels.data, lies, expected)
        if turned.grid.matches(grid, images.ALMOST):
            if turned.data is not labels.data:
                repairs.append("axes reordered to those of the scan")
            if not turned.grid.matches(grid):
                repairs.append(f"{_mm(turned.grid.distance(grid))} from the scan's voxels; taken voxel by voxel")
            return Volume(turned.data, affine), [*repairs, *reason]
    headers.check_affine(path, labels.affine, "an affine")
    scan, turned = Grid(shape, affine), _reordered(labels.data, labels.affine, affine)
    if there := _other_space(path, first):
        raise UserError(
            f"{path} does not lie on the voxels of {first}: by its name it is in the space {there}; give labels in the "
            "scan's own space, or the scan in theirs."
        )
    if turned.grid.shape != shape:
        raise UserError(
            f"{path} has {_by(labels.data.shape)} voxels, but {first} has {_by(shape)}; resample it to the scan, with "
            "nearest neighbours."
        )
    raise UserError(
        f"{path} lies up to {_mm(turned.grid.distance(scan))} from the voxels of {first}; {_COPY_HEADER}, or else "
        "resample it to the scan, with nearest neighbours."
    )


def _placements(
    labels: StoredImage, header: nib.spatialimages.SpatialHeader, scan: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, list[str]]]:
    """Affines of labels and scan that may agree, with the sentence for the record: as read, then by less likely ones.

    ``header``, ``scan``: the scan's header and its affine.
    """
    yield labels.affine, scan, []
    for factor, name in ((1e3, "1000"), (1e-3, "0.001")):
        sentence = f"its numbers are {name} times those of the scan, so one of the units is wrong; taken voxel by voxel"
        yield labels.affine, scan * [[factor], [factor], [factor], [1]], [sentence]
    for whose, given in (("scan", header), ("labels", labels.header)):
        if isinstance(given, nib.Nifti1Header) and not placement.contradict(given):
            for name, form in list(placement.forms(given).items())[1:]:
                sentence = (
                    f"lies on the scan's voxels by the {name} of the {whose}, not by the sform; taken voxel by voxel"
                )
                yield *((labels.affine, form) if whose == "scan" else (form, scan)), [sentence]


def _other_space(labels: PathLike, first: PathLike) -> str | None:
    """The space (BIDS) in the name of labels, if it is neither the scan's nor that in the scan's name."""
    space, own = (bids_names.entities(Path(path)).get("space") for path in (labels, first))
    suffix = bids_names.stem(Path(first)).rpartition("_")[2]
    return None if space in (own, *bids_names.own_spaces(suffix)) else space


def _reordered(data: np.ndarray, affine: np.ndarray, wanted: np.ndarray) -> Volume:
    """An image with its axes in the order and directions of the affine ``wanted``; the same array if they were."""
    change = np.linalg.inv(wanted) @ affine if np.isfinite(wanted).all() else np.eye(4)
    axes = nib.io_orientation(change) if np.isfinite(change).all() else np.full((3, 2), np.nan)
    if np.isnan(axes).any() or np.array_equal(axes, _IN_ORDER):
        return Volume(data, affine)
    turned = nib.apply_orientation(data, axes)
    return Volume(turned, affine @ nib.orientations.inv_ornt_aff(axes, data.shape))


def _mm(distance: float) -> str:
    return f"{distance:.2g} mm" if distance < 10 else f"{distance:.0f} mm"


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in shape)
