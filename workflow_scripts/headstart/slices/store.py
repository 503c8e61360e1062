"""Slices on disk: memory-mapped ``.npy`` files of several scans, of which a job reads only the scans it needs.

Images are uint16 (N, H, W) with value ``round(65535 * x)`` for an intensity ``x`` in [0, 1]; labels are uint8
(N, H, W); presence labels are uint8 (N, C), 1 if slice n shows the c-th of :data:`headstart.slices.cut.PRESENCE_NAMES`.
N counts axial slices, scan after scan; an index beside each file lists the range of slices of each scan (``last`` is
excluded).
"""

import csv
import hashlib
import io
import itertools
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headstart.job import UserError, atomic, write_text

IMAGE = np.dtype(np.uint16)
LABEL = np.dtype(np.uint8)
SCALE = 65535

PathLike = str | os.PathLike


class SliceRange(NamedTuple):
    """The slices of one scan in a file of several: from ``first`` to ``last``, which is excluded."""

    path: PathLike
    first: int
    last: int


Slices = PathLike | SliceRange


def to_uint16(image: np.ndarray) -> np.ndarray:
    """Intensities in [0, 1] as they are stored: uint16, rounded to multiples of 1/65535."""
    return np.rint(np.asarray(image, np.float64) * SCALE).astype(IMAGE)


def write_image(path: PathLike, array: np.ndarray) -> None:
    """Write slices atomically; ``array`` (N, H, W) float in [0, 1], rounded to multiples of 1/65535."""
    if not np.all((array >= 0) & (array <= 1)):
        raise ValueError(f"{path}: intensities must lie in [0, 1] and be finite before they are stored")
    _write(path, to_uint16(array), "NHW")


def write_labels(path: PathLike, array: np.ndarray) -> None:
    """Write label slices atomically; ``array`` (N, H, W) of integers in [0, 255]."""
    if not np.issubdtype(array.dtype, np.integer) or (array.size and not 0 <= array.min() <= array.max() <= 255):
        raise ValueError(f"{path}: labels must be integers from 0 to 255 before they are stored")
    _write(path, array.astype(LABEL), "NHW")


def write_presence(path: PathLike, array: np.ndarray) -> None:
    """Write presence labels atomically; ``array`` (N, C) of 0 and 1."""
    if not np.isin(array, (0, 1)).all():
        raise ValueError(f"{path}: presence labels must be 0 or 1 before they are stored")
    _write(path, array.astype(LABEL), "NC")


def write_index(path: PathLike, subjects: Sequence[str], counts: Sequence[int]) -> None:
    """Write the index of a file of slices: the ``subjects`` in their order, with the number of slices of each."""
    ends = np.cumsum(counts)
    text = io.StringIO()
    rows = csv.writer(text, csv.excel_tab, lineterminator="\n")
    rows.writerow(("subject", "first", "last"))
    rows.writerows(zip(subjects, ends - counts, ends, strict=True))
    write_text(path, text.getvalue())


def find(indices: Sequence[PathLike], paths: Sequence[PathLike], subjects: Sequence[str]) -> list[SliceRange]:
    """Find the slices of ``subjects`` in the files ``paths``; ``indices`` are their indices, in the same order.

    Raises :class:`UserError` naming the first subject that is in none of them.
    """
    found = {}
    for index, path in zip(indices, paths, strict=True):
        # By the csv module: every training reads an index, and pandas alone takes 0.3 s to import.
        with open(index, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, dialect=csv.excel_tab):
                found[row["subject"]] = SliceRange(path, int(row["first"]), int(row["last"]))
    for subject in subjects:
        if subject not in found:
            raise UserError(f"{subject} has no slices in {', '.join(map(str, indices))}; delete these and run again.")
    return [found[subject] for subject in subjects]


def find_images(indices: Sequence[PathLike], paths: Sequence[PathLike], subjects: Sequence[str]) -> list[SliceRange]:
    """The slices of ``subjects`` in each image, one image after the other.

    ``paths``: files of the first image in the order of ``indices``, then those of the second, ... See :func:`find`.
    """
    images = [paths[start : start + len(indices)] for start in range(0, len(paths), len(indices))]
    return [found for image in images for found in find(indices, image, subjects)]


def of_scans(paths: Sequence[Slices], positions: Sequence[int], scans: int) -> list[Slices]:
    """Those of the slices of ``scans`` scans, in one image after the other, whose scans have these positions."""
    return [paths[start + position] for start in range(0, len(paths), scans) for position in positions]


def read(where: Slices) -> np.ndarray:
    """Memory-map slices, (N, H, W) uint16 (images) or uint8 (labels), or (N, C) uint8 (presence), read-only.

    ``where``: a file, or a scan in it. Raises :class:`UserError` naming the file if it is missing, truncated, or not
    such an array.
    """
    path, *rows = where if isinstance(where, SliceRange) else (where,)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; make the slices first (snakemake slice).") from None
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path} is damaged or truncated ({error}); delete it and make the slices again.") from error
    if (array.dtype, array.ndim) not in ((IMAGE, 3), (LABEL, 3), (LABEL, 2)):
        raise UserError(
            f"{path} holds {array.dtype} of shape {array.shape}, not uint16 or uint8 of shape (N, H, W), or uint8 of "
            "shape (N, C); delete it and make the slices again."
        )
    return array[slice(*rows)] if rows else array


class SliceArray:
    """Slices of several scans as one array (sum of N, ...), in the order given; only the slices indexed are read.

    Raises :class:`UserError` if there is no scan, or if the slices of one differ from the first one's in type or size.
    """

    def __init__(self, paths: Sequence[Slices]) -> None:
        if not paths:
            raise UserError("there is no scan to read slices from; check the split's table and the set size.")
        self._scans = [read(path) for path in paths]
        first = self._scans[0]
        for path, scan in zip(paths, self._scans, strict=True):
            if scan.dtype != first.dtype or scan.shape[1:] != first.shape[1:]:
                raise UserError(
                    f"{_file(path)} holds {scan.dtype} slices of {scan.shape[1:]}, but {_file(paths[0])} {first.dtype} "
                    f"of {first.shape[1:]}; make both with the same settings."
                )
        self.lengths = [len(scan) for scan in self._scans]
        self._ends = np.cumsum(self.lengths)
        self.dtype = first.dtype
        self.shape = (int(self._ends[-1]), *first.shape[1:])
        self.nbytes = int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Read the slices with these numbers into memory."""
        numbers = np.arange(len(self))[rows]
        found = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        places = np.searchsorted(self._ends, numbers, "right")
        for place in np.unique(places):
            here = places == place
            first = self._ends[place] - len(self._scans[place])
            found[here] = self._scans[place][numbers[here] - first]
        return found

    def rows(self, place: int) -> np.ndarray:
        """Numbers of the slices of the scan with the index ``place``."""
        return np.arange(self._ends[place] - len(self._scans[place]), self._ends[place])


def join_pairs(
    image_paths: Sequence[Slices], label_paths: Sequence[Slices], images: int = 1
) -> tuple[SliceArray, SliceArray]:
    """Images (N, H, W) uint16 with their labels (N, H, W), or presence labels (N, C), uint8; nothing is read yet.

    ``images``: of each scan, whose slices are given one image after the other. Raises :class:`UserError` naming the
    pair of files that differ in shape, or the file with the wrong type.
    """
    if len(image_paths) != images * len(label_paths):
        raise UserError(f"{len(image_paths)} image files were given with {len(label_paths)} label files; pair them.")
    for image_path, label_path in zip(image_paths, itertools.cycle(label_paths), strict=False):
        _check_pair(image_path, label_path)
    return SliceArray(image_paths), SliceArray(label_paths)


def join_files(
    files: Sequence[int], image_paths: Sequence[Slices], label_paths: Sequence[Slices]
) -> tuple[SliceArray | None, SliceArray | None]:
    """Images and labels, as :func:`join_pairs` joins them, of the files with these indices; None where there are none.

    ``image_paths`` or ``label_paths`` may be empty.
    """
    images, labels = ([paths[file] for file in files] if paths else [] for paths in (image_paths, label_paths))
    if images and labels:
        return join_pairs(images, labels)
    return SliceArray(images) if images else None, SliceArray(labels) if labels else None


def fingerprint(paths: Sequence[Slices]) -> str:
    """SHA-256 of the names and contents of files, or of the slices of scans, in the order given; for provenance."""
    digest = hashlib.sha256()
    for path in paths:
        if not isinstance(path, SliceRange):
            digest.update(f"{Path(path).name}\0".encode())
        digest.update(_digest(path, os.stat(_file(path)).st_mtime_ns))
    return digest.hexdigest()


@cache
def _digest(where: Slices, changed: int) -> bytes:
    """SHA-256 of a file, or of a scan's slices in it; ``changed`` is the time of its last change, for the cache.

    One job needs it more than once for the same data: its resamples share scans, and its state and result record it.
    """
    if isinstance(where, SliceRange):
        return hashlib.sha256(np.ascontiguousarray(read(where))).digest()
    with open(where, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _write(path: PathLike, array: np.ndarray, axes: str) -> None:
    if array.ndim != len(axes):
        raise ValueError(f"{path}: slices must have shape ({', '.join(axes)}), not {array.shape}")
    with atomic(path) as partial, open(partial, "wb") as file:
        np.save(file, array)  # an open file: given a name, np.save may append ".npy" to it


def _file(where: Slices) -> PathLike:
    return where.path if isinstance(where, SliceRange) else where


def _check_pair(image_path: Slices, label_path: Slices) -> None:
    image, labels = read(image_path), read(label_path)
    for path, array, dtype in ((image_path, image, IMAGE), (label_path, labels, LABEL)):
        if array.dtype != dtype:
            raise UserError(f"{_file(path)} holds {array.dtype}, not {dtype}; were images and labels swapped?")
    if labels.shape != (image.shape if labels.ndim == 3 else (len(image), labels.shape[1])):
        raise UserError(
            f"{_file(image_path)} has shape {image.shape} but its labels {_file(label_path)} {labels.shape}; "
            "make the slices of both again."
        )
