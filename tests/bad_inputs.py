"""All known faults of scans and labels: ``make bad-inputs`` writes an example of each and prints what headstart says.

The tests of intake use the same examples.
"""

import argparse
import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np

from headstart.datasets import intake
from headstart.datasets.intake import LabelFormat
from headstart.job import UserError

CLASSES = {"lesion": [1]}
AFFINE = np.array([[6.0, 0, 0, -60], [0, 6, 0, -70], [0, 0, 6, -50], [0, 0, 0, 1]])
MM, METRES, MICROMETRES = 2, 1, 3


def head(shape=(20, 24, 18)):
    """A bright ball with a gradient, int16: few voxels, but the size of a head at 6 mm."""
    place = np.moveaxis(np.indices(shape), 0, -1) / (np.array(shape) - 1) * 2 - 1
    inside = np.linalg.norm(place, axis=-1) < 0.8
    return (inside * (400 + 300 * place[..., 0] + 200 * place[..., 2])).astype(np.int16)


def lesion(shape=(20, 24, 18)):
    mask = np.zeros(shape, np.uint8)
    mask[6:9, 10:14, 8:11] = 1
    return mask


def write(path, data, affine=AFFINE, sform=1, qform=1, units=MM, **fields):
    """Write a NIfTI image and then overwrite fields of its header, with any values."""
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, sform)
    image.set_qform(affine, qform)
    image.header["xyzt_units"] = units
    content = bytearray(image.to_bytes())
    header = np.ndarray((), nib.nifti1.header_dtype, buffer=content)
    for name, value in fields.items():
        header[name] = value
    Path(path).write_bytes(gzip.compress(bytes(content), 1, mtime=0))


@dataclass(frozen=True)
class Case:
    """A faulty input: functions that write its T1 and its labels, if these matter, and what headstart says about it.

    ``message``: part of the error, or of a repair or a warning in its record; None if there is no message.
    """

    name: str
    message: str | None
    t1w: Callable[[Path], None] = lambda path: write(path, head())
    labels: Callable[[Path], None] | None = None
    label_format: dict = field(default_factory=lambda: {"masks": False, "mask_above": None})

    def make(self, folder: Path) -> tuple[Path, list[Path]]:
        """Write the input into a folder of its own; returns the paths of its T1 and labels."""
        (folder / self.name).mkdir(parents=True, exist_ok=True)
        t1w, labels = (folder / self.name / f"{suffix}.nii.gz" for suffix in ("T1w", "labels"))
        self.t1w(t1w)
        if self.labels is None:
            return t1w, []
        self.labels(labels)
        return t1w, [labels]

    @property
    def read_as(self) -> LabelFormat:
        """The format of its labels."""
        return LabelFormat(**self.label_format)


def with_voxels(value, share, dtype=np.float32):
    """A head with ``value`` in a share of its voxels."""
    data = head().astype(dtype)
    data.ravel()[: max(1, int(share * data.size))] = value
    return data


def scaled(factor):
    return np.diag([factor, factor, factor, 1]) @ AFFINE


def truncated(path):
    write(path, head() + np.random.default_rng(0).integers(0, 9, (20, 24, 18), np.int16))
    path.write_bytes(path.read_bytes()[:2000])


def t1(*args, **fields):
    return lambda path: write(path, *args, **fields)


MIRRORED = np.diag([-1.0, 1, 1, 1]) @ AFFINE
COLOUR = np.zeros((20, 24, 18), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
SHIFTED = AFFINE + [[0, 0, 0, 12], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
GRADED = lesion() * np.linspace(0, 255, 18).astype(np.uint8)
ROUNDED = lesion() * np.float32(0.9999) + np.float32(1e-7)
FLAT, NOT_FINITE = AFFINE * [[1], [1], [0], [1]], AFFINE * np.nan
MASK = {"masks": True, "mask_above": None}

REFUSED = [
    Case("truncated", "cannot be read as an image", truncated),
    Case("not-an-image", "cannot be read as an image", lambda path: path.write_text("not an image")),
    Case("empty-file", "cannot be read as an image", lambda path: path.write_bytes(b"")),
    Case("absent", "does not exist", lambda path: path.unlink(missing_ok=True)),
    Case("intercept-nan", "cannot be read as an image", t1(head(), scl_slope=2, scl_inter=np.nan)),
    Case("colour", "not one number per voxel", t1(COLOUR)),
    Case("series", "has 4 dimensions, not 3", t1(np.stack([head()] * 2, -1))),
    Case("two-dimensional", "has 2 dimensions, not 3", t1(head()[:, :, 9])),
    Case("one-slice", "not that of a head", t1(head()[:, :, 9:10])),
    Case("many-nan", "2.0 % of voxels that are NaN or infinite", t1(with_voxels(np.nan, 0.02))),
    Case("constant", "has the same value everywhere", t1(np.full((20, 24, 18), 7, np.int16))),
    Case("all-zero", "has the same value everywhere", t1(np.zeros((20, 24, 18), np.int16))),
    Case("no-affine", "left and right cannot be distinguished", t1(head(), sform_code=0, qform_code=0)),
    Case("forms-mirrored", "sform and qform that are mirror images", t1(head(), srow_x=MIRRORED[0])),
    Case("sform-flat", "has an sform that is flat", t1(head(), srow_z=FLAT[2], qform_code=0)),
    Case("sform-nan", "flat or not finite", t1(head(), srow_y=NOT_FINITE[1])),
    Case("qform-nan", "flat or not finite", t1(head(), sform=0, quatern_b=np.nan)),
    Case("qform-no-rotation", "image", t1(head(), sform=0, quatern_b=1, quatern_c=1)),
    Case("voxels-zero", "has voxels of 0 x 6 x 6 mm", t1(head(), sform=0, pixdim=[1, 0, 6, 6, 0, 0, 0, 0])),
    Case("voxels-negative", "voxels of 6 x -6 x 6 mm", t1(head(), sform=0, pixdim=[1, 6, -6, 6, 0, 0, 0, 0])),
    Case("metres-without-unit", "not that of a head", t1(head(), scaled(1e-3))),
    Case("giant", "is 1200 x 1440 x 1080 mm in size", t1(head(), scaled(10))),
    Case("mask-shifted", "is not on the grid of", labels=t1(lesion(), SHIFTED), label_format=MASK),
    Case("mask-other-shape", "is not on the grid of", labels=t1(lesion()[:-1]), label_format=MASK),
    Case("mask-empty", "is empty; add its labels", labels=t1(lesion() * 0), label_format=MASK),
    Case("mask-graded", "is not a mask", labels=t1(GRADED), label_format=MASK),
    Case("mask-nan", "voxels that are NaN or infinite", labels=t1(lesion() + np.float32(np.nan)), label_format=MASK),
    Case("mask-truncated", "cannot be read as an image", labels=truncated, label_format=MASK),
    Case("labels-between", "is not a label map", labels=t1(lesion() * np.float32(0.4))),
    Case("labels-of-no-class", "has none of the labels", labels=t1(lesion() * np.uint8(4))),
]

ACCEPTED = [
    Case("trailing-axis", None, t1(head()[..., None])),
    Case("slope-zero", None, t1(head(), scl_slope=0)),
    Case("slope-nan", "used as stored", t1(head(), scl_slope=np.nan, scl_inter=np.nan)),
    Case("one-nan", "that were NaN or infinite set to 0: 1", t1(with_voxels(np.nan, 0))),
    Case("few-infinite", "that were NaN or infinite set to 0: 43", t1(with_voxels(-np.inf, 0.005))),
    Case("overflow", "did integers overflow?", t1(with_voxels(-32000, 0.05, np.int16))),
    Case("metres", "converted from metres to mm", t1(head(), scaled(1e-3), units=METRES)),
    Case("micrometres", "converted from micrometres to mm", t1(head(), scaled(1e3), units=MICROMETRES)),
    Case("metres-but-mm", "header names a unit other than mm", t1(head(), units=METRES)),
    Case("forms-differ", "differ by up to 12 mm", t1(head(), srow_x=SHIFTED[0])),
    Case("qform-nan-beside-sform", "the sform was used", t1(head(), quatern_b=np.nan)),
    Case("qform-no-rotation-beside-sform", "qform is not a rotation", t1(head(), quatern_b=1, quatern_c=1)),
    Case("voxels-zero-beside-sform", "those of the sform were used", t1(head(), pixdim=[1, 0, 6, 6, 0, 0, 0, 0])),
    Case("mask-of-255", None, labels=t1(lesion() * np.uint8(255)), label_format=MASK),
    Case("mask-rounded", "voxels of labels rounded: 8604", labels=t1(ROUNDED), label_format=MASK),
    Case("mask-graded-above", None, labels=t1(GRADED), label_format={**MASK, "mask_above": 100}),
    Case("labels-rounded", "voxels of labels rounded: 36", labels=t1(lesion() * np.float32(0.9999))),
    Case("labels-of-another-class-too", None, labels=t1(lesion() + np.uint8(2) * (head() > 600))),
]


def row(case: Case, folder: Path) -> dict:
    """Write a case; returns its row for :func:`headstart.datasets.intake.check`."""
    t1w, labels = case.make(folder)
    labels = [str(path) for path in labels] or None
    about = {"dataset": "bad", "subject": case.name, "t1w": str(t1w)}
    return {**about, "labels": labels, "label_format": case.label_format}


def show(folder: Path, cases: Sequence[Case]) -> None:
    """Print what headstart says about each case."""
    for case in cases:
        try:
            (record,) = intake.check([row(case, folder)], CLASSES)
            parts = [record[name] for name in ("scan", "labels") if name in record]
            messages = [sentence for part in parts for sentence in part["repairs"] + part["warnings"]]
            print(f"{case.name}: accepted: {'; '.join(messages) or 'no message'}")
        except UserError as error:
            print(f"{case.name}: refused: {error}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    show(parser.parse_args().folder, [*REFUSED, *ACCEPTED])
