"""Stage 2, register: a scan is brought to MNI space by one affine and one interpolation.

Zoetmulder 2022, section 3.2: scans are reoriented and resampled to the MNI-ICBM 152 template; intensities above the
99th and below the 1st percentile are clipped, then scaled to [0, 1].
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart import images
from headstart.datasets import headers, intake
from headstart.images import Grid, Volume
from headstart.job import UserError
from headstart.register import ants, brain_extraction

# Share of the brain beyond which labels are taken for no lesions.
_MOST_LESION = 0.5


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
    quality: dict[str, float | bool | None]


def register(
    path: str | os.PathLike,
    template: Volume,
    template_brain: Volume,
    grid: Grid,
    *,
    lesion: Volume | None = None,
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
    ``lesion``: labels on the scan's grid; where they are not 0, the scan has no say in the affine.
    ``percentiles`` are those of the head's voxels between which intensities are clipped. ``shrink``, ``iterations``,
    ``sampling_rate``: see :func:`headstart.register.ants.affine`. Raises :class:`UserError` for what
    :func:`headstart.datasets.intake.check_scan` refuses, before any work.
    """
    scan, _ = intake.read_t1(path)
    headers.check(path, scan.grid)
    try:
        mask, stripped = brain_extraction.extract(scan, threads)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    alone = Volume(scan.data * mask.data, scan.affine)
    coarse = alone.grid.coarsened(voxel_mm)
    transform, itk = ants.affine(
        images.resample(template, template.grid.coarsened(voxel_mm)),
        images.resample(alone, coarse),
        moving_mask=None if lesion is None else images.resample_labels(_healthy(path, lesion, mask), coarse),
        shrink=shrink,
        iterations=iterations,
        sampling_rate=sampling_rate,
        threads=threads,
    )
    t1 = images.resample(scan, grid, transform)
    mask_on_grid = images.resample_labels(mask, grid, transform)
    if not mask_on_grid.data.any():
        raise UserError(f"{path}: registration put its brain outside the template; exclude the scan.")
    return Registered(
        t1=Volume(rescale(t1.data, brain_extraction.head(t1, mask_on_grid), percentiles), grid.affine),
        brain=mask_on_grid,
        transform=transform,
        itk=itk,
        quality={
            **_quality(t1, mask_on_grid, template, template_brain, transform),
            "brain_native_ml": float(mask.data.sum() * mask.grid.voxel_ml),
            "stripped": stripped,
        },
    )


def _healthy(path: str | os.PathLike, lesion: Volume, brain: Volume) -> Volume:
    """Mask of all that is not lesion."""
    inside = brain.data > 0
    share = np.count_nonzero(inside & (lesion.data > 0)) / np.count_nonzero(inside)
    if share > _MOST_LESION:
        raise UserError(
            f"{path}: {100 * share:.0f} % of its brain is labelled, which leaves too little to register it by; remove "
            "mask_lesions from the dataset's entry."
        )
    return Volume((lesion.data == 0).astype(np.uint8), lesion.affine)


def rescale(data: np.ndarray, voxels: np.ndarray, percentiles: tuple[float, float]) -> np.ndarray:
    """Clip to the percentiles of ``data[voxels]`` and scale these to [0, 1]; float32."""
    low, high = np.percentile(data[voxels], percentiles)
    return ((np.clip(data, low, high) - low) / (high - low)).astype(np.float32)


def target_labels(
    paths: Sequence[str | os.PathLike],
    t1w: str | os.PathLike,
    transform: np.ndarray,
    grid: Grid,
    values: Mapping[int, int],
    *,
    masks: bool = False,
    mask_above: float | None = None,
) -> tuple[Volume, Volume]:
    """The manual labels of the scan ``t1w``, uint8, as they are and brought to ``grid``, values changed by ``values``.

    Values that are not among these become background. ``paths``, ``masks``, ``mask_above``: see
    :func:`headstart.datasets.intake.read_labels`.
    """
    labels, _ = intake.read_labels(paths, t1w, masks=masks, mask_above=mask_above)
    merged = np.zeros(labels.data.shape, np.uint8)
    for value, target in values.items():
        merged[labels.data == value] = target
    if not merged.any():
        raise UserError(f"{paths[0]} holds none of the labels that the target asks for; check the target's classes.")
    native = Volume(merged, labels.affine)
    return native, images.resample_labels(native, grid, transform)


def _quality(
    t1: Volume, mask: Volume, template: Volume, template_brain: Volume, transform: np.ndarray
) -> dict[str, float | None]:
    """Numbers by which a failed registration shows."""
    reference = images.resample(template, t1.grid).data
    expected = images.resample_labels(template_brain, t1.grid).data > 0
    found = mask.data > 0
    correlation = float(np.corrcoef((t1.data * found).ravel(), reference.ravel(), dtype=np.float32)[0, 1])
    return {
        "template_correlation": None if np.isnan(correlation) else correlation,
        "brain_dice": float(2 * (expected & found).sum() / (expected.sum() + found.sum())),
        "brain_ml": float(found.sum() * t1.grid.voxel_ml * np.linalg.det(transform)),
        "determinant": float(np.linalg.det(transform)),
    }
