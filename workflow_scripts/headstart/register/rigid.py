"""Registration of a further image of a person, such as a FLAIR beside a T1, to the first, by a rotation and a shift.

The image is aligned with the first in the space of that and sampled once, on the study's grid: the rigid matrix and the
affine of the first image (:mod:`headstart.register.affine`) are composed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from headstart import images
from headstart.datasets import intake
from headstart.images import Volume
from headstart.job import UserError
from headstart.register import ants, brain_extraction, image_quality
from headstart.register.affine import RegistrationSettings, read_scan, scaled

# The metric sees the brain and what is within this distance of it: the brain's outline is a good part of what two
# contrasts have in common. Without it, two of eight registrations of stripped scans failed with few samples.
_AROUND_MM = 4
# ANTs takes every n-th voxel. Of few voxels, as many as an edge is long may lie between two, and all fall on one face.
_SAMPLING_RATE = 0.12


@dataclass(frozen=True)
class AlignedImage:
    """A further image of a person in template space.

    ``image``: float32 in [0, 1] on the study's grid; ``transform``: (4, 4) from RAS+ mm of the first image to RAS+
    mm of this; ``itk``: its inverse as the bytes of an ITK ``.mat`` file, with which ITK resamples the first to this;
    ``stripped``: whether the image shows no skull; ``quality``: its measures for the table of further images.
    """

    image: Volume
    transform: np.ndarray
    itk: bytes
    stripped: bool
    quality: Mapping[str, float]


@dataclass(frozen=True)
class _Reference:
    """The image to which others are registered; ``brain`` and ``near`` (the brain and around it): uint8 on its grid."""

    image: Volume
    brain: Volume
    near: Volume


def align(
    path: str | os.PathLike,
    first: str | os.PathLike,
    brain: Volume,
    transform: np.ndarray,
    settings: RegistrationSettings,
    *,
    threads: int,
) -> AlignedImage:
    """Register a further image to the first of the same person and resample it to the study's grid.

    Parameters
    ----------
    path, first
        Files of the image and of the first one.
    brain
        Brain mask of the registered first image, on the study's grid.
    transform
        (4, 4) from RAS+ mm of the template to RAS+ mm of the first image.
    settings
        How to register.
    threads
        Number of threads; with one, the result is the same in each run, byte for byte.

    Raises
    ------
    UserError
        For what :func:`headstart.datasets.intake.check_scan` refuses, before any work; if no start gives a
        registration, or the image has one intensity in the whole head.
    """
    image = read_scan(path)
    reference = _reference(intake.read_image(first)[0], brain, transform, settings.voxel_mm)
    moving = images.resample(image, image.grid.coarsened(settings.voxel_mm))
    try:
        matrix, quality = _register(reference, moving, transform, settings, threads)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    there = images.resample(image, brain.grid, matrix @ transform)
    if not (there.data[brain.data > 0] > 0).any():
        raise UserError(f"{path} does not show the brain of {first}; check that they are of one person, or exclude it.")
    return AlignedImage(
        image=scaled(path, there, brain, settings.percentiles, "give an image, or exclude the scan"),
        transform=matrix,
        itk=ants.itk_bytes(np.linalg.inv(matrix)),
        stripped=brain_extraction.is_stripped(there, brain.data > 0),
        quality=quality,
    )


def _reference(first: Volume, brain: Volume, transform: np.ndarray, voxel_mm: float) -> _Reference:
    """The first image at the resolution of registration, with its brain, carried back from the study's grid."""
    coarse = images.resample(first, first.grid.coarsened(voxel_mm))
    own = images.resample_labels(brain, coarse.grid, np.linalg.inv(transform))
    near = ndimage.distance_transform_edt(own.data == 0, sampling=coarse.grid.spacing) <= _AROUND_MM
    (box,) = ndimage.find_objects(near.astype(np.uint8))
    corner = coarse.affine @ [*(side.start for side in box), 1]
    affine = np.column_stack([coarse.affine[:, :3], corner])
    return _Reference(*(Volume(data[box], affine) for data in (coarse.data, own.data, near.astype(np.uint8))))


def _register(
    reference: _Reference, moving: Volume, transform: np.ndarray, settings: RegistrationSettings, threads: int
) -> tuple[np.ndarray, dict[str, float]]:
    """The matrix from the first image to this one, and its measures.

    Two starts: the headers as they are, since both images are usually of one session, and the centres of mass, for
    headers that disagree. The one that ends at the higher similarity is taken.
    """
    starts, failed = [np.eye(4), _centres(reference.image, moving)], []
    ends = []
    for start in starts:
        try:
            ends.append(_from(start, reference, moving, settings, threads))
        except UserError as error:  # a start at which the images do not even overlap
            failed.append(error)
    if not ends:
        raise failed[0]

    def similarity(matrix: np.ndarray) -> float:
        return image_quality.similarity(reference.image, moving, reference.brain, matrix)

    best = max(ends, key=similarity)
    mirrored = _from(best @ _mirror(reference.brain, transform), reference, moving, settings, threads)
    found = similarity(best)
    return best, {
        **image_quality.movement(reference.brain, best),
        "similarity": found,
        "mirrored": (similarity(mirrored) - 1) / max(found - 1, np.finfo(float).eps),
        "covered": image_quality.covered(reference.brain, moving.grid, best),
        "starts_apart_mm": image_quality.apart_mm(reference.brain, ends[0], ends[-1]) if not failed else None,
    }


def _from(
    start: np.ndarray, reference: _Reference, moving: Volume, settings: RegistrationSettings, threads: int
) -> np.ndarray:
    """The matrix from the first image to this one, of which ``start`` (4, 4) is a first guess."""
    placed = Volume(moving.data, np.linalg.inv(start) @ moving.affine)
    return start @ ants.rigid(
        reference.image,
        placed,
        reference.near,
        shrink=settings.shrink,
        iterations=settings.iterations,
        sampling_rate=_SAMPLING_RATE,
        threads=threads,
    )


def _centres(fixed: Volume, moving: Volume) -> np.ndarray:
    """The shift, (4, 4), between the centres of mass of two images whose air is 0."""
    shift = np.eye(4)
    first, second = (volume.affine @ [*ndimage.center_of_mass(np.abs(volume.data)), 1] for volume in (fixed, moving))
    shift[:3, 3] = (second - first)[:3]
    return shift


def _mirror(brain: Volume, transform: np.ndarray) -> np.ndarray:
    """The reflection, (4, 4), of the first image's space that exchanges left and right of the brain."""
    normal = transform[:3, 0] / np.linalg.norm(transform[:3, 0])
    middle = image_quality.points(brain).mean(axis=1)[:3]
    mirror = np.eye(4)
    mirror[:3, :3] -= 2 * np.outer(normal, normal)
    mirror[:3, 3] = 2 * normal * (normal @ middle)
    return mirror
