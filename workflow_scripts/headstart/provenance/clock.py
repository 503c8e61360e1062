"""Files dated in the future by a wrong clock: Snakemake would rerun the jobs that depend on them each time."""

import os
import time
from collections.abc import Iterable, Iterator
from datetime import datetime

from headstart.job import UserError

PathLike = str | os.PathLike
# Seconds by which clocks may differ and file systems may round.
_TOLERANCE = 2


def check(paths: Iterable[PathLike]) -> None:
    """Raise :class:`UserError` naming the first file that is dated in the future; missing files are ignored."""
    for path in paths:
        if _in_future(path):
            date = datetime.fromtimestamp(os.path.getmtime(path)).isoformat(" ", "minutes")
            raise UserError(f"{path} is dated in the future ({date}); touch it, or correct the machine's clock.")


def set_back(folder: PathLike) -> list[str]:
    """Set files in a folder that are dated in the future to the current time; returns their paths."""
    changed = [path for path in _files(folder) if _in_future(path)]
    for path in changed:
        os.utime(path)
    return changed


def _files(folder: PathLike) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        yield from (path for name in names if not os.path.islink(path := os.path.join(parent, name)))


def _in_future(path: PathLike) -> bool:
    """Whether a file is dated in the future; False if it does not exist."""
    try:
        return os.path.getmtime(path) > time.time() + _TOLERANCE
    except FileNotFoundError:
        return False
