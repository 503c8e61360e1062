"""What every layout is read into, and the looks at the disk that they share: names, links and permissions."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headstart.job import UserError


@dataclass(frozen=True)
class Scan:
    """One T1 scan.

    ``target``: its manual labels, one label map or any number of masks that are one lesion together (``masks`` says
    which); ``truth``: exact truths by name, of made-up people only; ``person``: the same for each scan of one human
    being, in whatever dataset entry; ``age`` in years, ``sex`` F, M or O. What the layout does not tell is None.
    """

    dataset: str
    subject: str
    person: str
    t1w: Path
    target: tuple[Path, ...] = ()
    truth: Mapping[str, Path] = field(default_factory=dict)
    masks: bool = False
    session: str | None = None
    age: float | None = None
    sex: str | None = None
    site: str | None = None


@dataclass(frozen=True)
class Layout:
    """How a dataset's folder is read, if it has one.

    ``read`` takes the dataset's name, its folder and its entry, and returns scans or natural images; ``looks_for``: an
    example of what it reads; ``keys``: of the entry, those that only some layouts take.
    """

    read: Callable[[str, Path, Mapping], list] | None
    looks_for: str
    keys: frozenset[str]

    def found(self, name: str, folder: Path, entry: Mapping) -> list:
        """What the layout finds in a folder; :class:`UserError` if that is nothing."""
        if found := self.read(name, folder, entry):
            return found
        held = "has nothing like" if listed(folder) else "is empty; it should hold"
        raise UserError(
            f"datasets.{name}: {folder} {held} {self.looks_for} (layout {entry['layout']}); check folder and layout."
        )


def alphanumeric(name: str) -> str:
    """A BIDS entity's value: the letters A to Z and digits of a name."""
    return re.sub(r"[^A-Za-z0-9]", "", name)


def subject_of(person: str, session: str | None) -> str:
    """The name of a scan: its person's and, where the layout names sessions, the session's."""
    return alphanumeric(person) + (f"ses{alphanumeric(session)}" if session else "")


def listed(folder: str | os.PathLike) -> list[os.DirEntry]:
    """What a folder holds, by name; nothing where there is no such folder. Hidden files are left out.

    Archives unpacked on a Mac hold hidden twins, such as ``._IXI002-T1.nii.gz``, which are no images.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not e.name.startswith(".")), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError:
        raise UserError(f"{folder} may not be listed; give yourself permission (chmod u+rx).") from None
    except OSError as error:
        raise UserError(f"{folder} cannot be listed ({error.strerror}); mend or remove the link.") from None


def is_folder(entry: os.DirEntry) -> bool:
    """Whether an entry is a folder or a link to one; a link that leads back to itself is a :class:`UserError`."""
    try:
        return entry.is_dir()
    except OSError as error:
        raise UserError(f"{entry.path} leads nowhere ({error.strerror}); mend or remove the link.") from None


def folders(parent: str | os.PathLike, pattern: str = ".*") -> list[Path]:
    """The folders in ``parent`` whose whole name the regular expression ``pattern`` matches, by name."""
    return [Path(e.path) for e in listed(parent) if re.fullmatch(pattern, e.name) and is_folder(e)]


def files(folder: str | os.PathLike, pattern: str) -> list[tuple[Path, re.Match]]:
    """The files in ``folder`` whose whole name the regular expression ``pattern`` matches, with the match, by name."""
    found = ((Path(entry.path), re.fullmatch(pattern, entry.name)) for entry in listed(folder))
    return [(path, match) for path, match in found if match]


def walked(folder: str | os.PathLike, above: tuple[str, ...] = ()) -> Iterator[Path]:
    """Every file under a folder, links to folders followed; a link back to a folder above is a :class:`UserError`."""
    real = os.path.realpath(folder)
    if real in above:
        raise UserError(f"{folder} is a link back to {real}, which holds it; remove the link.")
    for entry in listed(folder):
        if is_folder(entry):
            yield from walked(entry.path, (*above, real))
        else:
            yield Path(entry.path)


def labels_folder(name: str, folder: Path, entry: Mapping, needed: str) -> Path | None:
    """The folder that ``labels`` of a dataset's entry names, None without; the key ``needed`` says what lies there."""
    if "labels" not in entry:
        return None
    if needed not in entry:
        raise UserError(f"datasets.{name} has labels but no {needed}; say how the labels' files are named.")
    labels = folder / entry["labels"]
    if not labels.is_dir():
        raise UserError(f"datasets.{name}: the folder {labels} does not exist; check datasets.{name}.labels.")
    return labels


def check_file(path: Path) -> None:
    """Raise :class:`UserError` unless a file is there to be read, without opening it."""
    # Tables and logs hold one name a line; to Snakemake braces are wildcards, and no writing of them escapes that.
    if not str(path).isprintable() or set("{}") & set(str(path)):
        raise UserError(f"{str(path)!r} has a brace, or a character that cannot be printed, in its name; rename it.")
    try:
        path.stat()
    except FileNotFoundError:
        raise UserError(f"{path} is missing, or a link to a file that is; fetch it, or exclude the scan.") from None
    except OSError as error:
        raise UserError(f"{path} leads nowhere ({error.strerror}); mend the link, or exclude the scan.") from None
    if not os.access(path, os.R_OK):
        raise UserError(f"{path} may not be read; give yourself permission (chmod u+r), or exclude the scan.")


def one_of(paths: list[Path], remedy: str) -> Path:
    """The only path of a list that has one; more of them is a :class:`UserError` that names two."""
    if len(paths) > 1:
        raise UserError(f"{paths[0]} and {paths[1].name} are both the T1 of one scan; {remedy}.")
    return paths[0]
