"""What a back end returns: the labels of one scan, and how they are written."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart import images, job
from headstart.images import Volume


@dataclass(frozen=True)
class Labels:
    """Labels on the study's grid, all uint8.

    ``tissue``: 0 background, 1 CSF, 2 GM, 3 WM; ``structures``: the values of FSL's FIRST; ``brain``: 1 in the brain as
    the back end sees it. ``made_by``: metadata for their sidecars: ``Backend``, ``BackendVersion`` and, of command
    line tools, ``CommandLines``.
    """

    tissue: Volume
    structures: Volume
    brain: Volume
    made_by: Mapping[str, object]


def choose_backend(choice: str, fsl_installed: bool) -> str:
    """The back end for a choice in the configuration: ``auto`` is ``fsl`` if that is installed, else ``ants``."""
    if choice != "auto":
        return choice
    return "fsl" if fsl_installed else "ants"


def write(labels: Labels, paths: Sequence[str | os.PathLike], sidecars: Sequence[str | os.PathLike]) -> None:
    """Write tissue, structures and brain, in this order, each with a JSON sidecar about its origin (BIDS)."""
    volumes = (labels.tissue, labels.structures, labels.brain)
    for volume, path, sidecar in zip(volumes, paths, sidecars, strict=True):
        images.write(path, volume, np.uint8)
        job.write_json(sidecar, {**labels.made_by, "Manual": False})
