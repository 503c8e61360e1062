"""Files dated in the future, by a clock that is fast or was wrong: Snakemake would make what hangs on them for ever."""

import os
import time
from collections.abc import Iterable, Iterator
from datetime import datetime

from headstart.job import UserError

PathLike = str | os.PathLike
# Seconds by which clocks may differ, and file systems round.
_SLACK = 2


def check(paths: Iterable[PathLike]) -> None:
    """Raise :class:`UserError` for the first of the files, those that are missing left out, dated in the future."""
    for path in paths:
        if _ahead(path):
            date = datetime.fromtimestamp(os.path.getmtime(path)).isoformat(" ", "minutes")
            raise UserError(f"{path} is dated in the future ({date}); touch it, or set the machine's clock right.")


def set_back(folder: PathLike) -> list[str]:
    """Date what a folder holds of the future as of now; the files that were."""
    ahead = [path for path in _files(folder) if _ahead(path)]
    for path in ahead:
        os.utime(path)
    return ahead


def _files(folder: PathLike) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        yield from (path for name in names if not os.path.islink(path := os.path.join(parent, name)))


def _ahead(path: PathLike) -> bool:
    """Whether a file is of the future; one that is gone is not."""
    try:
        return os.path.getmtime(path) > time.time() + _SLACK
    except FileNotFoundError:
        return False
