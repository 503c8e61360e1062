"""Stage 2, register: a scan is brought to MNI space by one affine and one interpolation.

Zoetmulder 2022, section 3.2: scans are reoriented and resampled to the MNI-ICBM 152 template; intensities above the
99th and below the 1st percentile are clipped, then scaled to [0, 1].
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart import ants_bridge, brain, images
from headstart.images import Grid, Volume
from headstart.job import UserError


@dataclass(frozen=True)
class Registered:
    """A scan in template space.

    ``t1``: float32 in [0, 1] on the study's grid; ``brain``: uint8 on the same grid; ``transform``: (4, 4) from
    RAS+ mm of the template to RAS+ mm of the scan; ``itk``: the same as the bytes of an ITK ``.mat`` file;
    ``quality``: what the quality table shows.
    """

    t1: Volume
    brain: Volume
    transform: np.ndarray
    itk: bytes
    quality: dict[str, float | bool]


def read_scan(path: str | os.PathLike) -> Volume:
    """Read a T1 scan, float32; raises :class:`UserError` if it holds no picture."""
    scan = images.read(path)
    if not np.isfinite(scan.data).all():
        raise UserError(f"{path} has voxels that are not numbers; convert it again from its source.")
    if scan.data.min() == scan.data.max():
        raise UserError(f"{path} has the same value everywhere; convert it again, or exclude the scan.")
    return scan


def register(
    path: str | os.PathLike,
    template: Volume,
    template_brain: Volume,
    grid: Grid,
    *,
    percentiles: tuple[float, float] = (1, 99),
    voxel_mm: float = 2,
    shrink: Sequence[int] = (4, 2, 1),
    iterations: Sequence[int] = (1000, 500, 200),
    sampling_rate: float = 0.05,
    threads: int = 1,
) -> Registered:
    """Register the T1 scan in ``path`` to the template and resample it, skull and all, to ``grid``.

    ``template``, ``template_brain``: its T1 image, brain only, and its brain mask. The brain alone steers the affine,
    since the template has no skull; both are brought to ``voxel_mm`` for it, which costs nothing in accuracy.
    ``percentiles`` are those of the head's voxels between which intensities are clipped. ``shrink``, ``iterations``,
    ``sampling_rate``: see :func:`headstart.ants_bridge.affine`.
    """
    scan = read_scan(path)
    try:
        mask, stripped = brain.extract(scan, threads)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    alone = Volume(scan.data * mask.data, scan.affine)
    transform, itk = ants_bridge.affine(
        images.resample(template, template.grid.coarsened(voxel_mm)),
        images.resample(alone, alone.grid.coarsened(voxel_mm)),
        shrink=shrink,
        iterations=iterations,
        sampling_rate=sampling_rate,
        threads=threads,
    )
    t1 = images.resample(scan, grid, transform)
    mask_on_grid = images.resample_labels(mask, grid, transform)
    return Registered(
        t1=Volume(rescale(t1.data, brain.head(t1, mask_on_grid), percentiles), grid.affine),
        brain=mask_on_grid,
        transform=transform,
        itk=itk,
        quality=_quality(t1, mask_on_grid, template, template_brain, transform) | {"stripped": stripped},
    )


def rescale(data: np.ndarray, voxels: np.ndarray, percentiles: tuple[float, float]) -> np.ndarray:
    """Clip to the percentiles of ``data[voxels]`` and scale these to [0, 1]; float32."""
    low, high = np.percentile(data[voxels], percentiles)
    return ((np.clip(data, low, high) - low) / (high - low)).astype(np.float32)


def target_labels(
    paths: Sequence[str | os.PathLike],
    scan_path: str | os.PathLike,
    transform: np.ndarray,
    grid: Grid,
    values: Mapping[int, int],
    *,
    masks: bool = False,
) -> Volume:
    """Bring a manual label map to ``grid``, uint8, its values changed by ``values``; others become background.

    ``paths``: one label map, or with ``masks`` any number of masks, which are one label map together: 1 where any of
    them is above zero. Raises :class:`UserError` when the labels do not lie on their scan's grid.
    """
    scan_grid = images.read(scan_path).grid
    stored = [images.read(path, dtype=None) for path in paths]
    for path, labels in zip(paths, stored, strict=True):
        if not labels.grid.matches(scan_grid):
            raise UserError(f"{path} does not lie on the grid of {scan_path}; resample it to the scan.")
    data = np.logical_or.reduce([labels.data > 0 for labels in stored]) if masks else stored[0].data
    merged = np.zeros(data.shape, np.uint8)
    for value, target in values.items():
        merged[data == value] = target
    if not merged.any():
        raise UserError(f"{paths[0]} holds none of the labels that the target asks for; check the target's classes.")
    return images.resample_labels(Volume(merged, scan_grid.affine), grid, transform)


def _quality(
    t1: Volume, mask: Volume, template: Volume, template_brain: Volume, transform: np.ndarray
) -> dict[str, float]:
    """Numbers by which a failed registration shows."""
    reference = images.resample(template, t1.grid).data
    expected = images.resample_labels(template_brain, t1.grid).data > 0
    found = mask.data > 0
    return {
        "template_correlation": float(np.corrcoef((t1.data * found).ravel(), reference.ravel())[0, 1]),
        "brain_dice": float(2 * (expected & found).sum() / (expected.sum() + found.sum())),
        "brain_ml": float(found.sum() * t1.grid.voxel_ml * np.linalg.det(transform)),
        "determinant": float(np.linalg.det(transform)),
    }
