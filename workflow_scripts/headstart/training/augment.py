"""Random augmentation of slices during training, on the device: rotation, scaling, mirroring."""

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Augment:
    """Limits of the random change of each slice, which is drawn again each time the slice is seen.

    ``degrees``: largest rotation in either direction; ``scale``: largest relative change of size; ``mirror``: mirror
    left to right with probability 1/2. Beyond the border the image is reflected.
    """

    degrees: float
    scale: float
    mirror: bool

    def __call__(
        self, images: torch.Tensor, targets: torch.Tensor | None, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Change images (B, 1, H, W) and, with them, label maps (B, H, W); other targets are returned unchanged.

        ``generator``, on the CPU, draws for each slice separately.
        """
        grid = functional.affine_grid(
            self._affines(len(images), generator).to(images.device), list(images.shape), align_corners=False
        )
        if targets is not None and targets.ndim == 3:
            targets = _sample(targets[:, None].float(), grid, "nearest")[:, 0].to(targets.dtype)
        return _sample(images, grid, "bilinear"), targets

    def _affines(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Affines from changed to original slices, (count, 2, 3) in units of half a side."""
        turn, size, side = torch.rand(3, count, generator=generator)
        angle = torch.deg2rad((2 * turn - 1) * self.degrees)
        size = 1 + (2 * size - 1) * self.scale
        sign = torch.where(side < 0.5, -1.0, 1.0) if self.mirror else torch.ones(count)
        rows = [
            torch.stack([sign * angle.cos(), -angle.sin(), torch.zeros(count)], dim=1),
            torch.stack([sign * angle.sin(), angle.cos(), torch.zeros(count)], dim=1),
        ]
        return torch.stack(rows, dim=1) * size[:, None, None]


def _sample(maps: torch.Tensor, grid: torch.Tensor, mode: str) -> torch.Tensor:
    """Maps (B, 1, H, W) interpolated at the positions of ``grid``."""
    return functional.grid_sample(maps, grid, mode=mode, padding_mode="reflection", align_corners=False)
