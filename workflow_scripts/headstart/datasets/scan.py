"""What every layout is read into, and what the layouts share: names, and checks of folders and files on the disk."""

import itertools
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headstart import job
from headstart.job import UserError

# Names of images in the formats of the field, including those that headstart does not read.
_IMAGE = re.compile(r".+\.((nii|img|mgh)(\.(gz|bz2|zst))?|mgz|mnc|nrrd|nhdr|mha|mhd|dcm|ima)", re.IGNORECASE)
# The name of a T1, the first image unless a dataset's entry says otherwise.
T1W = "T1w"
# Files that are looked at for an example in a message.
_LOOKED_AT = 10_000


@dataclass(frozen=True)
class Scan:
    """One scan of a person, an image or several; what the layout does not tell is None.

    dataset: name of its entry in the configuration.
    subject: its name, unique in the dataset; of a person with several sessions, each session is a subject.
    person: identity of the participant, the same for all of their scans in all datasets.
    first: the file of its first image, on whose grid the labels lie and which is registered to the template.
    target: its manual labels, one label map or any number of masks (``masks`` says which), which are united.
    ground_truth: exact labels by name, of synthetic subjects only.
    others: further images by name, such as FLAIR, in the order of ``images`` of the dataset's entry.
    first_name: name of the first image.
    age: in years; sex: F, M or O.
    listed_as: its participant's name as files have it, by which tables of participants are searched.
    """

    dataset: str
    subject: str
    person: str
    first: Path
    target: tuple[Path, ...] = ()
    ground_truth: Mapping[str, Path] = field(default_factory=dict)
    others: Mapping[str, Path] = field(default_factory=dict)
    masks: bool = False
    session: str | None = None
    age: float | None = None
    sex: str | None = None
    site: str | None = None
    listed_as: str | None = None
    first_name: str = T1W

    @property
    def images(self) -> dict[str, Path]:
        """The files of all images by name, in their order."""
        return {self.first_name: self.first, **self.others}

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the images and of the labels."""
        return (self.first, *self.target, *self.others.values())


@dataclass(frozen=True)
class Layout:
    """A way in which a dataset's folder is organised.

    read: from the dataset's name, its folder and its entry in the configuration to its scans or natural images; None
        for images that are generated instead of read.
    example: a path that the layout reads, for error messages; ``{first}`` stands for the first image.
    keys: those keys of an entry that not every layout accepts.
    table: file and columns of the table of participants that is usual for the layout; None if it has no such table.
    unread: from the dataset's folder, its entry and the scans found to the people or images in it that gave none.
    unread_are: what these are, for a message; ``{first}`` stands for the first image.
    session_tables: where tables of the sessions of scans are, by ``listed_as`` (:class:`Scan`).
    """

    read: Callable[[str, Path, Mapping], list] | None
    example: str
    keys: frozenset[str]
    table: Mapping[str, str] | None = None
    unread: Callable[[Path, Mapping, list[Scan]], list[Path]] | None = None
    unread_are: str = "people without a {first} that is read"
    session_tables: Callable[[list[Scan]], Mapping[str, Path]] | None = None

    def find(self, name: str, folder: Path, entry: Mapping) -> list:
        """Scans or images of the dataset ``name`` in ``folder``; raises :class:`UserError` if there are none."""
        if found := self.read(name, folder, entry):
            return found
        example = self.example.replace("{first}", image_names(entry)[0])
        problem = "has nothing like" if list_folder(folder) else "is empty; it should hold"
        there = some_file(folder)
        held = f" (it holds {there.relative_to(folder)})" if there else ""
        flat = there and is_image(there) and entry["layout"] != "flat"
        raise UserError(
            f"datasets.{name}: {folder} {problem} {example} (layout {entry['layout']}); check folder and layout"
            f"{held}{', or use the layout flat, which reads any names' if flat else ''}."
        )


def image_names(entry: Mapping) -> list[str]:
    """The images of each person of a dataset, from its entry; layouts without the key ``images`` have a T1 alone."""
    return entry.get("images", [T1W])


def same_folder(entry: Mapping, other: Mapping) -> bool:
    """Whether two datasets, by their entries in the configuration, are read from one folder."""
    return "folder" in entry and entry["folder"] == other.get("folder")


def image_word(name: str) -> str:
    """An image's name as messages have it: ``T1w`` is a T1."""
    return "T1" if name == T1W else name


def image_title(name: str) -> str:
    """An image's name as text has it before the word image or scan."""
    titles = {"t1w": "T1-weighted", "t2w": "T2-weighted", "pdw": "proton-density-weighted", "flair": "FLAIR"}
    return titles.get(name.casefold(), name)


def alphanumeric(name: str) -> str:
    """A name without all but the letters A to Z and digits, as BIDS demands of the value of an entity."""
    return re.sub(r"[^A-Za-z0-9]", "", name)


def subject_label(person: str, session: str | None) -> str:
    """The name of a scan: its person and, where the layout names sessions, its session."""
    return alphanumeric(person) + (f"ses{alphanumeric(session)}" if session else "")


def is_image(path: Path) -> bool:
    """Whether a file has the name of an image."""
    return _IMAGE.fullmatch(path.name) is not None


def some_file(folder: str | os.PathLike) -> Path | None:
    """A file under a folder as an example for a message: an image, if one of the first files is; None without files."""
    files = list(itertools.islice(walk_files(folder), _LOOKED_AT))
    return next(filter(is_image, files), files[0] if files else None)


def list_folder(folder: str | os.PathLike) -> list[os.DirEntry]:
    """The entries of a folder by name, without hidden files; none if there is no such folder.

    Archives made on a Mac hold hidden companions such as ``._IXI002-T1.nii.gz``, which are not images.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not e.name.startswith(".")), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError:
        raise UserError(f"{folder} may not be listed; give yourself permission (chmod u+rx).") from None
    except OSError as error:
        raise UserError(f"{folder} cannot be listed ({error.strerror}); repair or remove the link.") from None


def is_folder(entry: os.DirEntry) -> bool:
    """Whether an entry is a folder or a link to one; raises :class:`UserError` for a link to itself."""
    try:
        return entry.is_dir()
    except OSError as error:
        raise UserError(f"{entry.path} leads nowhere ({error.strerror}); repair or remove the link.") from None


def find_folders(parent: str | os.PathLike, pattern: str = ".*") -> list[Path]:
    """The folders in ``parent`` whose whole name the regular expression ``pattern`` matches in any case, by name."""
    form = re.compile(pattern, re.IGNORECASE)
    return [Path(e.path) for e in list_folder(parent) if form.fullmatch(e.name) and is_folder(e)]


def find_files(folder: str | os.PathLike, pattern: str) -> list[tuple[Path, re.Match]]:
    """The files in ``folder`` whose whole name the regular expression ``pattern`` matches, with the match, by name.

    Capitals and small letters count as equal: some scanners and servers write ``.NII.GZ`` or ``_T1W``.
    """
    form = re.compile(pattern, re.IGNORECASE)
    found = ((entry, form.fullmatch(entry.name)) for entry in list_folder(folder))
    return [(Path(entry.path), match) for entry, match in found if match]


def walk_files(folder: str | os.PathLike, above: tuple[str, ...] = ()) -> Iterator[Path]:
    """Every file under a folder, following links to folders; a link back to a folder above is a :class:`UserError`."""
    real = os.path.realpath(folder)
    if real in above:
        raise UserError(f"{folder} is a link back to {real}, which holds it; remove the link.")
    for entry in list_folder(folder):
        if is_folder(entry):
            yield from walk_files(entry.path, (*above, real))
        else:
            yield Path(entry.path)


def in_data(key: str, named: str, data: str | os.PathLike | None) -> Path:
    """The path that a key of the configuration names, which may be relative to the folder ``data``.

    Raises :class:`UserError` for a relative path if that folder is not known (None).
    """
    path = Path(job.within_project(named))
    if os.path.isabs(named):
        return path
    if not data:
        raise UserError(f"{key} is relative; set data in the configuration, or HEADSTART_DATA.")
    return Path(data) / path


def name_pattern(key: str, written: str) -> re.Pattern:
    """The regular expression of files' names in a key of the configuration, with the group ``subject``.

    Raises :class:`UserError` for any other text.
    """
    try:
        pattern = re.compile(written)
    except re.error as error:
        raise UserError(f"{key} is not a regular expression ({error}); correct it.") from None
    if "subject" not in pattern.groupindex:
        raise UserError(f"{key} has no group (?P<subject>...); put it around the part that names the subject.")
    return pattern


def check_groups(match: re.Match, groups: Iterable[str]) -> re.Match:
    """The match; raises :class:`UserError` if one of these groups is no part of it, as one that may be left out."""
    for group in groups:
        if match[group] is None:
            raise UserError(
                f"the pattern {match.re.pattern} matches {match.string} without its group {group!r}; write the pattern "
                "so that it always has the group."
            )
    return match


def labels_folder(name: str, folder: Path, entry: Mapping, naming_key: str) -> Path | None:
    """The folder that ``labels`` of a dataset's entry names, None without it.

    ``naming_key``: the key of the entry that must then say how label files are named.
    """
    if "labels" not in entry:
        return None
    if naming_key not in entry:
        raise UserError(f"datasets.{name} has labels but no {naming_key}; say how the labels' files are named.")
    labels = folder / entry["labels"]
    if not labels.is_dir():
        raise UserError(f"datasets.{name}: the folder {labels} does not exist; check datasets.{name}.labels.")
    return labels


def check_file(path: Path) -> None:
    """Raise :class:`UserError` unless a file can be read, without opening it."""
    # Tables and logs hold one name per line; Snakemake takes braces for wildcards, and cannot be told otherwise.
    if not str(path).isprintable() or set("{}") & set(str(path)):
        raise UserError(f"{str(path)!r} has a brace, or a character that cannot be printed, in its name; rename it.")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise UserError(f"{path} is missing, or a link to a missing file; fetch it, or exclude the scan.") from None
    except OSError as error:
        raise UserError(f"{path} leads nowhere ({error.strerror}); repair the link, or exclude the scan.") from None
    if stat.S_ISDIR(mode):
        raise UserError(f"{path} is a folder, not an image; move the image in it to its place, or exclude the scan.")
    if not os.access(path, os.R_OK):
        raise UserError(f"{path} may not be read; give yourself permission (chmod u+r), or exclude the scan.")


def only_image(paths: list[Path], remedy: str, image: str = "T1") -> Path:
    """The only path in a list; raises :class:`UserError`, which names two of them and the remedy, if there are more.

    ``image``: what the paths are of one scan.
    """
    if len(paths) > 1:
        raise UserError(f"{paths[0]} and {paths[1].name} are both the {image} of one scan; {remedy}.")
    return paths[0]


def only_labels(paths: list[Path]) -> tuple[Path, ...]:
    """The paths of a scan's labels, at most one; raises :class:`UserError`, which names two of them, if there are more.

    For datasets in which a scan has one label file.
    """
    if len(paths) > 1:
        raise UserError(f"{paths[0]} and {paths[1].name} both label one scan; keep one.")
    return tuple(paths)
