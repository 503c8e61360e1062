"""Natural images in the folders and archives that their owners hand out: Taskonomy and ImageNet.

Archives (.tar, as both are distributed) are read where they lie: a picture is a file and the bytes in it that are the
picture's, whether the file is the picture itself, an archive, or an archive of archives.
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

from headstart.datasets.scan import Layout, walked
from headstart.job import UserError
from headstart.phantom.scenes import PLACES, THINGS

# Taskonomy's semantic labels, from 1 on; 0 marks pixels of which its makers were not sure; training leaves them out.
CLASSES = (
    "background", "bottle", "chair", "couch", "potted plant", "bed", "dining table", "toilet", "tv", "microwave",
    "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase",
)  # fmt: skip
_TASKONOMY = re.compile(r"(point_\d+_view_\d+)_domain_(rgb|segment_?semantic)\.png")
_DOMAINS = re.compile(r"(^|_+)(rgb|segment_?semantic|taskonomy)(?=_|$)")
_WNID = re.compile(r"n\d{8}")
_IMAGE = {".jpeg", ".jpg", ".png"}


@dataclass(frozen=True)
class Bytes:
    """A part of a file: ``size`` bytes from ``offset`` on; ``name`` is that of the file, or in its archive."""

    file: Path
    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class Picture:
    """A natural image: its ``group`` (building, or class) and name within it, and its label map where it has one."""

    group: str
    name: str
    image: Bytes
    labels: Bytes | None = None


def taskonomy(name: str, folder: Path, entry: Mapping) -> list[Picture]:
    """Taskonomy (Zamir 2018): pictures of rooms with ``segment_semantic`` labels; the groups are buildings.

    ``rgb/<building>/point_0_view_0_domain_rgb.png`` with ``segment_semantic/<building>/``, or ``<building>_rgb/``, or
    archives of either, such as ``rgb__taskonomy__<building>.tar``.
    """
    found: dict[str, dict[tuple[str, str], Bytes]] = {"rgb": {}, "segmentsemantic": {}}
    for part in _parts(folder):
        if match := _TASKONOMY.fullmatch(PurePosixPath(part.name).name):
            found[match[2].replace("_", "")][_building(folder, part), match[1]] = part
    return [
        Picture(building, view, image, found["segmentsemantic"].get((building, view)))
        for (building, view), image in sorted(found["rgb"].items())
    ]


def imagenet(name: str, folder: Path, entry: Mapping) -> list[Picture]:
    """ImageNet (ILSVRC 2012): the groups are classes, by WordNet's numbers; those of ``classes``, or the indoor ones.

    ``n04070727/n04070727_1.JPEG``, or class archives ``n04070727.tar``, or the archive of these.
    Raises :class:`UserError` for classes that are not there.
    """
    wanted = set(entry.get("classes", indoor_classes()))
    found = []
    for part in _parts(folder, wanted):
        path = PurePosixPath(part.name)
        wnid = path.name.partition("_")[0]
        if wnid in wanted and path.suffix.lower() in _IMAGE:
            found.append(Picture(wnid, path.stem, part))
    missing = sorted(wanted - {picture.group for picture in found})
    if found and missing:
        named = ", ".join(missing[:5]) + f" and {len(missing) - 5} more" * (len(missing) > 5)
        raise UserError(f"datasets.{name}: {folder} has no pictures of {named}; add them, or list others in classes.")
    return sorted(found, key=lambda picture: (picture.group, picture.name))


def indoor_classes() -> dict[str, str]:
    """The 100 classes of things found indoors: WordNet's number and name of each. The paper does not list its own."""
    with open(Path(__file__).with_name("indoor_classes.tsv"), encoding="utf-8", newline="") as file:
        return {row["wnid"]: row["name"] for row in csv.DictReader(file, delimiter="\t")}


LAYOUTS = {
    "taskonomy": Layout(taskonomy, "point_0_view_0_domain_rgb.png", frozenset({"folder", "pictures"})),
    "imagenet": Layout(imagenet, "n04070727/ or n04070727.tar", frozenset({"folder", "pictures", "classes"})),
    "scenes": Layout(None, "", frozenset({"pictures"})),
}
# Layouts whose pictures have label maps, and those whose pictures have a class.
MAPPED, CLASSED = ("taskonomy", "scenes"), ("imagenet", "scenes")


def is_natural(entry: Mapping) -> bool:
    """Whether a dataset's entry is of natural images, not of scans."""
    return entry["layout"] in LAYOUTS


def pictures(name: str, entry: Mapping, folder: str | os.PathLike, seed: int) -> list[Picture]:
    """The natural images that a study uses: as many as ``pictures`` says, of all groups in turn, drawn by ``seed``.

    ``include``, ``exclude``: of the entry, buildings or classes. Looks into archives, which takes a while: for a
    job, not for planning. Raises :class:`UserError` where there are fewer.
    """
    found = LAYOUTS[entry["layout"]].found(name, Path(folder), entry)
    wanted = set(entry.get("include", {picture.group for picture in found})) - set(entry["exclude"])
    kept = [picture for picture in found if picture.group in wanted]
    if len(kept) < entry["pictures"]:
        raise UserError(f"datasets.{name} holds {len(kept)} pictures, not {entry['pictures']}; lower pictures.")
    return draw(kept, entry["pictures"], seed)


def class_names(entry: Mapping) -> dict[str, str]:
    """The classes of a dataset's pictures, and what each is called: of ImageNet by WordNet's number, else by name."""
    if entry["layout"] == "scenes":
        return {place: place for place in PLACES}
    known = indoor_classes()
    return {wnid: known.get(wnid, wnid) for wnid in sorted(entry.get("classes", known))}


def thing_names(entry: Mapping) -> tuple[str, ...]:
    """What the label maps of a dataset's pictures show, from the value 1 on."""
    return THINGS if entry["layout"] == "scenes" else CLASSES


def draw(pictures: list[Picture], count: int, seed: int) -> list[Picture]:
    """``count`` of the pictures in random order, in turn one of each group as long as it lasts."""
    shuffled = random.Random(seed).sample(pictures, len(pictures))
    turns: dict[str, int] = {}
    ranked = []
    for picture in shuffled:
        turns[picture.group] = turns.get(picture.group, 0) + 1
        ranked.append((turns[picture.group], picture))
    return [picture for _, picture in sorted(ranked, key=lambda pair: pair[0])[:count]]


def _parts(folder: Path, wanted: Collection[str] = ()) -> Iterator[Bytes]:
    """Every file in a folder and in its archives; of archives named by a class, those of ``wanted``."""
    for path in walked(folder):
        if path.suffix != ".tar":
            yield Bytes(path, path.name, 0, os.path.getsize(path))
        elif not _WNID.fullmatch(path.stem) or path.stem in wanted:
            with open(path, "rb") as file:
                yield from _members(path, file, 0, wanted)


def _members(path: Path, file: BinaryIO, start: int, wanted: Collection[str]) -> Iterator[Bytes]:
    """Every file of the archive that begins at ``start``, and of the class archives within it."""
    file.seek(start)
    try:
        # The archive's own offsets count from where it begins, since tarfile asks the file where it stands.
        with tarfile.open(fileobj=file, mode="r:") as archive:
            members = [member for member in archive if member.isfile()]
    except tarfile.TarError as error:
        raise UserError(f"{path} cannot be read as an archive ({error}); fetch it again, or unpack it.") from None
    for member in members:
        inner = PurePosixPath(member.name)
        if inner.suffix != ".tar":
            yield Bytes(path, member.name, member.offset_data, member.size)
        elif inner.stem in wanted:
            yield from _members(path, file, member.offset_data, wanted)


def _building(folder: Path, part: Bytes) -> str:
    """The building of a picture of Taskonomy: the last folder or archive above it that names more than a domain."""
    above = [*part.file.relative_to(folder).with_suffix("").parts, *PurePosixPath(part.name).parts[:-1]]
    if part.file.suffix != ".tar":
        above.remove(part.file.stem)
    for step in reversed(above):
        if named := _DOMAINS.sub("", step).strip("_"):
            return named
    return folder.name
