"""The ``ants`` back end, which needs only Python packages.

Three tissues by a model like FAST's (:mod:`headstart.label.tissue`), and the 15 structures of FSL's FIRST from atlases,
by deformable registration (:mod:`headstart.label.structures`).
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import version

import numpy as np

from headstart import images
from headstart.datasets import intake
from headstart.images import Grid, Volume
from headstart.job import UserError, one_line
from headstart.label.labels import Labels
from headstart.label.structures import structures
from headstart.label.tissue import tissue
from headstart.template.template import Template
from headstart.version import __version__


@dataclass(frozen=True)
class AntsLabelSettings:
    """How the back end works: some keys of the section ``label`` of the configuration.

    warp_mm, warp_iterations: for the structures, see :func:`headstart.label.structures.structures`.
    bias_mm, smoothness, steps: for the tissues, see :func:`headstart.label.tissue.tissue`.
    """

    warp_mm: float
    warp_iterations: Sequence[int]
    bias_mm: float
    smoothness: Sequence[float]
    steps: Sequence[int]

    @classmethod
    def of(cls, section: Mapping) -> "AntsLabelSettings":
        """Take the settings from the section ``label`` of the configuration."""
        return cls(**{field.name: section[field.name] for field in fields(cls)})


def label(
    path: str | os.PathLike,
    mask: Volume,
    transform: np.ndarray,
    template: Template,
    grid: Grid,
    settings: AntsLabelSettings,
    *,
    threads: int,
) -> Labels:
    """Label a T1 scan.

    Parameters
    ----------
    path
        File of the scan.
    mask
        Its brain mask in template space.
    transform
        (4, 4) from RAS+ mm of the template to RAS+ mm of the scan.
    template
        The template with its atlas of structures.
    grid
        Grid of the labels, in template space.
    settings
        How to label.
    threads
        Number of threads; with one, the result is the same in each run, byte for byte.

    Raises
    ------
    UserError
        If the file cannot be read as a T1 scan, or shows no three tissues.
    """
    scan, _ = intake.read_image(path)
    brain = images.resample_labels(mask, scan.grid, np.linalg.inv(transform))
    try:
        tissues = tissue(scan, brain, bias_mm=settings.bias_mm, smoothness=settings.smoothness, steps=settings.steps)
        deep = structures(
            scan,
            mask,
            transform,
            template,
            grid,
            warp_mm=settings.warp_mm,
            warp_iterations=settings.warp_iterations,
            threads=threads,
        )
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"{path}: {one_line(error)}; check the picture of its registration, or exclude the scan."
        ) from error
    return Labels(
        tissue=images.resample_labels(tissues, grid, transform),
        structures=deep,
        brain=images.resample_labels(mask, grid),
        made_by={
            "Backend": "ants",
            "BackendVersion": f"headstart {__version__}, picsl_greedy {version('picsl_greedy')}",
        },
    )
