"""Image files as they are stored: opened, unpacked with their checksums compared, and their headers.

A file that is not what its name says is refused in one sentence that says what it is instead.
"""

import contextlib
import gzip
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.fileholders import FileHolder

from headstart import image_pairs, placement, stand_ins
from headstart.job import UserError, one_line

PathLike = str | os.PathLike
# What nibabel raises for a file that is not an image, or is truncated.
_UNREADABLE = (
    nib.filebasedimages.ImageFileError,
    nib.spatialimages.HeaderDataError,
    nib.wrapstruct.WrapStructError,
    OSError,
    ValueError,
    OverflowError,
)
_DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error)
_GZIP = b"\x1f\x8b"
_PACKED_NAMES = (".gz", ".mgz")
# First bytes of files that are saved under the name of an image: what they are, and the remedy.
_OTHER_FILES = (
    (b"<", "is a web page or another text, not an image", "download it again, after signing in"),
    (b"PK\x03\x04", "is a zip archive, not an image", "unpack it"),
    (b"NRRD", "is an NRRD image, which is not read", "convert it to NIfTI"),
    (b"ObjectType", "is a MetaImage, which is not read", "convert it to NIfTI"),
    (b"SIMPLE  =", "is a FITS image, which is not read", "convert it to NIfTI"),
    (b"\x89PNG", "is a PNG picture, not a scan", "give the scan itself"),
    (b"\xff\xd8\xff", "is a JPEG picture, not a scan", "give the scan itself"),
)
_FETCHED_BY = {stand_ins.LFS: "git lfs pull", stand_ins.ANNEX: "git annex get"}
_DICOM = slice(128, 132)
# The version and the first byte of the width, as MGH images start.
_MGH = b"\0\0\0\x01\0"
_NIFTI_SIZES = {348, 540}


@dataclass(frozen=True)
class StoredImage:
    """An image as it is in its file.

    ``data``: 3D, of the stored type, or floating point if the header scales it; ``affine``: (4, 4) float64 from voxel
    indices to RAS+ mm; ``header``: as stored, before nibabel changes it.
    """

    data: np.ndarray
    affine: np.ndarray
    header: nib.spatialimages.SpatialHeader

    @property
    def slope(self) -> float:
        """The step between two values of scaled integers; 0 if the file's numbers are not scaled."""
        if self.data.dtype.kind != "f" or self.header.get_data_dtype().kind not in "iu":
            return 0.0
        return abs(float(self.header["scl_slope"]))


def read(path: PathLike) -> StoredImage:
    """Read a 3D image; trailing axes of length one are dropped.

    gzip's checksum and length are compared with the content. Raises :class:`UserError` naming the file if it is
    missing, is not an image that nibabel can read, is damaged or truncated, is in colour, or is not one volume.
    """
    with _opened(path) as (image, header):
        if len(image.shape) < 3:
            raise UserError(f"{path} has {len(image.shape)} dimensions, not 3; give a volume.")
        if 0 in image.shape:
            shape = " x ".join(str(n) for n in image.shape)
            raise UserError(f"{path} has {shape} voxels by its header; convert it again from its source.")
        data = np.asanyarray(image.dataobj)
        affine = placement.affine(image, header)
    if data.dtype.kind not in "biuf":
        held = "colours" if data.dtype.names else data.dtype
        raise UserError(f"{path} holds {held}, not one number per voxel; convert it to integers or real numbers.")
    volumes = int(np.prod(data.shape[3:]))
    if volumes != 1:
        raise UserError(f"{path} holds {volumes} volumes, not one; give one volume per file.")
    return StoredImage(data[:, :, :, *[0] * (data.ndim - 3)], affine, header)


def read_header(path: PathLike) -> tuple[nib.spatialimages.SpatialHeader, tuple[int, ...], np.ndarray]:
    """The header of an image as stored, the shape of the image in voxels (three axes), and its affine in RAS+ mm.

    Raises :class:`UserError` like :func:`read`, as far as the header shows it.
    """
    with _opened(path, header_only=True) as (image, header):
        return header, tuple(image.shape[:3]), placement.affine(image, header)


@contextlib.contextmanager
def _opened(
    path: PathLike, *, header_only: bool = False
) -> Iterator[tuple[nib.spatialimages.SpatialImage, nib.spatialimages.SpatialHeader]]:
    """An image whose data can be read within the context, with its header as stored.

    When the context ends without an error, packed files are read to their end, where gzip has its checksum.
    """
    _refuse_other_files(path)
    try:
        with contextlib.ExitStack() as opened:
            kind = _class_of(path)
            files = _file_map(path, kind)
            for holder in files.values():
                if _is_packed(holder.filename) and os.path.exists(holder.filename):
                    holder.fileobj = opened.enter_context(gzip.open(holder.filename))
            yield _image(kind, files)
            if not header_only:
                for holder in files.values():
                    if holder.fileobj is not None:
                        _read_to_the_end(holder.fileobj)
    except _DAMAGED as error:
        raise UserError(f"{path} is damaged or cut short ({one_line(error)}); fetch it again.") from error
    except _UNREADABLE as error:
        raise UserError(f"{path} cannot be read as an image ({one_line(error)}); fetch or convert it again.") from error


def _image(
    kind: type[nib.spatialimages.SpatialImage], files: dict[str, FileHolder]
) -> tuple[nib.spatialimages.SpatialImage, nib.spatialimages.SpatialHeader]:
    """An image and its header as stored; nibabel is given a header that it accepts."""
    if not issubclass(kind, nib.Nifti1Pair):
        image = kind.from_file_map(files)
        return image, image.header
    with files.get("header", files["image"]).get_prepare_fileobj("rb") as file:
        stored = kind.header_class.from_fileobj(file, check=False)
    usable = stored.copy()
    usable["pixdim"][0] = placement.handedness(stored)
    # As in the standard's library, an axis of length 0 is one of length 1.
    usable["dim"][4:] = np.maximum(usable["dim"][4:], 1)
    usable.check_fix()
    holder = files["image"]
    data = ArrayProxy(holder.filename if holder.fileobj is None else holder.fileobj, usable)
    return kind(data, None, usable, file_map=files), stored


def _class_of(path: PathLike) -> type[nib.spatialimages.SpatialImage]:
    """The class of nibabel for an image file."""
    sniff = None
    for kind in nib.imageclasses.all_image_classes:
        fits, sniff = kind.path_maybe_image(path, sniff)
        if fits:
            return kind
    if _is_packed(path):  # nibabel passes over what is damaged within the header
        with gzip.open(_with_header(path)) as file:
            _read_to_the_end(file)
    raise nib.filebasedimages.ImageFileError("neither its name nor its content is that of a known format")


def _file_map(path: PathLike, kind: type[nib.spatialimages.SpatialImage]) -> dict[str, FileHolder]:
    """The files of an image by nibabel's names for them.

    nibabel changes capitals in the endings of names, so the only file of an image keeps the name that was given.
    """
    files = kind.filespec_to_file_map(path)
    if len(files) == 1:
        return {name: FileHolder(os.fspath(path)) for name in files}
    for name in ("header", "image"):
        if name in files and not os.path.exists(files[name].filename):
            raise _lacks(path, files[name].filename, name)
    return files


def _lacks(path: PathLike, other: str, part: str) -> UserError:
    return UserError(f"{path} lacks its {part} {Path(other).name} beside it; fetch both files.")


def _refuse_other_files(path: PathLike) -> None:
    """Raise :class:`UserError` if the first bytes of a file are not what its name says."""
    path = _with_header(path)
    start, inner = _first_bytes(path)
    if tool := stand_ins.pointer_of(inner):
        raise UserError(f"{path} is a pointer of {tool}, not an image; run {_FETCHED_BY[tool]} in its folder.")
    if other := stand_ins.kind_of(inner, _OTHER_FILES):
        raise UserError(f"{path} {other[0]}; {other[1]}.")
    if inner[_DICOM] == b"DICM":
        raise UserError(f"{path} is a DICOM file; convert the series to NIfTI (dcm2niix).")
    if inner.startswith(_GZIP):
        raise UserError(f"{path} is compressed twice; decompress it once, and keep its name.")
    name, packed = Path(path).name, start.startswith(_GZIP)
    nifti = {int.from_bytes(inner[:4], order) for order in ("little", "big")} & _NIFTI_SIZES
    named_mgh = name.lower().endswith((".mgh", ".mgz"))
    if inner.startswith(_MGH) and not named_mgh:
        raise UserError(f"{path} is an MGH image; rename it to {_stem(name)}{'.mgz' if packed else '.mgh'}.")
    if nifti and named_mgh:
        raise UserError(f"{path} is a NIfTI image; rename it to {_stem(name)}{'.nii.gz' if packed else '.nii'}.")
    if packed and not _is_packed(path):
        raise UserError(f"{path} is compressed, although its name does not say so; rename it to {name}.gz.")
    if nifti and not packed and _is_packed(path):
        raise UserError(f"{path} is not compressed, although its name ends in .gz; rename it to {name[:-3]}.")


def _with_header(path: PathLike) -> PathLike:
    """The file that holds an image's header: its own, or, for an ``.img`` file, the one beside it, which must exist."""
    beside = image_pairs.header_beside(path)
    if beside is None or not os.path.exists(path):
        return path
    if not os.path.exists(beside):
        raise _lacks(path, beside, "header")
    return beside


def _first_bytes(path: PathLike) -> tuple[bytes, bytes]:
    """The first bytes of a file, as stored and decompressed; raises :class:`UserError` if it has none."""
    if os.path.isdir(path):
        raise UserError(f"{path} is a folder, not an image; move the image in it to its place, or exclude the scan.")
    try:
        with open(path, "rb") as file:
            start = file.read(1024)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; check the dataset's folder in the configuration.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be opened ({error.strerror}); check its permissions and its disk.") from error
    if not start:
        raise UserError(f"{path} is empty (0 bytes); fetch it again.")
    if not start.startswith(_GZIP):
        return start, start
    with contextlib.suppress(zlib.error):
        return start, zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, 1024)
    return start, b""


def _read_to_the_end(stream: gzip.GzipFile) -> None:
    """Read a stream to its end, where gzip compares checksum and length; what follows its last member is ignored."""
    try:
        while stream.read(2**20):
            pass
    except gzip.BadGzipFile as error:
        # The only other faults that it raises are those of the checksum and the length.
        if not str(error).startswith("Not a gzipped file"):
            raise


def _is_packed(path: PathLike) -> bool:
    return os.fspath(path).lower().endswith(_PACKED_NAMES)


def _stem(name: str) -> str:
    """The name of a file without the endings of an image."""
    stem, ending = os.path.splitext(name)
    return os.path.splitext(stem)[0] if ending.lower() == ".gz" else stem
