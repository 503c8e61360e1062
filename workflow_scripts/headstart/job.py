"""What every job needs: its log, errors of users, and atomic writes."""

import contextlib
import ctypes
import errno
import functools
import hashlib
import json
import logging
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("headstart")

# A disk with fewer free bytes counts as full.
_ALMOST_NOTHING = 2**20
# Seconds without a write after which a partial file counts as abandoned, whichever machine wrote it.
_ABANDONED = 24 * 3600
# What the system says of a full disk, and of a user's full quota, which a disk's free bytes do not show.
_NO_SPACE = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT)))
# Longest name, in bytes, that a partial file takes over whole: with its prefix it stays below any file system's limit.
_WHOLE_NAME = 100
# Columns that hold names, in all tables.
_NAMES = ("subject", "dataset", "target", "source", "person", "session", "site")
# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


class UserError(Exception):
    """An error that the user can fix.

    Its message is one sentence that names the file or key and the remedy; several errors take one line each.
    """


def one_line(error: Exception) -> str:
    """What a library said, for a sentence: on one line, without the full stop."""
    return " ".join(str(error).split()).rstrip(".")


def shown(texts: Iterable[object], most: int = 5, separator: str = ", ") -> str:
    """The first of several texts for a message, each once, with the number of the others."""
    texts = list(dict.fromkeys(map(str, texts)))
    more = f"{separator.rstrip(', ')} and {len(texts) - most} more" if len(texts) > most else ""
    return separator.join(texts[:most]) + more


@contextlib.contextmanager
def running(name: str, log: str | os.PathLike) -> Iterator[logging.Logger]:
    """Context of a job: everything that is logged goes to the file ``log``, tracebacks included.

    A :class:`UserError` ends the process with its message on standard error and exit status 1; any other exception is
    logged with its traceback and raised again.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(log, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    keep_freed_memory()
    started = time.monotonic()
    logger.info("%s: started", name)
    try:
        yield logger
        logger.info("%s: done in %.1f s", name, time.monotonic() - started)
    except UserError as error:
        logger.error("%s: %s", name, error)
        sys.exit(f"headstart: {name}: {error}")
    except BaseException:
        logger.exception("%s: failed", name)
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()


def keep_freed_memory() -> None:
    """Let this process reuse freed memory for its next arrays, if the C library is glibc.

    glibc returns large arrays to the system at once, and each new one is then faulted in page by page (glibc manual,
    Malloc Tunable Parameters); docs/methods.md has the cost.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)


@contextlib.contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is flushed to disk and renamed to ``path``.

    The suffix is kept, because image libraries choose the format by it. On an exception the temporary file is removed
    and an earlier ``path`` stays as it was; a full disk raises :class:`UserError`. Temporary files that killed
    processes left behind are removed as well.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    partial = path.with_name(f".partial-{_here()}-{os.getpid()}-{_partial_end(path.name)}")
    try:
        yield partial
        # Some libraries give access to their user only; some file systems (CIFS, NTFS) have no permissions to set.
        with contextlib.suppress(OSError):
            os.chmod(partial, 0o666 & ~_umask())
        with open(partial, "rb") as written:
            os.fsync(written.fileno())
        os.replace(partial, path)
    except Exception as error:
        if not _is_full(path.parent, error):
            raise
        raise UserError(f"the disk is full: {path} could not be written; free some space and run again.") from error
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def scratch_folder() -> Iterator[None]:
    """Context whose current folder is a new, empty one on the disk of temporary files, which is removed afterwards.

    Tools called with names relative to it never see the path of the temporary folder. ANTs reads brackets and commas in
    a path as its own syntax, and FSL's scripts split a path at spaces. Raises :class:`UserError` if no temporary folder
    can be made, or its disk is full.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix="headstart-")
    except OSError as error:
        raise UserError(
            f"no temporary folder can be made ({error.strerror}); set TMPDIR to a folder that can be written to."
        ) from error
    with made as folder, contextlib.chdir(folder):
        try:
            yield
        except Exception as error:
            if not _is_full(folder, error):
                raise
            raise UserError(
                f"the disk of temporary files is full ({os.path.dirname(folder)}); free some space there, or set "
                "TMPDIR to a folder with more, and run again."
            ) from error


def _is_full(folder: str | os.PathLike, error: Exception) -> bool:
    """Whether an error was caused by a full disk; only some libraries pass on the system's message."""
    return any(text in str(error) for text in _NO_SPACE) or shutil.disk_usage(folder).free < _ALMOST_NOTHING


@functools.cache
def longest_name(folder: str | os.PathLike) -> int:
    """Largest number of bytes in the name of a file in ``folder``, which need not exist yet."""
    whole = Path(folder).absolute()
    return os.pathconf(next(place for place in (whole, *whole.parents) if place.exists()), "PC_NAME_MAX")


def check_writable(folder: str | os.PathLike) -> None:
    """Raise :class:`UserError` if a folder, which need not exist yet, cannot be written to or created."""
    whole = Path(folder).absolute()
    try:
        # A broken link, as to a disk that is not mounted, is in the way of a folder.
        with tempfile.TemporaryFile(dir=next(place for place in (whole, *whole.parents) if os.path.lexists(place))):
            pass
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}); make it writable, or set results to another folder in the "
            "configuration."
        ) from None


def within_project(path: str) -> str:
    """A path from the current folder, the project's, for an absolute one within it; any other as it is.

    Snakemake knows files by their names: a project that is copied with its data then has the same names.
    """
    inside = os.path.isabs(path) and path.startswith(os.getcwd() + os.sep)
    return os.path.relpath(path) if inside else path


@functools.cache
def _umask() -> int:
    """The process's umask, which can be read only by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sweep(path: Path) -> None:
    """Remove partial files of ``path`` whose writer no longer runs.

    On a cluster another machine may be writing the same file. Its processes cannot be seen from here, so its partial
    files are removed only after a day without a write. If such a writer were still alive, its rename and its job would
    fail; two writers never mix in one file, since each has its own partial file.
    """
    form = re.compile(r"\.partial-([0-9a-f]+)-(\d+)-" + re.escape(_partial_end(path.name)))
    with os.scandir(path.parent) as entries:
        partials = [(entry.path, match) for entry in entries if (match := form.fullmatch(entry.name))]
    for partial, match in partials:
        with contextlib.suppress(FileNotFoundError):
            gone = match[1] == _here() and not _alive(int(match[2]))
            if gone or time.time() - os.stat(partial).st_mtime > _ABANDONED:
                os.unlink(partial)


def _partial_end(name: str) -> str:
    """The end of the name of a partial file of ``name``: the name itself, or a hash and the last letters of a long one.

    The prefix must not push a name that a file system accepts over its limit.
    """
    if len(os.fsencode(name)) <= _WHOLE_NAME:
        return name
    return f"{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}{name[-20:]}"


@functools.cache
def _here() -> str:
    """Eight digits for this machine and PID namespace (of a container), within which process numbers are unique."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = 0
    return hashlib.sha256(f"{platform.node()} {namespace}".encode()).hexdigest()[:8]


def _alive(process: int) -> bool:
    """Whether a process of this machine runs, even if it belongs to another user."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum(path: str | os.PathLike) -> dict[str, int | str]:
    """``bytes`` and ``sha256`` of a file."""
    return {"bytes": os.path.getsize(path), "sha256": sha256(path)}


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Write bytes atomically."""
    with atomic(path) as partial:
        partial.write_bytes(content)


def write_json(path: str | os.PathLike, content: object) -> None:
    """Write JSON atomically, with sorted keys, so that equal content gives equal bytes."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_table(path: str | os.PathLike, table: "pd.DataFrame") -> None:
    """Write a table atomically: tab-separated, six significant digits, missing values as ``n/a`` (BIDS)."""
    write_text(path, table.to_csv(sep="\t", index=False, float_format="%.6g", na_rep="n/a", lineterminator="\n"))


def read_table(path: str | os.PathLike, dtype: dict | None = None) -> "pd.DataFrame":
    """Read a table that :func:`write_table` wrote; names are text, and only ``n/a`` is a missing value.

    ``dtype``: types of columns other than those of names. Subjects may be called ``NA``, ``nan``, ``012`` or ``1e5``,
    which pandas would take for missing values and numbers.
    """
    import pandas as pd

    names = dict.fromkeys(_NAMES, str)
    return pd.read_csv(path, sep="\t", keep_default_na=False, na_values=["n/a"], dtype=names | (dtype or {}))


def read_json(path: str | os.PathLike) -> dict | list:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
