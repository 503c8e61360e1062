"""Pictures of scans: three planes through a volume, with outlines or labels over it."""

import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap

from headstart.images import Volume
from headstart.job import atomic

# Okabe and Ito's colours, distinguishable with colour blindness.
COLOURS = ["#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999"]
_UNDATED = {".png": {"Software": None}, ".svg": {"Date": None}}
_PLANES = ("sagittal", "coronal", "axial")


def registration(
    path: str | os.PathLike, t1: Volume, outline: Volume, further: Sequence[tuple[Volume, Volume]] = ()
) -> None:
    """A registered scan with the outline of the template's brain: where they disagree, registration failed.

    ``further``: further images of the scan, each with the brain mask of the T1, in one row each below it.
    """
    rows = [(t1, outline), *further]
    figure, axes = plt.subplots(len(rows), 3, figsize=(9, 3.4 * len(rows)), squeeze=False)
    for row, (image, mask) in zip(axes, rows, strict=True):
        for axis, plane, scan, brain in zip(row, _PLANES, _planes(image.data), _planes(mask.data), strict=True):
            _show(axis, scan, plane)
            axis.contour(brain.T, levels=[0.5], colors=COLOURS[5], linewidths=0.8)
    mark_sides(axes[0, 2])
    save_all(figure, [path])


def labels(path: str | os.PathLike, t1: Volume, maps: Sequence[Volume], through: Volume | None = None) -> None:
    """A scan, and below it one row per label map, coloured over the scan.

    ``through``: a label map; the planes shown are those with the most of its labels, if it has any.
    """
    at = None if through is None else _largest_cuts(through.data > 0)
    figure, axes = plt.subplots(len(maps) + 1, 3, figsize=(9, 3.2 * (len(maps) + 1)), squeeze=False)
    for row, labelled in zip(axes, [None, *maps], strict=True):
        for index, (axis, plane) in enumerate(zip(row, _PLANES, strict=True)):
            _show(axis, _planes(t1.data, at)[index], plane if labelled is None else "")
            if labelled is not None:
                overlay(axis, _planes(labelled.data, at)[index].T, np.unique(labelled.data[labelled.data > 0]))
    mark_sides(axes[0, 2])
    save_all(figure, [path])


def overlay(axis: plt.Axes, labelled: np.ndarray, values: Sequence[int]) -> None:
    """Draw the labels of a slice (rows, columns) over the axes, coloured by their position in ``values``."""
    shown = np.ma.masked_where(~np.isin(labelled, values), np.searchsorted(values, labelled) % len(COLOURS))
    axis.imshow(
        shown, origin="lower", cmap=ListedColormap(COLOURS), vmin=-0.5, vmax=len(COLOURS) - 0.5,
        alpha=0.55, interpolation="nearest",
    )  # fmt: skip


def mark_sides(axis: plt.Axes) -> None:
    """Mark the subject's left and right on an axial plane: with RAS+ axes, left is at the left of the picture."""
    for x, side in ((0.04, "L"), (0.92, "R")):
        axis.text(x, 0.9, side, transform=axis.transAxes, color="white", fontsize=9)


def save_all(figure: plt.Figure, paths: Sequence[str | os.PathLike]) -> None:
    """Write a figure to each path, in the format of its suffix, and close it."""
    for path in paths:
        # A fixed salt and no date make equal figures byte-identical.
        with atomic(path) as partial, matplotlib.rc_context({"svg.hashsalt": "headstart"}):
            figure.savefig(partial, dpi=110, bbox_inches="tight", metadata=_UNDATED[Path(path).suffix])
    plt.close(figure)


def _planes(data: np.ndarray, at: Sequence[int] | None = None) -> list[np.ndarray]:
    """Three planes of a RAS+ volume in template space, at the given indices or through the deep grey matter."""
    x, y, z = at or (int(n * part) for n, part in zip(data.shape, (0.4, 0.5, 0.42), strict=True))
    return [data[x], data[:, y], data[:, :, z]]


def _largest_cuts(mask: np.ndarray) -> list[int] | None:
    """Along each axis, the index of the plane with the most voxels of a mask; None if the mask is empty."""
    others = ((1, 2), (0, 2), (0, 1))
    return [int(np.argmax(mask.sum(axis=axes))) for axes in others] if mask.any() else None


def _show(axis: plt.Axes, plane: np.ndarray, title: str) -> None:
    axis.imshow(plane.T, origin="lower", cmap="gray", interpolation="nearest")
    axis.set_title(title, fontsize=9)
    axis.set_axis_off()
