"""The ``ants`` back end, with what pip installs.

Three tissues by FAST's model class (:mod:`headstart.label.tissue`), and the 15 structures of FSL's FIRST carried over
from the atlases by a deformable registration (:mod:`headstart.label.structures`).
"""

import os
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from headstart import images
from headstart.datasets import intake
from headstart.images import Grid, Volume
from headstart.job import UserError
from headstart.label.labels import Labels
from headstart.label.structures import structures
from headstart.label.tissue import tissue
from headstart.template.template import Template
from headstart.version import __version__


def label(
    path: str | os.PathLike,
    mask: Volume,
    transform: np.ndarray,
    template: Template,
    grid: Grid,
    *,
    warp_mm: float = 1.0,
    warp_iterations: Sequence[int] = (100, 60, 30),
    bias_mm: float = 40.0,
    smoothness: Sequence[float] = (0.02, 0.1),
    steps: Sequence[int] = (8, 4),
    threads: int = 1,
) -> Labels:
    """Label the T1 scan in ``path``, given its brain ``mask`` in template space, on ``grid`` in template space.

    ``transform``: (4, 4) from RAS+ mm of the template to the scan's. ``warp_mm``: voxel size at which the atlases are
    deformed onto the scan, in ``warp_iterations`` steps at 4, 2 and 1 times that size. ``bias_mm``, ``smoothness``,
    ``steps``: see :func:`headstart.label.tissue.tissue`, which works on the scan's own voxels. Raises
    :class:`UserError` naming the file if it shows no three tissues.
    """
    scan, _ = intake.read_t1(path)
    brain = images.resample_labels(mask, scan.grid, np.linalg.inv(transform))
    try:
        tissues = tissue(scan, brain, bias_mm=bias_mm, smoothness=smoothness, steps=steps)
    except ValueError as error:
        raise UserError(f"{path}: {error}; look at its picture of registration, or list it under `exclude`.") from error
    return Labels(
        tissue=images.resample_labels(tissues, grid, transform),
        structures=structures(
            scan,
            mask,
            transform,
            template,
            grid,
            warp_mm=warp_mm,
            warp_iterations=warp_iterations,
            threads=threads,
        ),
        brain=images.resample_labels(mask, grid),
        made_by={
            "Backend": "ants",
            "BackendVersion": f"headstart {__version__}, picsl_greedy {version('picsl_greedy')}",
        },
    )
