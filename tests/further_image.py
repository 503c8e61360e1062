"""A synthetic person with a T1 and a FLAIR, which lies elsewhere, for tests of the registration of further images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ellipsoids import ellipsoids
from scipy.spatial.transform import Rotation
from settings_of import recipe

from headstart import images
from headstart.images import Grid, Volume
from headstart.phantom.subject import Subject, make_subject
from headstart.template.template import grid

# Signals of what is outside the brain, CSF, grey matter and white matter in FLAIR, relative to the T1's white matter.
_FLAIR = np.array([0, 0.12, 0.75, 0.6], np.float32)
_NOISE = 0.03


@dataclass(frozen=True)
class Person:
    """A subject, the file of their T1, and what registration would tell of it: brain mask on a grid, and the affine."""

    subject: Subject
    t1w: Path
    brain: Volume
    transform: np.ndarray


def make_person(folder: Path, seed: int, voxel_mm: float = 2, space_mm: float = 4) -> Person:
    """A person from a seed, whose T1 has voxels of ``voxel_mm``; the brain mask has voxels of ``space_mm``.

    The warp is strong: the template is symmetric, and left and right must differ.
    """
    subject = make_subject(ellipsoids(), recipe(voxel_mm=(voxel_mm, voxel_mm), warp_mm=10), seed)
    transform = np.linalg.inv(subject.mapping.affine)
    path = folder / f"{seed}_T1w.nii.gz"
    images.write(path, subject.first, np.int16)
    return Person(subject, path, images.resample_labels(subject.brain, grid(space_mm), transform), transform)


def motion(person: Person, rotation_deg: tuple, shift_mm: tuple) -> np.ndarray:
    """(4, 4) in RAS+ mm: a rotation about the centre of the brain, then a shift."""
    return movement_about(brain_points(person).mean(axis=1)[:3], rotation_deg, shift_mm)


def movement_about(middle: np.ndarray, rotation_deg: tuple, shift_mm: tuple) -> np.ndarray:
    """(4, 4) in RAS+ mm: a rotation about the point ``middle`` (3,), then a shift."""
    moved = np.eye(4)
    moved[:3, :3] = Rotation.from_euler("xyz", rotation_deg, degrees=True).as_matrix()
    moved[:3, 3] = middle + shift_mm - moved[:3, :3] @ middle
    return moved


def brain_points(person: Person) -> np.ndarray:
    """(4, N) homogeneous RAS+ mm of the brain's voxels."""
    voxels = np.argwhere(person.subject.brain.data)
    return person.subject.brain.affine @ np.c_[voxels, np.ones(len(voxels))].T


def flair(person: Person, moved: np.ndarray, voxel_mm: tuple = (1.5, 1.5, 4.5)) -> Volume:
    """A FLAIR of a person, who has ``moved`` (4, 4), in axial slices that cover the brain with some space around it."""
    subject = person.subject
    outside = 0.3 * subject.first.data / np.percentile(subject.first.data, 98)
    signal = np.where(subject.brain.data > 0, _FLAIR[subject.tissue.data], outside).astype(np.float32)
    there = Volume(signal, moved @ subject.first.affine)
    corners = (moved @ brain_points(person))[:3]
    low, high = corners.min(axis=1) - 12, corners.max(axis=1) + 12
    affine = np.diag([*voxel_mm, 1.0])
    affine[:3, 3] = low
    scanned = images.resample(there, Grid(tuple(np.ceil((high - low) / voxel_mm).astype(int)), affine))
    noise = np.random.default_rng(5).normal(0, _NOISE, scanned.data.shape)
    return Volume(np.maximum(1000 * (scanned.data + noise), 0).astype(np.float32), scanned.affine)
