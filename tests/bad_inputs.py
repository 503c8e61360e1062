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


def packed(change):
    """A head whose file is what ``change`` makes of its bytes: uncompressed ones to those that are stored."""

    def make(path):
        write(path, head())
        path.write_bytes(change(gzip.decompress(path.read_bytes())))

    return make


def saved(data, stored_as):
    """Labels converted by nibabel to the type ``stored_as``, with the slope that it selects for it."""

    def make(path):
        image = nib.Nifti1Image(data, AFFINE, dtype=data.dtype)
        image.header.set_data_dtype(stored_as)
        nib.save(image, path)

    return make


def flip_a_bit(content):
    damaged = bytearray(gzip.compress(content, 0, mtime=0))  # level 0 stores the bytes as they are
    damaged[9000] ^= 0x40
    return bytes(damaged)


def mgh(content):
    return gzip.compress(nib.MGHImage(head(), AFFINE).to_bytes())


def four_each(values):
    """A label map with four voxels of each value."""
    data = np.zeros((20, 24, 18))
    data.ravel()[: 4 * len(values)] = np.repeat(values, 4)
    return data


def normalised():
    """Z-scores within the head, with air left at 0."""
    inside = head() > 0
    return np.where(inside, (head() - head()[inside].mean()) / head()[inside].std(), 0).astype(np.float32)


MIRRORED = np.diag([-1.0, 1, 1, 1]) @ AFFINE
COLOUR = np.zeros((20, 24, 18), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
SHIFTED = AFFINE + [[0, 0, 0, 12], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
GRADED = lesion() * np.linspace(0, 255, 18).astype(np.uint8)
BEYOND = lesion() + (2.0**32 + 1) * (head() > 600)
WITH_2000 = lesion() + np.int16(1999) * (head() > 600)
ROUNDED = lesion() * np.float32(0.9999) + np.float32(1e-7)
MOVED = {mm: AFFINE + [[0, 0, 0, mm], [0] * 4, [0] * 4, [0] * 4] for mm in (0.02, 0.3, 5, 1234)}
TURNED = np.diag([-1.0, 1, 1, 1])
TURNED[0, 3] = 19
UPSIDE_DOWN = np.diag([-1.0, 1, -1, 1]) @ AFFINE
FLAT, NOT_FINITE = AFFINE * [[1], [1], [0], [1]], AFFINE * np.nan
MASK = {"masks": True, "mask_above": None}

REFUSED = [
    Case("truncated", "is damaged or cut short", truncated),
    Case("not-an-image", "cannot be read as an image", lambda path: path.write_text("not an image")),
    Case("empty-file", "is empty (0 bytes)", lambda path: path.write_bytes(b"")),
    Case("absent", "does not exist", lambda path: path.unlink(missing_ok=True)),
    Case("intercept-nan", "cannot be read as an image", t1(head(), scl_slope=2, scl_inter=np.nan)),
    Case("colour", "not one number per voxel", t1(COLOUR)),
    Case("series", "holds 2 volumes, not one", t1(np.stack([head()] * 2, -1))),
    Case("two-dimensional", "has 2 dimensions, not 3", t1(head()[:, :, 9])),
    Case("no-slices", "has 20 x 24 x 0 voxels by its header", t1(head(), dim=[3, 20, 24, 0, 1, 1, 1, 1])),
    Case("one-slice", "not that of a head", t1(head()[:, :, 9:10])),
    Case("many-nan", "2.0 % of voxels that are NaN or infinite", t1(with_voxels(np.nan, 0.02))),
    Case("constant", "has the same value everywhere", t1(np.full((20, 24, 18), 7, np.int16))),
    Case("all-zero", "has the same value everywhere", t1(np.zeros((20, 24, 18), np.int16))),
    Case("no-affine", "left and right cannot be distinguished", t1(head(), sform_code=0, qform_code=0)),
    Case("forms-mirrored", "sform and qform that are mirror images", t1(head(), srow_x=MIRRORED[0])),
    Case("sform-flat", "has an sform that is flat", t1(head(), srow_z=FLAT[2], qform_code=0)),
    Case("sform-nan", "has an sform that is not finite", t1(head(), srow_y=NOT_FINITE[1])),
    Case("qform-nan", "has a qform that is not finite, or no rotation", t1(head(), sform=0, quatern_b=np.nan)),
    Case(
        "qform-no-rotation",
        "has a qform that is not finite, or no rotation",
        t1(head(), sform=0, quatern_b=1, quatern_c=1),
    ),
    Case("voxels-zero", "has voxels of 0 x 6 x 6 mm", t1(head(), sform=0, pixdim=[1, 0, 6, 6, 0, 0, 0, 0])),
    Case("voxels-negative", "voxels of 6 x -6 x 6 mm", t1(head(), sform=0, pixdim=[1, 6, -6, 6, 0, 0, 0, 0])),
    Case("metres-without-unit", "not that of a head", t1(head(), scaled(1e-3))),
    Case("giant", "is 1200 x 1440 x 1080 mm in size", t1(head(), scaled(10))),
    Case("mask-shifted", "lies up to 12 mm from the voxels of", labels=t1(lesion(), SHIFTED), label_format=MASK),
    Case("mask-far", "lies up to 1234 mm from the voxels of", labels=t1(lesion(), MOVED[1234]), label_format=MASK),
    Case("mask-other-shape", "has 19 x 24 x 18 voxels, but", labels=t1(lesion()[:-1]), label_format=MASK),
    Case("mask-empty", "is empty; add its labels", labels=t1(lesion() * 0), label_format=MASK),
    Case("mask-graded", "is not a mask", labels=t1(GRADED), label_format=MASK),
    Case("mask-nan", "voxels that are NaN or infinite", labels=t1(lesion() + np.float32(np.nan)), label_format=MASK),
    Case("mask-truncated", "is damaged or cut short", labels=truncated, label_format=MASK),
    Case("not-compressed", "rename it to T1w.nii", packed(lambda content: content)),
    Case("compressed-twice", "is compressed twice", packed(lambda content: gzip.compress(gzip.compress(content)))),
    Case("web-page", "is a web page", lambda path: path.write_text("<!DOCTYPE html><html>Sign in</html>")),
    Case("lfs-pointer", "is a pointer of Git LFS", lambda path: path.write_text("version https://git-lfs.github.com")),
    Case("mgh-as-nifti", "rename it to T1w.mgz", packed(mgh)),
    Case("folder", "is a folder, not an image", lambda path: path.mkdir(exist_ok=True)),
    Case("bit-flipped", "is damaged or cut short (CRC", packed(flip_a_bit)),
    Case("trailer-missing", "is damaged or cut short", packed(lambda content: gzip.compress(content)[:-8])),
    Case("qfac-0-mirrored", "mirror images", t1(head(), srow_x=MIRRORED[0], pixdim=[0, 6, 6, 6, 0, 0, 0, 0])),
    Case("qfac-2-mirrored", "mirror images", t1(head(), pixdim=[-2, 6, 6, 6, 0, 0, 0, 0])),
    Case("long-quaternion-mirrored", "mirror images", t1(head(), MIRRORED, quatern_d=1 + 4e-7, pixdim=[1] + [6] * 7)),
    Case("forms-upside-down", "differ about which side", t1(head(), srow_x=UPSIDE_DOWN[0], srow_z=UPSIDE_DOWN[2])),
    Case("darker-than-air", "were normalised within the head", t1(normalised())),
    Case("inverted", "z-scores?) or inverted", t1(700 - head())),
    Case("darker-than-air-everywhere", "z-scores?) or inverted", t1(-head())),
    Case("mask-damaged", "is damaged or cut short", labels=packed(flip_a_bit), label_format=MASK),
    Case("mask-without-form", "copy the scan's header", labels=t1(lesion(), sform=0, qform=0), label_format=MASK),
    Case("mask-inverted", "it may be inverted", labels=t1(1 - lesion()), label_format=MASK),
    Case("mask-full", "it may be inverted", labels=t1(lesion() * 0 + np.uint8(255)), label_format=MASK),
    Case("mask-negative", "has negative values (down to -1)", labels=t1(-lesion().astype(np.int16)), label_format=MASK),
    Case("mask-below", "highest value is 1", labels=t1(lesion()), label_format={**MASK, "mask_above": 5}),
    Case("labels-coarse", "is stored in steps of 0.81", labels=saved(four_each(range(208)), np.uint8)),
    Case("labels-not-exact", "has labels of up to 1.67772e+07", labels=t1(lesion() * np.float32(2**24))),
    Case("labels-giant", "has labels of up to 1e+300", labels=t1(lesion() * 1e300)),
    Case("mask-of-1-beside-2000", "neither 0 nor its highest", labels=t1(WITH_2000), label_format=MASK),
    Case("mask-colour", "holds colours, not one number per voxel", labels=t1(COLOUR), label_format=MASK),
    Case("mask-nowhere", "an affine that is not finite", labels=t1(lesion(), srow_x=[np.nan] * 4, qform_code=0)),
    Case("labels-between", "is not a label map", labels=t1(lesion() * np.float32(0.4))),
    Case("labels-of-no-class", "has none of the labels", labels=t1(lesion() * np.uint8(4))),
]

ACCEPTED = [
    Case("trailing-axis", None, t1(head()[..., None])),
    Case("trailing-axes", None, t1(head()[..., None, None])),
    Case("trailing-axis-of-zero", None, t1(head()[..., None], dim=[4, 20, 24, 18, 0, 1, 1, 1])),
    Case("qfac-0", None, t1(head(), sform=0, pixdim=[0, 6, 6, 6, 0, 0, 0, 0])),
    Case("qfac-minus-2", None, t1(head(), MIRRORED, sform=0, pixdim=[-2, 6, 6, 6, 0, 0, 0, 0])),
    Case("long-quaternion", None, t1(head(), UPSIDE_DOWN, sform=0, quatern_c=1 + 4e-7)),
    Case("rubbish-after-gzip", None, packed(lambda content: gzip.compress(content) + b"rubbish")),
    Case(
        "two-gzip-members", None, packed(lambda content: gzip.compress(content[:3000]) + gzip.compress(content[3000:]))
    ),
    Case("air-below-0", "air is 0 instead of -1024", t1(head() - np.int16(1024))),
    Case("air-above-0", "air is 0 instead of 1024", t1(head() + np.int16(1024))),
    Case("stray-voxel", "set to the median around them: 1", t1(with_voxels(1e6, 0))),
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
    Case("mask-near", None, labels=t1(lesion(), MOVED[0.02]), label_format=MASK),
    Case("mask-0.3-mm-off", "0.3 mm from the scan's voxels", labels=t1(lesion(), MOVED[0.3]), label_format=MASK),
    Case("mask-turned", "axes reordered", labels=t1(lesion()[::-1], AFFINE @ TURNED), label_format=MASK),
    Case("mask-in-micrometres", "micrometres", labels=t1(lesion(), scaled(1e3), units=MICROMETRES), label_format=MASK),
    Case("mask-unit-wrong", "1000 times those of the scan", labels=t1(lesion(), scaled(1e3)), label_format=MASK),
    Case(
        "mask-on-qform",
        "by the qform of the scan",
        t1(head(), srow_x=MOVED[5][0]),
        labels=t1(lesion()),
        label_format=MASK,
    ),
    Case("labels-beyond-32-bits", None, labels=saved(BEYOND, np.float64)),
    Case("labels-int64", None, labels=saved(BEYOND.astype(np.int64), np.int64)),
    Case("labels-rounded", "voxels of labels rounded: 36", labels=t1(lesion() * np.float32(0.9999))),
    Case("labels-of-another-class-too", None, labels=t1(lesion() + np.uint8(2) * (head() > 600))),
]


def row(case: Case, folder: Path) -> dict:
    """Write a case; returns its row for :func:`headstart.datasets.intake.check`."""
    t1w, labels = case.make(folder)
    labels = [str(path) for path in labels] or None
    about = {"dataset": "bad", "subject": case.name, "first": str(t1w)}
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
