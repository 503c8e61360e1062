"""Changes of where things are in a slice: of its image and, with it, its label map.

Images are (B, I, H, W) float32, square, label maps (B, H, W) uint8; columns run from left to right, rows downwards.
A parameter has one value for each slice of a batch, (B,) float32 on the CPU. Images are interpolated linearly, label
maps take the nearest value.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional

from headstart.training import devices

# Control points of an elastic deformation along each side of a slice.
ELASTIC_POINTS = 8


def warp(
    images: torch.Tensor,
    labels: torch.Tensor | None,
    affine: torch.Tensor,
    shifts: torch.Tensor | None = None,
    padding: str = "zeros",
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Apply an affine and an elastic deformation at once, so that a slice is interpolated once.

    ``padding``: what lies beyond the border, "zeros" (the air around a head, and the background) or "reflection".
    ``affine`` (B, 2, 3), on the CPU: see :func:`affines`. ``shifts`` (B, 2, h, w), likewise: displacements of control
    points, in columns and rows, as fractions of the side. Shifts up to a sixth of the distance between the points
    leave the derivatives of the field at about 1/2 or less (cubic interpolation is up to 1.5 times as steep as a
    straight line), so that nothing folds.
    """
    grid = positions(images.shape[-2:], images.device, affine, shifts)
    if labels is not None:
        labels = pick(labels, grid, padding)
    return _sample(images, grid, "bilinear", padding), labels


def positions(
    size: Sequence[int], device: torch.device, affine: torch.Tensor, shifts: torch.Tensor | None = None
) -> torch.Tensor:
    """Where each pixel of changed slices lies in the original, (B, H, W, 2), in units of half a side.

    ``size``: H and W, which may differ from those of the original; ``affine`` and ``shifts``: see :func:`warp`.
    """
    grid = functional.affine_grid(devices.send(affine, device), [len(affine), 1, *size], align_corners=False)
    if shifts is not None and shifts.any():
        grid = grid + 2 * enlarge(devices.send(shifts, device), size).permute(0, 2, 3, 1)
    return grid


def pick(labels: torch.Tensor, grid: torch.Tensor, padding: str = "zeros") -> torch.Tensor:
    """The values of label maps (B, H, W) that are nearest to the :func:`positions` ``grid``."""
    return _sample(labels[:, None].float(), grid, "nearest", padding)[:, 0].to(labels.dtype)


def affines(rotation: torch.Tensor, scale: torch.Tensor, shear: torch.Tensor) -> torch.Tensor:
    """Affines from changed to original slices, (B, 2, 3), in units of half a side, as ``affine_grid`` takes them.

    About the centre, what a slice shows is sheared, enlarged and rotated. ``rotation``: degrees, clockwise where rows
    run downwards; ``scale``: 2 for twice as large; ``shear``: degrees by which columns lean.
    """
    angle, slant = torch.deg2rad(rotation), torch.deg2rad(shear).tan()
    # The inverse, as changed slices look up the original: rotated back, made smaller, sheared back.
    cos, sin, none = angle.cos() / scale, angle.sin() / scale, torch.zeros_like(angle)
    rows = [torch.stack([cos + slant * sin, sin - slant * cos, none], dim=1), torch.stack([-sin, cos, none], dim=1)]
    return torch.stack(rows, dim=1)


def enlarge(points: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Values at control points (B, C, h, w), spread evenly over a slice -> a smooth field (B, C, H, W)."""
    return functional.interpolate(points, tuple(size), mode="bicubic", align_corners=False)


def _sample(maps: torch.Tensor, grid: torch.Tensor, mode: str, padding: str) -> torch.Tensor:
    """Maps (B, I, H, W) interpolated at the positions of ``grid``."""
    return functional.grid_sample(maps, grid, mode=mode, padding_mode=padding, align_corners=False)
