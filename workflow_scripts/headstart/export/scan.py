"""One scan's images and manual labels on one grid, that of its first image, in files that all programs read alike."""

import os
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np

from headstart import image_files, images, placement
from headstart.datasets import headers, intensities
from headstart.image_files import StoredImage
from headstart.images import Grid, Volume

PathLike = str | os.PathLike
# The file of the labels, beside those of the images.
LABELS = "labels"
SUFFIX = ".nii.gz"
# nnU-Net compares the voxel sizes of image and labels with this relative tolerance.
_SAME_SIZE = 1e-5


def write(
    folder: PathLike, named: Mapping[str, PathLike], transforms: Mapping[str, np.ndarray], labels: Volume
) -> dict[str, str]:
    """Write a scan's images and labels to a folder.

    Parameters
    ----------
    folder
        Where to; a new folder.
    named
        File of each image by name.
    transforms
        Of the images that are not on the grid of the labels: (4, 4) from RAS+ mm of the first image to RAS+ mm of the
        image.
    labels
        Numbers of the target's classes, uint8 on the grid of the first image.

    Returns
    -------
    dict
        How the file of each image was made: ``linked``, which keeps every byte; ``converted``, with the repairs of
        :mod:`headstart.datasets.intensities`, where other programs would read the file otherwise than headstart; or
        ``resampled`` to the grid of the labels. The latter two are float32.
    """
    made = {}
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, path in named.items():
        file, stored = Path(folder, name + SUFFIX), image_files.read(path)
        image, repairs, _ = intensities.repair(path, Volume(stored.data, stored.affine))
        if name in transforms:
            made[name] = "resampled"
            images.write(file, images.resample(image, labels.grid, transforms[name]), np.float32)
        elif not repairs and _has_one_meaning(path, stored):
            made[name] = "linked"
            # Not through job.atomic, which would set the permissions of the scan itself.
            file.symlink_to(os.path.abspath(path))
        else:
            made[name] = "converted"
            images.write(file, image, np.float32)
    images.write(Path(folder, LABELS + SUFFIX), labels, np.uint8)
    return made


def _has_one_meaning(path: PathLike, stored: StoredImage) -> bool:
    """Whether every program finds the voxels of a file where headstart does: a packed, three-dimensional NIfTI image.

    Its header has no fault, and what places the voxels is the same wherever it says so.
    """
    header, grid = stored.header, Grid(stored.data.shape, stored.affine)
    if not (os.fspath(path).endswith(SUFFIX) and isinstance(header, nib.Nifti1Header) and header["dim"][0] == 3):
        return False
    _, repairs, warnings = headers.check(path, grid)
    forms = (Grid(grid.shape, form) for form in placement.forms(header).values())
    return (
        not (repairs or warnings)
        and np.allclose(header["pixdim"][1:4], grid.spacing, rtol=_SAME_SIZE, atol=0)
        and all(form.matches(grid) for form in forms)
    )
