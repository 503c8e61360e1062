"""What a network sees of a slice, as channels: each image of the scan, and in each the neighbouring slices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


def step_of(distance_mm: float | None, voxel_mm: float) -> int:
    """The distance of neighbours in whole slices: 1 for None, 0 for less than half a slice."""
    return 1 if distance_mm is None else round(distance_mm / voxel_mm)


@dataclass(frozen=True)
class Channels:
    """``images``: of each scan; ``neighbours``: slices on each side of a slice; ``step``: their distance, in slices.

    The slices of all scans are in one array: those of the first image of each scan, then those of the second, ...
    """

    images: int = 1
    neighbours: int = 0
    step: int = 1

    @classmethod
    def of(cls, metadata: Mapping) -> "Channels":
        """Those of a fine-tuned network, from its ``model.json``."""
        network = metadata["network"]
        return cls(network.get("images", 1), network.get("neighbours", 0), metadata.get("neighbour_step", 1))

    def rows(self, lengths: Sequence[int]) -> np.ndarray | None:
        """The numbers of the slices that are the channels of each slice, (N, I) int64; None for the slice alone.

        ``lengths``: slices of each scan, which follow each other, from bottom to top; N is their sum. Image after
        image, channels go from bottom to top, the slice itself in the middle. Beyond the ends of a scan, its last slice
        stands.
        """
        if self.images == 1 and not self.neighbours:
            return None
        offsets = self.step * np.arange(-self.neighbours, self.neighbours + 1)
        ends = np.cumsum(lengths)
        of_one_image = np.concatenate(
            [
                first + np.clip(np.arange(length)[:, np.newaxis] + offsets, 0, length - 1)
                for first, length in zip(ends - lengths, lengths, strict=True)
            ]
        )
        return np.concatenate([of_one_image + image * ends[-1] for image in range(self.images)], axis=1)
