"""Registration of a scan to MNI space, by one affine and one interpolation.

Zoetmulder 2022, section 3.2: scans are reoriented and resampled to the MNI-ICBM 152 template; intensities above the
99th and below the 1st percentile are clipped, then scaled to [0, 1].
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from headstart import images
from headstart.datasets import headers, intake
from headstart.images import Grid, Volume
from headstart.job import UserError
from headstart.register import ants, brain_extraction

# Labels of a larger share of the brain are not lesions.
_MAX_LESION_SHARE = 0.5


@dataclass(frozen=True)
class RegistrationSettings:
    """How scans are registered: the section ``register`` of the configuration without ``threads``.

    percentiles: of the intensities of the head's voxels, between which intensities are clipped.
    voxel_mm: size of the voxels on which the affine is estimated.
    shrink, iterations: shrink factor and number of iterations of each resolution level, coarse to fine.
    sampling_rate: share of the voxels on which the metric is evaluated.
    """

    percentiles: Sequence[float]
    voxel_mm: float
    shrink: Sequence[int]
    iterations: Sequence[int]
    sampling_rate: float

    @classmethod
    def of(cls, section: Mapping) -> "RegistrationSettings":
        """Take the settings from the section ``register`` of the configuration."""
        return cls(**{field.name: section[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class RegisteredScan:
    """A scan in template space.

    ``image``: float32 in [0, 1] on the study's grid; ``brain``: uint8 on the same grid; ``transform``: (4, 4) from
    RAS+ mm of the template to RAS+ mm of the scan; ``itk``: the same as the bytes of an ITK ``.mat`` file;
    ``quality``: its measures for the quality table.
    """

    image: Volume
    brain: Volume
    transform: np.ndarray
    itk: bytes
    quality: dict[str, float | bool | None]


def register(
    path: str | os.PathLike,
    template: Volume,
    template_brain: Volume,
    grid: Grid,
    settings: RegistrationSettings,
    *,
    threads: int,
    lesion: Volume | None = None,
) -> RegisteredScan:
    """Register the first image of a scan to the template and resample it, with its skull, to a grid in template space.

    The affine is estimated from the brain alone, since the template has no skull, at a resolution that is lower than
    the scan's but costs no accuracy. Its metric, mutual information, does not need the contrast of the template's T1.

    Parameters
    ----------
    path
        File of the scan.
    template, template_brain
        T1 image of the template, brain only, and its brain mask.
    grid
        Grid of the result.
    settings
        How to register.
    threads
        Number of threads; with one, the result is the same in each run, byte for byte.
    lesion
        Labels on the scan's grid; voxels where they are not 0 are left out of the metric.

    Raises
    ------
    UserError
        For what :func:`headstart.datasets.intake.check_scan` refuses, before any work; if no brain is found, the lesion
        covers most of it, or it is registered to a place outside the template.
    """
    scan = read_scan(path)
    try:
        mask, stripped = brain_extraction.extract(scan, threads)
        transform, itk = _estimate(scan, mask, template, settings, lesion, threads)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    image = images.resample(scan, grid, transform)
    mask_on_grid = images.resample_labels(mask, grid, transform)
    if not mask_on_grid.data.any():
        raise UserError(f"{path}: registration put its brain outside the template; exclude the scan.")
    return RegisteredScan(
        image=scaled(path, image, mask_on_grid, settings.percentiles, "give the scan itself, or exclude it"),
        brain=mask_on_grid,
        transform=transform,
        itk=itk,
        quality={
            **_quality(image, mask_on_grid, template, template_brain, transform),
            "brain_native_ml": float(mask.data.sum() * mask.grid.voxel_ml),
            "stripped": stripped,
        },
    )


def read_scan(path: str | os.PathLike) -> Volume:
    """An image as float32; raises :class:`UserError` for what :func:`headstart.datasets.intake.check_scan` refuses."""
    image, _ = intake.read_image(path)
    headers.check(path, image.grid)
    return image


def scaled(path: str | os.PathLike, image: Volume, brain: Volume, percentiles: Sequence[float], remedy: str) -> Volume:
    """A registered image, clipped and scaled to [0, 1] between two percentiles of its head; float32.

    ``brain``: mask on its grid. Raises :class:`UserError` with the file ``path`` and the ``remedy`` if it has one
    intensity in the whole head.
    """
    head = brain_extraction.head(image, brain)
    if np.ptp(np.percentile(image.data[head], percentiles)) == 0:
        raise UserError(f"{path} has one intensity in the whole head, like a mask; {remedy}.")
    return Volume(rescale(image.data, head, percentiles), image.affine)


def _estimate(
    scan: Volume, mask: Volume, template: Volume, settings: RegistrationSettings, lesion: Volume | None, threads: int
) -> tuple[np.ndarray, bytes]:
    """The affine from the template to a scan whose brain mask is ``mask``, see :func:`headstart.register.ants.affine`.

    Raises :class:`UserError`, to which the caller adds the file's name.
    """
    brain = Volume(scan.data * mask.data, scan.affine)
    coarse = brain.grid.coarsened(settings.voxel_mm)
    return ants.affine(
        images.resample(template, template.grid.coarsened(settings.voxel_mm)),
        images.resample(brain, coarse),
        moving_mask=None if lesion is None else images.resample_labels(_healthy(lesion, mask), coarse),
        shrink=settings.shrink,
        iterations=settings.iterations,
        sampling_rate=settings.sampling_rate,
        threads=threads,
    )


def _healthy(lesion: Volume, brain: Volume) -> Volume:
    """Mask of all voxels without lesion, uint8; the caller adds the file's name to its :class:`UserError`."""
    inside = brain.data > 0
    share = np.count_nonzero(inside & (lesion.data > 0)) / np.count_nonzero(inside)
    if share > _MAX_LESION_SHARE:
        raise UserError(
            f"{100 * share:.0f} % of its brain is labelled, which leaves too little for registration; remove "
            "mask_lesions from the dataset's entry."
        )
    return Volume((lesion.data == 0).astype(np.uint8), lesion.affine)


def rescale(data: np.ndarray, voxels: np.ndarray, percentiles: Sequence[float]) -> np.ndarray:
    """Clip to two percentiles of ``data[voxels]`` and scale these to [0, 1]; float32."""
    low, high = np.percentile(data[voxels], percentiles)
    return ((np.clip(data, low, high) - low) / (high - low)).astype(np.float32)


def _quality(
    image: Volume, mask: Volume, template: Volume, template_brain: Volume, transform: np.ndarray
) -> dict[str, float | None]:
    """Measures that reveal a failed registration."""
    reference = images.resample(template, image.grid).data
    expected = images.resample_labels(template_brain, image.grid).data > 0
    found = mask.data > 0
    correlation = float(np.corrcoef((image.data * found).ravel(), reference.ravel(), dtype=np.float32)[0, 1])
    return {
        "template_correlation": None if np.isnan(correlation) else correlation,
        "brain_dice": float(2 * (expected & found).sum() / (expected.sum() + found.sum())),
        "brain_ml": float(found.sum() * image.grid.voxel_ml * np.linalg.det(transform)),
        "determinant": float(np.linalg.det(transform)),
    }
