"""The MNI152NLin2009aSym template and its anatomical labels, which :mod:`headstart.template.atlases` builds."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headstart import images
from headstart.images import Grid, Volume

SPACE = "MNI152NLin2009aSym"

# Values of FSL FIRST, the same as FreeSurfer's.
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
    uint16 with FreeSurfer's values, the cortical parcels of each side merged (3 left, 42 right).
    """

    t1: Volume
    brain: Volume
    csf: Volume
    gm: Volume
    wm: Volume
    structures: Volume
    parcellation: Volume


def load(folder: str | os.PathLike) -> Template:
    """Read a template written by :func:`write`."""
    return Template(**{key: read(folder, key) for key in FILES})


def read(folder: str | os.PathLike, key: str) -> Volume:
    """Read one image of a template written by :func:`write`; ``key`` is its name in :class:`Template`."""
    return images.read(Path(folder) / FILES[key], _DTYPES.get(key, np.float32))


def write(template: Template, folder: str | os.PathLike) -> None:
    """Write the template's images under the names of :data:`FILES`."""
    for key, name in FILES.items():
        images.write(Path(folder) / name, getattr(template, key), _DTYPES.get(key, np.float32))


def grid(voxel_mm: float) -> Grid:
    """The template's grid: 197 x 233 x 189 voxels at 1 mm, or coarser."""
    affine = np.eye(4)
    affine[:3, 3] = (-98, -134, -72)
    return Grid((197, 233, 189), affine).coarsened(voxel_mm)
