"""The slices that a network sees beside each slice, as further channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


def step_of(distance_mm: float | None, voxel_mm: float) -> int:
    """The distance of neighbours in whole slices: 1 for None, 0 for less than half a slice."""
    return 1 if distance_mm is None else round(distance_mm / voxel_mm)


@dataclass(frozen=True)
class Neighbours:
    """``count``: slices on each side of a slice; ``step``: their distance, in slices."""

    count: int = 0
    step: int = 1

    @classmethod
    def of(cls, metadata: Mapping) -> "Neighbours":
        """Those of a fine-tuned network, from its ``model.json``."""
        return cls(metadata["network"].get("neighbours", 0), metadata.get("neighbour_step", 1))

    def rows(self, lengths: Sequence[int]) -> np.ndarray | None:
        """The numbers of the slices that each slice is seen with, (N, 2 * count + 1) int64; None for slices alone.

        ``lengths``: slices of each scan, which follow each other, from bottom to top; N is their sum. The columns go
        from bottom to top, the slice itself in the middle. Beyond the ends of a scan, its last slice stands.
        """
        if not self.count:
            return None
        offsets = self.step * np.arange(-self.count, self.count + 1)
        ends = np.cumsum(lengths)
        return np.concatenate(
            [
                first + np.clip(np.arange(length)[:, np.newaxis] + offsets, 0, length - 1)
                for first, length in zip(ends - lengths, lengths, strict=True)
            ]
        )
