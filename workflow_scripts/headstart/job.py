"""What every job shares: its log, its errors, and writing that appears whole or not at all."""

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
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("headstart")

# Bytes: a disk with less than this is full.
_HARDLY_ANY = 2**20
# Seconds after which a file that nobody writes to was left behind, on whatever machine.
_ABANDONED = 24 * 3600
# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


class UserError(Exception):
    """A mistake the user can mend.

    Its message is one sentence that names the file or key and the remedy; of several mistakes, a line for each.
    """


@contextlib.contextmanager
def running(name: str, log: str | os.PathLike) -> Iterator[logging.Logger]:
    """Run a job's body with its log open: everything logged goes to ``log``, tracebacks included.

    A :class:`UserError` ends the process with its one sentence on standard error and exit status 1; any other
    exception is logged with its traceback and raised again.
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
    """Let this process keep what it frees, for its next array, where the C library is glibc.

    glibc hands large arrays back to the system at once, and each new one is then faulted in page by page (its manual,
    Malloc Tunable Parameters); docs/methods.md says what that costs.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)


@contextlib.contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; on success it is flushed to disk and renamed into place.

    The suffix is kept, because image libraries choose the format by it. On an exception nothing is left, and what was
    there before is intact; a full disk is a :class:`UserError`. What a process that was killed (which no process can
    tidy up after) left of an earlier try is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    partial = path.with_name(f".partial-{_here()}-{os.getpid()}-{path.name}")
    try:
        yield partial
        os.chmod(partial, 0o666 & ~_umask())  # some libraries write for their user alone
        with open(partial, "rb") as written:
            os.fsync(written.fileno())
        os.replace(partial, path)
    except Exception as error:
        # Libraries differ in what they raise when a disk is full: some pass on what the system says, others do not.
        if os.strerror(errno.ENOSPC) not in str(error) and shutil.disk_usage(path.parent).free >= _HARDLY_ANY:
            raise
        raise UserError(f"the disk is full: {path} could not be written; free some space and run again.") from error
    finally:
        partial.unlink(missing_ok=True)


def check_writable(folder: str | os.PathLike) -> None:
    """Make a folder, and raise :class:`UserError` if nothing can be written to it."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = f"{folder} cannot be written ({error.strerror})"
        raise UserError(f"{why}; make it writable, or name another folder as results in the configuration.") from None


@functools.cache
def _umask() -> int:
    """Which permissions this process's files shall not have; it can be asked only by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sweep(path: Path) -> None:
    """Remove partial files of ``path`` whose writer is gone.

    On a cluster another machine may be writing the same file: its processes cannot be seen from here, so theirs go only
    once nothing was written to them for a day. Were that one alive after all, its renaming would fail, and its job with
    it: no file is ever mixed of two writers', since each has a partial file of its own.
    """
    form = re.compile(r"\.partial-([0-9a-f]+)-(\d+)-" + re.escape(path.name))
    with os.scandir(path.parent) as entries:
        left = [(entry.path, match) for entry in entries if (match := form.fullmatch(entry.name))]
    for partial, match in left:
        with contextlib.suppress(FileNotFoundError):
            gone = match[1] == _here() and not _alive(int(match[2]))
            if gone or time.time() - os.stat(partial).st_mtime > _ABANDONED:
                os.unlink(partial)


@functools.cache
def _here() -> str:
    """Where process numbers mean the same: this machine and, in a container, its own numbering; as eight digits."""
    try:
        numbering = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        numbering = 0
    return hashlib.sha256(f"{platform.node()} {numbering}".encode()).hexdigest()[:8]


def _alive(process: int) -> bool:
    """Whether a process of this machine is there, be it another user's."""
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
    """Write JSON atomically, with sorted keys, so that equal content is equal bytes."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_table(path: str | os.PathLike, table: "pd.DataFrame") -> None:
    """Write a table atomically, tab-separated, numbers to six significant digits, missing ones as ``n/a`` (BIDS)."""
    write_text(path, table.to_csv(sep="\t", index=False, float_format="%.6g", na_rep="n/a", lineterminator="\n"))


def read_json(path: str | os.PathLike) -> dict | list:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
