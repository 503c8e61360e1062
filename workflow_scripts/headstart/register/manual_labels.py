"""Manual labels of registered scans, carried to template space; without ANTs, which takes seconds to import."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from headstart import images
from headstart.datasets import intake
from headstart.images import Grid, Volume


def target_labels(
    paths: Sequence[str | os.PathLike],
    first: str | os.PathLike,
    transform: np.ndarray,
    grid: Grid,
    values: Mapping[int, int],
    label_format: intake.LabelFormat,
) -> tuple[Volume, Volume]:
    """Read the manual labels of a scan, replace their values, and resample them to a grid in template space.

    Parameters
    ----------
    paths
        Files of the labels.
    first
        File of the scan's first image.
    transform
        (4, 4) from RAS+ mm of the template to RAS+ mm of the scan.
    grid
        Grid in template space.
    values
        New value of each label value; labels that are not listed become background.
    label_format
        How the files are read.

    Returns
    -------
    tuple of Volume
        The labels on the scan's grid and on ``grid``, both uint8.

    Raises
    ------
    UserError
        For what :func:`headstart.datasets.intake.read_classes` refuses.
    """
    native = intake.read_classes(paths, first, values, label_format)
    return native, images.resample_labels(native, grid, transform)
