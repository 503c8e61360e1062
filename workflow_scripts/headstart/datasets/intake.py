"""Stage 1, datasets: each scan and its labels are looked at before work is spent on them.

What can be mended without guessing is mended in reading, the same way wherever a scan is read, and recorded; what
cannot is one sentence with the file and the remedy. docs/data.md has the table of faults.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from headstart import images, job
from headstart.datasets import headers
from headstart.images import Volume
from headstart.job import UserError, read_json

PathLike = str | os.PathLike
# Share of a scan's voxels that may be no numbers.
_FEW = 0.01
# How far a mask or a label may be from a whole value: what arithmetic in single precision leaves.
_DUST = 1e-3


def check(scans: Sequence[Mapping], classes: Mapping[str, Sequence[int]]) -> list[dict]:
    """Look at scans and their labels; a record a scan.

    ``scans``: rows with ``dataset``, ``subject``, ``t1w``, ``labels`` (paths, or None where labels are of no use) and
    ``how`` these are read (keywords of :func:`read_labels`). A record names ``dataset`` and ``subject`` and holds
    ``scan`` (:func:`check_scan`), where there are labels ``labels`` (:func:`check_labels`), and ``files``: path, bytes
    and SHA-256 of each file as it lies. Raises
    :class:`UserError` with a line for each scan that must be mended first.
    """
    records, refused = [], []
    for row in scans:
        record = {"dataset": row["dataset"], "subject": row["subject"]}
        try:
            record["scan"] = check_scan(row["t1w"])
            if row["labels"] is not None:
                record["labels"] = check_labels(row["labels"], row["t1w"], classes, **row["how"])
        except UserError as error:
            refused.append(str(error))
        else:
            record["files"] = checksums([row["t1w"], *(row["labels"] or ())])
        records.append(record)
    if refused:
        raise UserError("\n".join(refused))
    return records


def checksums(paths: Sequence[PathLike]) -> list[dict]:
    """``file``, ``bytes`` and ``sha256`` of each file; an image in two files (.img and .hdr) has a row for each."""
    pairs = [[path, Path(path).with_suffix(".hdr")] if Path(path).suffix == ".img" else [path] for path in paths]
    return [{"file": str(path), **job.checksum(path)} for pair in pairs for path in pair]


def read_records(paths: Sequence[PathLike]) -> dict[tuple[str, str], dict]:
    """The records of :func:`check` in JSON files, by dataset and subject."""
    return {(row["dataset"], row["subject"]): row for path in paths for row in read_json(path)}


def check_scan(t1w: PathLike) -> dict:
    """Look at a T1 scan; what was found, for its record.

    Keys: ``file``, ``repairs`` and ``warnings`` (sentences), ``shape``, ``sha256`` of the voxels, and those of
    :func:`headstart.datasets.headers.check`. Raises :class:`UserError` for what must be mended first.
    """
    scan, repairs = read_t1(t1w)
    metadata, converted, warnings = headers.check(t1w, scan.grid)
    return {
        "file": str(t1w),
        "repairs": repairs + converted,
        "warnings": warnings + _wrapped(scan.data),
        "shape": list(scan.data.shape),
        "sha256": fingerprint(scan),
        **metadata,
    }


def check_labels(
    paths: Sequence[PathLike],
    t1w: PathLike,
    classes: Mapping[str, Sequence[int]],
    *,
    masks: bool = False,
    mask_above: float | None = None,
) -> dict:
    """Look at the manual labels of the T1 scan ``t1w``; what was found, for their record.

    ``classes``: label values of each of the target's classes; ``masks``, ``mask_above``: see :func:`read_labels`.
    Keys: ``files``, ``repairs`` and ``warnings`` (sentences), ``label_voxels`` by class, and ``other_labels``, the
    voxels of each value that no class names. Raises :class:`UserError` for what must be mended first.
    """
    labelled, repairs = read_labels(paths, t1w, masks=masks, mask_above=mask_above)
    voxels, others = _counted(paths[0], labelled.data, classes)
    return {
        "files": [str(path) for path in paths],
        "repairs": repairs,
        "warnings": [f"no voxel of {name}" for name, count in voxels.items() if not count],
        "label_voxels": voxels,
        "other_labels": others,
    }


def read_t1(path: PathLike) -> tuple[Volume, list[str]]:
    """Read a T1 scan, float32, and say what was repaired: single voxels that are no numbers become 0.

    Raises :class:`UserError` if it holds no picture.
    """
    scan = images.read(path)
    bad = int(np.count_nonzero(~np.isfinite(scan.data)))
    if bad > _FEW * scan.data.size:
        raise UserError(
            f"{path} has {100 * bad / scan.data.size:.1f} % of voxels that are not numbers; convert it again from its "
            "source, or exclude the scan."
        )
    if bad:
        scan = Volume(np.nan_to_num(scan.data, nan=0, posinf=0, neginf=0), scan.affine)
    if scan.data.size == 0 or scan.data.min() == scan.data.max():
        raise UserError(f"{path} has the same value everywhere; convert it again, or exclude the scan.")
    return scan, [f"voxels that were not numbers set to 0: {bad}"] if bad else []


def read_labels(
    paths: Sequence[PathLike], t1w: PathLike, *, masks: bool = False, mask_above: float | None = None
) -> tuple[Volume, list[str]]:
    """Read the manual labels of the scan ``t1w``, int32 on its grid, and say what was rounded.

    ``paths``: one label map, or with ``masks`` any number of masks, which are one label map together: 1 wherever one of
    them is set. A mask has 0 and one other value, or is set above ``mask_above``. Raises :class:`UserError` for
    another grid than the scan's, and for values between those that labels or masks can have.
    """
    scan = images.read(t1w).grid
    repairs, parts = [], []
    for path in paths:
        stored = images.read(path, dtype=None)
        if not stored.grid.matches(scan):
            raise UserError(f"{path} does not lie on the grid of {t1w}; resample it to the scan.")
        if not np.isfinite(stored.data).all():
            raise UserError(f"{path} has voxels that are not numbers; set them to 0.")
        if masks and mask_above is not None:
            parts.append(stored.data > mask_above)
            continue
        whole, dust = _whole_mask(path, stored.data) if masks else _whole_labels(path, stored.data)
        parts.append(whole)
        if dust:
            repairs.append(f"voxels of labels rounded: {dust}")
    data = np.logical_or.reduce(parts) if masks else parts[0]
    return Volume(data.astype(np.int32), scan.affine), repairs


def fingerprint(scan: Volume) -> str:
    """SHA-256 of a scan's voxels, the same however its axes are stored, whatever its type, and wherever it lies."""
    axes = nib.io_orientation(scan.affine)
    upright = np.ascontiguousarray(nib.apply_orientation(scan.data, axes), dtype="<f4")
    return hashlib.sha256(str(upright.shape).encode() + upright.tobytes()).hexdigest()


def check_twins(scans: Sequence[Mapping]) -> None:
    """Raise :class:`UserError` if one image stands under two names.

    ``scans``: rows with ``dataset``, ``subject``, ``person``, ``file``, ``role`` and ``sha256``. Two datasets may share
    a scan of one person, as entries of one folder do (splits know the person); else an image would count twice, or,
    worse, be learnt from and tested.
    """
    known: dict[str, list[Mapping]] = {}
    for scan in scans:
        for twin in known.setdefault(scan["sha256"], []):
            if scan["person"] != twin["person"] or scan["dataset"] == twin["dataset"]:
                first, second = (f"{s['file']} ({s['role']})" for s in (twin, scan))
                raise UserError(
                    f"{first} and {second} are one image under two names; exclude one of them, for instance "
                    f"{scan['subject']} with datasets.{scan['dataset']}.exclude."
                )
        known[scan["sha256"]].append(scan)


def _whole_mask(path: PathLike, data: np.ndarray) -> tuple[np.ndarray, int]:
    """A mask's set voxels, and how many voxels were rounded for it."""
    share = data / max(float(data.max(initial=0)), 1e-12)
    off = np.abs(share - (share > 0.5))
    if between := int(np.count_nonzero(off > _DUST)):
        raise UserError(
            f"{path} is no mask: {between} voxels are neither 0 nor its highest value {data.max():g}; say from which "
            "value on it is set, with mask_above in the dataset's entry."
        )
    return share > 0.5, int(np.count_nonzero(off))


def _whole_labels(path: PathLike, data: np.ndarray) -> tuple[np.ndarray, int]:
    """A label map's whole values, and how many voxels were rounded for it."""
    if data.dtype.kind != "f":
        return data, 0
    whole = np.rint(data)
    off = np.abs(data - whole)
    if between := int(np.count_nonzero(off > _DUST)):
        raise UserError(
            f"{path} is no label map: {between} voxels are not whole numbers; resample it with nearest neighbours."
        )
    return whole, int(np.count_nonzero(off))


def _counted(
    path: PathLike, labels: np.ndarray, classes: Mapping[str, Sequence[int]]
) -> tuple[dict[str, int], dict[str, int]]:
    """Voxels of each class, and of each value that no class names."""
    if not labels.any():
        raise UserError(f"{path} is empty; add its labels, or exclude the scan.")
    voxels = {int(value): int(count) for value, count in zip(*np.unique(labels, return_counts=True), strict=True)}
    found = {name: sum(voxels.get(value, 0) for value in values) for name, values in classes.items()}
    if not any(found.values()):
        raise UserError(f"{path} holds none of the labels that the target asks for; check the target's classes.")
    named = {0, *(value for values in classes.values() for value in values)}
    return found, {str(value): count for value, count in voxels.items() if value not in named}


def _wrapped(data: np.ndarray) -> list[str]:
    """A word on negative values far beyond noise, as integers too small for a scan's brightness leave them."""
    low = data < -0.1 * np.percentile(data, 99)
    if low.mean() > 1e-3:
        return [
            f"{100 * low.mean():.1f} % of voxels far below zero (down to {data.min():g}): integers that overflowed?"
        ]
    return []
