"""The ``ants`` back end, with what pip installs.

N4 bias correction (Tustison 2010), three tissues by a Markov random field with expectation
maximisation (Atropos, Avants 2011: the model class of FSL's FAST, Zhang 2001) started from the template's tissue maps,
and the 15 structures of FSL's FIRST carried over from the atlas by a deformable registration.
"""

import os
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from headstart import ants_bridge, images, intake
from headstart.images import Grid, Volume
from headstart.label import Labels
from headstart.label.structures import structures
from headstart.template import Template


def label(
    path: str | os.PathLike,
    mask: Volume,
    transform: np.ndarray,
    template: Template,
    grid: Grid,
    working_grid: Grid,
    *,
    warp_mm: float = 1.0,
    warp_iterations: Sequence[int] = (100, 60, 30),
    prior_weight: float = 0.1,
    smoothness: float = 0.1,
    iterations: int = 5,
    threads: int = 1,
) -> Labels:
    """Label the T1 scan in ``path``, given its brain ``mask`` and ``transform`` in template space.

    The work is done on ``working_grid`` (template space), the labels are returned on ``grid``. ``warp_mm``: voxel
    size at which the atlas is deformed onto the scan, in ``warp_iterations`` steps at 4, 2 and 1 times that size.
    ``prior_weight``, ``smoothness``, ``iterations``: see :func:`headstart.ants_bridge.tissues`.
    """
    inside = images.resample_labels(mask, working_grid)
    native, _ = intake.read_t1(path)
    scan = images.resample(native, working_grid, transform)
    scan = Volume(_without_outliers(scan.data, inside.data > 0), scan.affine)
    scan = ants_bridge.correct_bias(scan, inside, threads=threads)
    priors = [images.resample(prior, working_grid) for prior in (template.csf, template.gm, template.wm)]
    tissue = ants_bridge.tissues(
        scan, inside, priors, prior_weight=prior_weight, smoothness=smoothness, iterations=iterations, threads=threads
    )
    return Labels(
        tissue=images.resample_labels(tissue, grid),
        structures=structures(
            native,
            mask,
            transform,
            template,
            grid,
            warp_mm=warp_mm,
            warp_iterations=warp_iterations,
            threads=threads,
        ),
        brain=images.resample_labels(mask, grid),
        made_by={"Backend": "ants", "BackendVersion": f"antspyx {version('antspyx')}"},
    )


def _without_outliers(data: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The brain alone, clipped at its 0.5th and 99.5th percentile: bright outliers else take a class of their own."""
    low, high = np.percentile(data[inside], (0.5, 99.5))
    return np.where(inside, np.clip(data, low, high), 0).astype(np.float32)
