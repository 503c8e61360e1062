"""Natural images in the folders and archives in which they are distributed: Taskonomy and ImageNet.

Archives (.tar) are read without unpacking: an image is a range of bytes of a file, whether that file is the image
itself, an archive, or an archive of archives.
"""

import csv
import os
import random
import re
import tarfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from headstart.datasets.scan import Layout, walk_files
from headstart.job import UserError, shown
from headstart.phantom.scene_classes import PLACES, THINGS

# Taskonomy's semantic labels, from 1; 0 marks uncertain pixels, which training leaves out.
CLASSES = (
    "background", "bottle", "chair", "couch", "potted plant", "bed", "dining table", "toilet", "tv", "microwave",
    "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase",
)  # fmt: skip
_TASKONOMY = re.compile(r"(point_\d+_view_\d+)_domain_(rgb|segment_?semantic)\.png", re.IGNORECASE)
_DOMAINS = re.compile(r"(^|_+)(rgb|segment_?semantic|taskonomy)(?=_|$)", re.IGNORECASE)
_WNID = re.compile(r"n\d{8}")
_IMAGE = {".jpeg", ".jpg", ".png"}


@dataclass(frozen=True)
class FileRange:
    """``size`` bytes of a file from ``offset``; ``name`` is that of the file, or of the member of an archive."""

    file: Path
    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class Picture:
    """A natural image: its ``group`` (building, or class), its name in the group, and its label map if it has one."""

    group: str
    name: str
    image: FileRange
    labels: FileRange | None = None


def taskonomy(name: str, folder: Path, entry: Mapping) -> list[Picture]:
    """Taskonomy (Zamir 2018): images of rooms with ``segment_semantic`` labels; the groups are buildings.

    ``rgb/<building>/point_0_view_0_domain_rgb.png`` with ``segment_semantic/<building>/``, or ``<building>_rgb/``, or
    archives of either, such as ``rgb__taskonomy__<building>.tar``.
    """
    found: dict[str, dict[tuple[str, str], FileRange]] = {"rgb": {}, "segmentsemantic": {}}
    for part in _file_ranges(folder):
        if match := _TASKONOMY.fullmatch(PurePosixPath(part.name).name):
            domain = match[2].lower().replace("_", "")
            found[domain][_building(folder, part), match[1].lower()] = part
    return [
        Picture(building, view, image, found["segmentsemantic"].get((building, view)))
        for (building, view), image in sorted(found["rgb"].items())
    ]


def imagenet(name: str, folder: Path, entry: Mapping) -> list[Picture]:
    """ImageNet (ILSVRC 2012): the groups are classes, by WordNet ID; those of ``classes``, or the indoor ones.

    ``n04070727/n04070727_1.JPEG``, or archives of classes ``n04070727.tar``, or the archive of these archives.
    Raises :class:`UserError` for missing classes.
    """
    wanted = set(entry.get("classes", indoor_classes()))
    found = []
    for part in _file_ranges(folder, wanted):
        path = PurePosixPath(part.name)
        wnid = path.name.partition("_")[0]
        if wnid in wanted and path.suffix.lower() in _IMAGE:
            found.append(Picture(wnid, path.stem, part))
    missing = sorted(wanted - {picture.group for picture in found})
    if found and missing:
        raise UserError(
            f"datasets.{name}: {folder} has no pictures of {shown(missing)}; add them, or list others in classes."
        )
    return sorted(found, key=lambda picture: (picture.group, picture.name))


def indoor_classes() -> dict[str, str]:
    """100 classes of indoor objects, name by WordNet ID. The paper has as many, but does not list them."""
    with open(Path(__file__).with_name("indoor_classes.tsv"), encoding="utf-8", newline="") as file:
        return {row["wnid"]: row["name"] for row in csv.DictReader(file, delimiter="\t")}


LAYOUTS = {
    "taskonomy": Layout(taskonomy, "point_0_view_0_domain_rgb.png", frozenset({"folder", "pictures"})),
    "imagenet": Layout(imagenet, "n04070727/ or n04070727.tar", frozenset({"folder", "pictures", "classes"})),
    "scenes": Layout(None, "", frozenset({"pictures"})),
}
# Layouts whose images have label maps, and those whose images have a class.
WITH_LABEL_MAPS, WITH_CLASSES = ("taskonomy", "scenes"), ("imagenet", "scenes")


def is_natural(entry: Mapping) -> bool:
    """Whether a dataset's entry is for natural images, not for scans."""
    return entry["layout"] in LAYOUTS


def pictures(name: str, entry: Mapping, folder: str | os.PathLike, seed: int) -> list[Picture]:
    """Draw the natural images that a study uses: as many as ``pictures`` of the entry says, from each group in turn.

    ``include`` and ``exclude`` of the entry name groups. Opens archives, which takes time: it is for a job, not for
    planning. Raises :class:`UserError` if there are fewer images.
    """
    found = LAYOUTS[entry["layout"]].find(name, Path(folder), entry)
    wanted = set(entry.get("include", {picture.group for picture in found})) - set(entry["exclude"])
    kept = [picture for picture in found if picture.group in wanted]
    if len(kept) < entry["pictures"]:
        raise UserError(f"datasets.{name} holds {len(kept)} pictures, not {entry['pictures']}; lower pictures.")
    return draw(kept, entry["pictures"], seed)


def class_names(entry: Mapping) -> dict[str, str]:
    """The classes of a dataset's images and the name of each; keys are WordNet IDs for ImageNet, else the names."""
    if entry["layout"] == "scenes":
        return {place: place for place in PLACES}
    known = indoor_classes()
    return {wnid: known.get(wnid, wnid) for wnid in sorted(entry.get("classes", known))}


def label_names(entry: Mapping) -> tuple[str, ...]:
    """The names of the label values 1, 2, ... in the label maps of a dataset's images."""
    return THINGS if entry["layout"] == "scenes" else CLASSES


def draw(pictures: list[Picture], count: int, seed: int) -> list[Picture]:
    """``count`` of the images in random order, one from each group in turn as long as it has any."""
    shuffled = random.Random(seed).sample(pictures, len(pictures))
    turns: dict[str, int] = {}
    ranked = []
    for picture in shuffled:
        turns[picture.group] = turns.get(picture.group, 0) + 1
        ranked.append((turns[picture.group], picture))
    return [picture for _, picture in sorted(ranked, key=lambda pair: pair[0])[:count]]


def _file_ranges(folder: Path, wanted: Collection[str] = ()) -> Iterator[FileRange]:
    """Every file in a folder and in its archives; of archives named after a class, only those of ``wanted``."""
    for path in walk_files(folder):
        if path.suffix.lower() != ".tar":
            yield FileRange(path, path.name, 0, os.path.getsize(path))
        elif not _WNID.fullmatch(path.stem) or path.stem in wanted:
            with open(path, "rb") as file:
                yield from _members(path, file, 0, wanted)


def _members(path: Path, file: BinaryIO, start: int, wanted: Collection[str]) -> Iterator[FileRange]:
    """Every file of the archive that starts at ``start``, and of the archives of ``wanted`` classes in it."""
    file.seek(start)
    try:
        # Offsets are positions in the file, not in the archive: tarfile takes its start from the file's position.
        with tarfile.open(fileobj=file, mode="r:") as archive:
            members = [member for member in archive if member.isfile()]
    except tarfile.TarError as error:
        raise UserError(f"{path} cannot be read as an archive ({error}); fetch it again, or unpack it.") from None
    for member in members:
        inner = PurePosixPath(member.name)
        if inner.suffix.lower() != ".tar":
            yield FileRange(path, member.name, member.offset_data, member.size)
        elif inner.stem in wanted:
            yield from _members(path, file, member.offset_data, wanted)


def _building(folder: Path, part: FileRange) -> str:
    """The building of an image of Taskonomy: the innermost folder or archive whose name is more than a domain's."""
    above = [*part.file.relative_to(folder).with_suffix("").parts, *PurePosixPath(part.name).parts[:-1]]
    if part.file.suffix.lower() != ".tar":
        above.remove(part.file.stem)
    for step in reversed(above):
        if named := _DOMAINS.sub("", step).strip("_"):
            return named
    return folder.name
