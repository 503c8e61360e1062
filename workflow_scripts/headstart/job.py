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
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("headstart")

# A disk with fewer free bytes counts as full.
_ALMOST_NOTHING = 2**20
# Seconds without a write after which a partial file counts as abandoned, whichever machine wrote it.
_ABANDONED = 24 * 3600
# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


class UserError(Exception):
    """An error that the user can fix.

    Its message is one sentence that names the file or key and the remedy; several errors take one line each.
    """


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
    partial = path.with_name(f".partial-{_here()}-{os.getpid()}-{path.name}")
    try:
        yield partial
        os.chmod(partial, 0o666 & ~_umask())  # some libraries give access to their user only
        with open(partial, "rb") as written:
            os.fsync(written.fileno())
        os.replace(partial, path)
    except Exception as error:
        # Only some libraries pass on the system's message when a disk is full.
        if os.strerror(errno.ENOSPC) not in str(error) and shutil.disk_usage(path.parent).free >= _ALMOST_NOTHING:
            raise
        raise UserError(f"the disk is full: {path} could not be written; free some space and run again.") from error
    finally:
        partial.unlink(missing_ok=True)


def check_writable(folder: str | os.PathLike) -> None:
    """Create a folder if need be; raises :class:`UserError` if it cannot be written to."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}); make it writable, or set results to another folder in the "
            "configuration."
        ) from None


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
    form = re.compile(r"\.partial-([0-9a-f]+)-(\d+)-" + re.escape(path.name))
    with os.scandir(path.parent) as entries:
        partials = [(entry.path, match) for entry in entries if (match := form.fullmatch(entry.name))]
    for partial, match in partials:
        with contextlib.suppress(FileNotFoundError):
            gone = match[1] == _here() and not _alive(int(match[2]))
            if gone or time.time() - os.stat(partial).st_mtime > _ABANDONED:
                os.unlink(partial)


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


def read_json(path: str | os.PathLike) -> dict | list:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
