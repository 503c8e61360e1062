"""Predictions of one model on disk: a compressed ``.npz`` with one array per scan."""

import os
import zipfile
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from headstart.job import UserError, atomic

PathLike = str | os.PathLike


def write(path: PathLike, predictions: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write the prediction of each scan, (N, H, W) uint8, in the same bytes as ``np.savez_compressed``.

    A thread compresses a prediction while the next one is made, and one that waits is held in memory.
    """
    with (
        atomic(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
        ThreadPoolExecutor(1) as thread,
    ):
        written = None
        for scan, labels in predictions:
            if written:
                written.result()
            written = thread.submit(_add, archive, scan, labels)
        if written:
            written.result()


def read(path: PathLike, scan: str) -> np.ndarray:
    """The prediction of a scan, (N, H, W) uint8.

    Raises :class:`UserError` naming the file if it is missing or damaged, or lacks the scan.
    """
    remedy = "delete it and run again."
    try:
        with np.load(path, allow_pickle=False) as archive:
            if scan not in archive:
                raise UserError(f"{path} has no prediction of {scan}; {remedy}")
            return archive[scan]
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; run the study again.") from None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} is damaged or truncated ({error}); {remedy}") from error


def _add(archive: zipfile.ZipFile, scan: str, labels: np.ndarray) -> None:
    with archive.open(f"{scan}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, labels, allow_pickle=False)
