"""Checks of each scan and its manual labels, before work is spent on them.

Faults that can be repaired without guessing are repaired on reading, in the same way wherever a scan is read, and
recorded; the others are refused in one sentence with the file and the remedy. docs/data.md has the table of faults.
"""

import dataclasses
import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from headstart import image_files, image_pairs, images, job
from headstart.datasets import alignment, headers, intensities, label_values
from headstart.images import Volume
from headstart.job import UserError, read_json

PathLike = str | os.PathLike


@dataclass(frozen=True)
class LabelFormat:
    """How the files of a scan's manual labels are read.

    masks: each file is a mask, and they are united; else there is one file, a label map.
    mask_above: value above which a mask is set; None for masks that have only 0 and one other value.
    """

    masks: bool
    mask_above: float | None


def check(scans: Sequence[Mapping], classes: Mapping[str, Sequence[int]]) -> list[dict]:
    """Check scans and their labels; one record per scan.

    ``scans``: rows with ``dataset``, ``subject``, ``first`` (path of the first image), ``labels`` (paths, or None where
    labels are not used), ``label_format`` (fields of :class:`LabelFormat`) and, if there are further images, ``images``
    (paths by name). A record has ``dataset``, ``subject``, ``scan`` (:func:`check_scan`), ``images`` and ``labels`` if
    there are any (:func:`check_image`, by name, and :func:`check_labels`), and ``files``: path, bytes and SHA-256 of
    each file as stored. Raises :class:`UserError` with one line per scan that must be repaired first.
    """
    records, refused = [], []
    for row in scans:
        record, others = {"dataset": row["dataset"], "subject": row["subject"]}, row.get("images", {})
        try:
            record["scan"] = check_scan(row["first"])
            if others:
                record["images"] = {name: check_image(path, record["scan"]) for name, path in others.items()}
            if row["labels"] is not None:
                label_format = LabelFormat(**row["label_format"])
                record["labels"] = check_labels(row["labels"], row["first"], classes, label_format)
        except UserError as error:
            refused.append(str(error))
        else:
            record["files"] = checksums([row["first"], *others.values(), *(row["labels"] or ())])
        records.append(record)
    if refused:
        raise UserError("\n".join(refused))
    return records


def checksums(paths: Sequence[PathLike]) -> list[dict]:
    """``file``, ``bytes`` and ``sha256`` of each file; an image in two files (.img and .hdr) has two rows."""
    files = [file for path in paths for file in (path, image_pairs.header_beside(path)) if file is not None]
    return [{"file": str(file), **job.checksum(file)} for file in files]


def read_records(paths: Sequence[PathLike]) -> dict[tuple[str, str], dict]:
    """The records of :func:`check` in JSON files, by dataset and subject."""
    return {(row["dataset"], row["subject"]): row for path in paths for row in read_json(path)}


def check_scan(first: PathLike) -> dict:
    """Check the first image of a scan; returns the part of the scan's record about it.

    Keys: ``file``, ``repairs`` and ``warnings`` (sentences), ``shape``, ``sha256`` of the voxels, and the metadata of
    :func:`headstart.datasets.headers.check`. Raises :class:`UserError` for what must be repaired first.
    """
    scan, repairs, warnings = intensities.repair(first, images.read(first, dtype=None))
    metadata, converted, differences = headers.check(first, scan.grid)
    return {
        "file": str(first),
        "repairs": repairs + converted,
        "warnings": differences + warnings,
        "shape": list(scan.data.shape),
        "sha256": fingerprint(scan),
        **metadata,
    }


def check_image(path: PathLike, first: Mapping) -> dict:
    """Check a further image of a scan like the first; returns the part of its record about the image.

    ``first``: what :func:`check_scan` returned for the first image. Raises :class:`UserError` also if both are the
    same.
    """
    record = check_scan(path)
    if record["sha256"] == first["sha256"]:
        raise UserError(
            f"{path} is the same image as the scan's first, {first['file']}; give the other image, or exclude the scan."
        )
    return record


def check_labels(
    paths: Sequence[PathLike], first: PathLike, classes: Mapping[str, Sequence[int]], label_format: LabelFormat
) -> dict:
    """Check the manual labels of the scan whose first image is ``first``; returns the part of its record about them.

    ``classes``: label values of each of the target's classes. Keys: ``files``, ``repairs`` and ``warnings``
    (sentences), ``label_voxels`` by class, and ``other_labels``, the number of voxels of each value that no class
    names. Raises :class:`UserError` for what must be repaired first.
    """
    labelled, repairs = read_labels(paths, first, label_format)
    voxels, others = _count_voxels(paths[0], labelled.data, classes)
    shares = {name: count / labelled.data.size for name, count in voxels.items()}
    vast = {name: share for name, share in shares.items() if share > label_values.MAX_SHARE}
    return {
        "files": [str(path) for path in paths],
        "repairs": repairs,
        "warnings": [
            *(f"no voxel of {name}" for name, count in voxels.items() if not count),
            *(
                f"{name} covers {100 * share:.1f} % of all voxels: is it the background?"
                for name, share in vast.items()
            ),
        ],
        "label_voxels": voxels,
        "other_labels": others,
    }


def read_image(path: PathLike) -> tuple[Volume, list[str]]:
    """Read an image of a scan as float32, with a list of repairs (:mod:`headstart.datasets.intensities`)."""
    return intensities.repair(path, images.read(path, dtype=None))[:2]


def read_labels(paths: Sequence[PathLike], first: PathLike, label_format: LabelFormat) -> tuple[Volume, list[str]]:
    """Read the manual labels of a scan as integers on its grid, with a list of repairs.

    ``paths``: one label map, or any number of masks, of which the result is 1 wherever one of them is set; ``first``:
    the first image of the scan. The type is int32, or int64 if the values need it. Raises :class:`UserError` if they do
    not lie on the scan's voxels (:func:`headstart.datasets.alignment.align`), and for values that labels or masks
    cannot have (:mod:`headstart.datasets.label_values`).
    """
    repairs, parts = [], []
    for path in paths:
        stored = image_files.read(path)
        if label_format.masks:
            whole, rounded = label_values.whole_mask(path, stored.data, label_format.mask_above)
        else:
            whole, rounded = label_values.whole_labels(path, stored)
        aligned, done = alignment.align(path, dataclasses.replace(stored, data=whole), first)
        parts.append(aligned)
        repairs += [f"labels: {sentence}" for sentence in done]
        if rounded:
            repairs.append(f"voxels of labels rounded: {rounded}")
    data = parts[0].data
    if label_format.masks:
        data = np.logical_or.reduce([part.data for part in parts]).astype(np.int32)
    return Volume(data, parts[0].affine), repairs


def read_classes(
    paths: Sequence[PathLike], first: PathLike, values: Mapping[int, int], label_format: LabelFormat
) -> Volume:
    """The manual labels of the scan ``first`` with the numbers of the target's classes, uint8, on its grid.

    ``values``: new value of each label value; others become background. Raises :class:`UserError` for what
    :func:`read_labels` refuses, and if no label is left.
    """
    labels, _ = read_labels(paths, first, label_format)
    merged = images.renumbered(labels.data, values)
    if not merged.any():
        raise UserError(f"{paths[0]} has none of the labels of the target's classes; check the target's classes.")
    return Volume(merged, labels.affine)


def class_numbers(classes: Mapping[str, Sequence[int]]) -> dict[int, int]:
    """The number of the class of each label value, for :func:`read_classes`: 1 for those of the first class, and so on.

    ``classes``: label values of each class.
    """
    return {value: number for number, values in enumerate(classes.values(), start=1) for value in values}


def labels_of_scans(
    paths: Sequence[PathLike], of_scans: Sequence[tuple[int, Mapping]]
) -> Iterator[tuple[list[PathLike], LabelFormat]]:
    """The label files of each scan, and how they are read.

    ``paths``: those of all scans, one after the other; ``of_scans``: number of files of each, and the fields of their
    :class:`LabelFormat`.
    """
    left = iter(paths)
    for count, label_format in of_scans:
        yield list(itertools.islice(left, count)), LabelFormat(**label_format)


def fingerprint(scan: Volume) -> str:
    """SHA-256 of a scan's voxels, whatever the order of its axes, its data type and its origin."""
    axes = nib.io_orientation(scan.affine)
    upright = np.ascontiguousarray(nib.apply_orientation(scan.data, axes), dtype="<f4")
    return hashlib.sha256(str(upright.shape).encode() + upright.tobytes()).hexdigest()


def check_duplicates(scans: Sequence[Mapping]) -> None:
    """Raise :class:`UserError` if the same image has two names.

    ``scans``: rows with ``dataset``, ``subject``, ``person``, ``file``, ``role`` and ``sha256``. Two datasets may share
    a scan of one person, for instance two entries for one folder, since splits are drawn by person. Any other duplicate
    would count twice, or, worse, be both trained on and tested.
    """
    known: dict[str, list[Mapping]] = {}
    for scan in scans:
        for other in known.setdefault(scan["sha256"], []):
            if scan["person"] != other["person"] or scan["dataset"] == other["dataset"]:
                if scan["subject"] == other["subject"] and scan["dataset"] == other["dataset"]:
                    raise UserError(
                        f"{other['file']} and {scan['file']}, two images of one scan, are the same; correct "
                        f"datasets.{scan['dataset']}.images and how it finds them, or replace one of the files."
                    )
                first, second = (f"{s['file']} ({s['role']})" for s in (other, scan))
                raise UserError(
                    f"{first} and {second} are the same image under two names; exclude one of them, for instance "
                    f"{scan['subject']} with datasets.{scan['dataset']}.exclude."
                )
        known[scan["sha256"]].append(scan)


def _count_voxels(
    path: PathLike, labels: np.ndarray, classes: Mapping[str, Sequence[int]]
) -> tuple[dict[str, int], dict[str, int]]:
    """Number of voxels of each class, and of each value that no class names."""
    if not labels.any():
        raise UserError(f"{path} is empty; add its labels, or exclude the scan.")
    voxels = {int(value): int(count) for value, count in zip(*np.unique(labels, return_counts=True), strict=True)}
    by_class = {name: sum(voxels.get(value, 0) for value in values) for name, values in classes.items()}
    if not any(by_class.values()):
        raise UserError(f"{path} has none of the labels of the target's classes; check the target's classes.")
    named = {0, *(value for values in classes.values() for value in values)}
    return by_class, {str(value): count for value, count in voxels.items() if value not in named}
