"""Slices on disk: one memory-mappable ``.npy`` a scan, so that no job holds more than the scans it asks for.

Images are uint16 (N, H, W) with value ``round(65535 * x)`` for an intensity ``x`` in [0, 1]; labels are uint8
(N, H, W); presence labels are uint8 (N, C), 1 where slice n shows the c-th of :data:`headstart.slices.PRESENT`.
N counts axial slices.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from headstart.job import UserError, atomic

IMAGE = np.dtype(np.uint16)
LABEL = np.dtype(np.uint8)
SCALE = 65535

PathLike = str | os.PathLike


def whole_numbers(image: np.ndarray) -> np.ndarray:
    """Intensities in [0, 1] as they are stored: uint16, kept to 1/65535."""
    return np.rint(np.asarray(image, np.float64) * SCALE).astype(IMAGE)


def write_image(path: PathLike, array: np.ndarray) -> None:
    """Write a scan's slices atomically; ``array`` (N, H, W) float in [0, 1], kept to 1/65535."""
    if not np.all((array >= 0) & (array <= 1)):
        raise ValueError(f"{path}: intensities must lie in [0, 1] and be finite before they are stored")
    _write(path, whole_numbers(array), "NHW")


def write_labels(path: PathLike, array: np.ndarray) -> None:
    """Write a scan's label slices atomically; ``array`` (N, H, W) of integers in [0, 255]."""
    if not np.issubdtype(array.dtype, np.integer) or (array.size and not 0 <= array.min() <= array.max() <= 255):
        raise ValueError(f"{path}: labels must be integers from 0 to 255 before they are stored")
    _write(path, array.astype(LABEL), "NHW")


def write_presence(path: PathLike, array: np.ndarray) -> None:
    """Write what a scan's slices show atomically; ``array`` (N, C) of 0 and 1."""
    if not np.isin(array, (0, 1)).all():
        raise ValueError(f"{path}: presence labels must be 0 or 1 before they are stored")
    _write(path, array.astype(LABEL), "NC")


def read(path: PathLike) -> np.ndarray:
    """Memory-map one scan's slices, (N, H, W) uint16 (images) or uint8 (labels), or (N, C) uint8 (presence), read-only.

    Raises :class:`UserError` naming the file if it is missing, cut short, or not such an array.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; make the slices first (snakemake slice).") from None
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path} is damaged or cut short ({error}); delete it and make the slices again.") from error
    if (array.dtype, array.ndim) not in ((IMAGE, 3), (LABEL, 3), (LABEL, 2)):
        raise UserError(
            f"{path} holds {array.dtype} of shape {array.shape}, not uint16 or uint8 of shape (N, H, W), or uint8 of "
            "shape (N, C); delete it and make the slices again."
        )
    return array


def gather(paths: Sequence[PathLike]) -> np.ndarray:
    """Read the given scans' slices, and only theirs, into one array (sum of N, H, W) in the order given.

    Raises :class:`UserError` if there is no scan, or naming the first scan whose slices have another type or size
    than the first one's.
    """
    if not paths:
        raise UserError("no scan was given to read slices of; check the split's table and the set size.")
    return _joined(paths, [read(path) for path in paths])


def gather_pairs(image_paths: Sequence[PathLike], label_paths: Sequence[PathLike]) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W) uint16 and labels (N, H, W), or presence (N, C), uint8 of the given scans, slice by slice.

    Raises :class:`UserError` naming the pair of files that disagree in shape, or the file with the wrong type.
    """
    if len(image_paths) != len(label_paths):
        raise UserError(f"{len(image_paths)} image files were given with {len(label_paths)} label files; pair them.")
    for image_path, label_path in zip(image_paths, label_paths, strict=True):
        _check_pair(image_path, label_path)
    return gather(image_paths), gather(label_paths)


def fingerprint(paths: Sequence[PathLike]) -> str:
    """SHA-256 of the files' names and contents, in the order given: says what data a network has seen."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{Path(path).name}\0".encode())
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _write(path: PathLike, array: np.ndarray, axes: str) -> None:
    if array.ndim != len(axes):
        raise ValueError(f"{path}: slices must have shape ({', '.join(axes)}), not {array.shape}")
    with atomic(path) as partial, open(partial, "wb") as file:
        np.save(file, array)  # an open file: given a name, np.save may append ".npy" to it


def _joined(paths: Sequence[PathLike], scans: list[np.ndarray]) -> np.ndarray:
    first = scans[0]
    for path, scan in zip(paths, scans, strict=True):
        if scan.dtype != first.dtype or scan.shape[1:] != first.shape[1:]:
            raise UserError(
                f"{path} holds {scan.dtype} slices of {scan.shape[1:]}, but {paths[0]} {first.dtype} of "
                f"{first.shape[1:]}; make both with the same settings."
            )
    return np.concatenate(scans)


def _check_pair(image_path: PathLike, label_path: PathLike) -> None:
    image, labels = read(image_path), read(label_path)
    for path, array, dtype in ((image_path, image, IMAGE), (label_path, labels, LABEL)):
        if array.dtype != dtype:
            raise UserError(f"{path} holds {array.dtype}, not {dtype}; were images and labels swapped?")
    if labels.shape != (image.shape if labels.ndim == 3 else (len(image), labels.shape[1])):
        raise UserError(
            f"{image_path} has shape {image.shape} but its labels {label_path} {labels.shape}; "
            "make the slices of both again."
        )
