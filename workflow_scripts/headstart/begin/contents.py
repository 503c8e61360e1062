"""What is in the files of a folder: voxel sizes of the scans, values and volumes of the labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cc3d
import numpy as np

from headstart import image_files
from headstart.datasets import headers, intake
from headstart.datasets.intake import LabelFormat
from headstart.datasets.scan import Scan
from headstart.images import Grid
from headstart.job import UserError

# Refused files that a message names.
_NAMED = 5


@dataclass(frozen=True)
class Contents:
    """What the files of a folder's scans hold.

    voxel_mm: sizes along the array's axes, by the path of a scan; volumes: mL of each value other than 0, by value, by
    subject of the scans with labels; empty: subjects whose labels are 0 everywhere; masks: whether the files are masks,
    of which 1 is the only value; piece_ml: where there is one value alone, half of its volume in a scan is in connected
    pieces (26 neighbours) of at least this volume, as the median over the scans; otherwise None.
    """

    voxel_mm: Mapping[Path, tuple[float, float, float]]
    volumes: Mapping[str, Mapping[int, float]]
    empty: tuple[str, ...]
    masks: bool
    piece_ml: float | None

    @property
    def values(self) -> list[int]:
        """The values of the labels, rising."""
        return sorted(set().union(*self.volumes.values()))


def read(scans: Sequence[Scan], mask_above: float | None) -> Contents:
    """Read the headers of scans, and the labels of those that have some.

    ``mask_above``: as in the dataset's entry. Raises :class:`UserError` with a line for each file that must be repaired
    or left out first.
    """
    voxel_mm, volumes, empty, refused, pieces = {}, {}, [], [], []
    for scan in scans:
        try:
            _, shape, affine = image_files.read_header(scan.first)
            grid = Grid(shape, affine)
            voxel_mm[scan.first] = tuple(headers.check(scan.first, grid)[0]["voxel_mm"])
            if not scan.target:
                continue
            labels, _ = intake.read_labels(scan.target, scan.first, LabelFormat(scan.masks, mask_above))
        except UserError as error:
            refused.append(str(error))
            continue
        counts = {int(value): int(n) for value, n in zip(*np.unique(labels.data, return_counts=True), strict=True)}
        if negative := [value for value in counts if value < 0]:
            refused.append(f"{scan.target[0]} has the negative value {negative[0]}; save it with values from 0 on.")
        found = {value: n * grid.voxel_ml for value, n in counts.items() if value}
        if found:
            volumes[scan.subject] = found
            if len(found) == 1:
                pieces.append(_piece_ml(labels.data, grid))
        else:
            empty.append(scan.subject)
    if refused:
        more = [f"and {len(refused) - _NAMED} more."] if len(refused) > _NAMED else []
        raise UserError("\n".join([*refused[:_NAMED], *more]))
    masks = all(scan.masks for scan in scans if scan.target)
    alone = len(set().union(*volumes.values())) == 1
    return Contents(voxel_mm, volumes, tuple(empty), masks, float(np.median(pieces)) if alone else None)


def _piece_ml(labels: np.ndarray, grid: Grid) -> float:
    """The largest volume in mL such that pieces of at least this volume hold half of what is not 0."""
    numbered = cc3d.connected_components(np.ascontiguousarray(labels != 0), connectivity=26)
    falling = np.sort(np.bincount(numbered.ravel())[1:])[::-1]
    return float(falling[np.searchsorted(np.cumsum(falling), falling.sum() / 2)] * grid.voxel_ml)
