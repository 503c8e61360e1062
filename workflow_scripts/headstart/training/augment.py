"""Random changes of slices while a network trains, on the device: turned, scaled, mirrored. Off unless asked for."""

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Augment:
    """How far each slice may be changed, anew each time it is seen.

    ``degrees``: turned by as much, either way; ``scale``: made larger or smaller by as large a share; ``mirror``:
    mirrored left to right, one in two. What comes into the picture from beyond its border is reflected at it.
    """

    degrees: float = 0.0
    scale: float = 0.0
    mirror: bool = False

    def __call__(
        self, images: torch.Tensor, targets: torch.Tensor | None, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Change images (B, 1, H, W), and with them label maps (B, H, W); other targets stay as they are.

        ``generator``, on the CPU, draws for every slice alone.
        """
        grid = functional.affine_grid(
            self._affines(len(images), generator).to(images.device), list(images.shape), align_corners=False
        )
        if targets is not None and targets.ndim == 3:
            targets = _sampled(targets[:, None].float(), grid, "nearest")[:, 0].to(targets.dtype)
        return _sampled(images, grid, "bilinear"), targets

    def _affines(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Affines from changed slices to the slices as they are, (count, 2, 3) in units of half a side."""
        turn, size, side = torch.rand(3, count, generator=generator)
        angle = torch.deg2rad((2 * turn - 1) * self.degrees)
        size = 1 + (2 * size - 1) * self.scale
        sign = torch.where(side < 0.5, -1.0, 1.0) if self.mirror else torch.ones(count)
        rows = [
            torch.stack([sign * angle.cos(), -angle.sin(), torch.zeros(count)], dim=1),
            torch.stack([sign * angle.sin(), angle.cos(), torch.zeros(count)], dim=1),
        ]
        return torch.stack(rows, dim=1) * size[:, None, None]


def _sampled(maps: torch.Tensor, grid: torch.Tensor, how: str) -> torch.Tensor:
    """Maps (B, 1, H, W) at the places of ``grid``."""
    return functional.grid_sample(maps, grid, mode=how, padding_mode="reflection", align_corners=False)
