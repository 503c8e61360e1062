"""Corruptions of slices that a network learns to undo: hidden patches, and the distortions of Models Genesis.

Images are (B, 1, H, W) float32 in [0, 1], before and after; all tensors are on one device. What happens to the slices
is drawn from a generator on the CPU, random values of pixels on the images' device.
"""

from collections.abc import Sequence

import torch

from headstart.training import devices

# How often a slice is shuffled, recoloured, and painted, and how often painting is inside: the defaults of Models
# Genesis (Zhou 2019, pytorch/config.py).
_OFTEN, _PAINTED_INSIDE = (0.5, 0.9, 0.9), 0.2
# Smallest and largest side of the rectangles of painting, as fractions of the slice's, and how many there are at most;
# each after the first follows the one before it with this probability (pytorch/utils.py).
_INSIDE, _OUTSIDE = (1 / 6, 1 / 3), (3 / 7, 4 / 7)
_RECTANGLES, _ANOTHER = 5, 0.95
# The largest block of shuffled pixels has this fraction of the slice's side.
_BLOCK = 0.1
# Points at which a curve of intensities is computed.
_POINTS = 256


def hide(images: torch.Tensor, fraction: float, patch: int, generator: torch.Generator) -> torch.Tensor:
    """Set a fraction of the patches of each slice to 0, as near as a whole number of patches comes to it.

    Patches are squares of ``patch`` pixels, side by side; the last ones are cut off where the slice ends.
    """
    size = images.shape[-1]
    side = patches_per_side(size, patch)
    rank = _draw(images, generator, side**2).argsort(dim=1, stable=True).argsort(dim=1)
    hidden = (rank < round(fraction * side**2)).view(-1, 1, side, side)
    pixels = hidden.repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    return images.masked_fill(pixels[..., :size, :size], 0)


def patches_per_side(size: int, patch: int) -> int:
    """Number of patches along a side of ``size`` pixels, one that is cut off included."""
    return -(-size // patch)


def distort(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Distort slices as Models Genesis does (Zhou 2019, section 2): shuffle, recolour, and paint inside or outside.

    Each happens to a part of the slices only. Mirroring, which it does too, is left to augmentation.
    """
    often = torch.rand(len(_OFTEN), len(images), generator=generator) < torch.tensor(_OFTEN)[:, None]
    for happens, change in zip(often, (_shuffled, _recoloured, _painted), strict=True):
        rows = devices.send(happens.nonzero()[:, 0], images.device)
        if len(rows):
            images = images.index_copy(0, rows, change(images[rows], generator))
    return images


def shuffle(images: torch.Tensor, blocks: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Permute the pixels within small rectangles, which leaves textures' histograms but not their details.

    A slice is divided into rectangles once, where Models Genesis shuffles 10,000 that overlap, one after the other.
    ``blocks`` (B, 4) in [0, 1): their height and width, from one pixel to a tenth of the slice, and where the first one
    begins; ``keys`` (B, 1, H, W) in [0, 1): the order of the pixels of a rectangle.
    """
    numbers = []
    for length, axis in zip(images.shape[-2:], blocks.view(-1, 2, 2).unbind(2), strict=True):
        extent = 1 + (axis[:, 0] * int(_BLOCK * length)).long()
        pixels = torch.arange(length, device=images.device)
        numbers.append((pixels + (axis[:, 1] * extent).long()[:, None]) // extent[:, None])
    rows, columns = numbers
    number = (rows[:, :, None] * (images.shape[-1] + 1) + columns[:, None]).flatten(1)
    own = number.argsort(dim=1, stable=True)
    drawn = (number + keys.flatten(1).double()).argsort(dim=1, stable=True)
    source = torch.empty_like(own).scatter(1, own, drawn)
    return images.flatten(1).gather(1, source).view_as(images)


def recolour(images: torch.Tensor, points: torch.Tensor, falling: torch.Tensor) -> torch.Tensor:
    """Map intensities by a cubic Bezier curve, which rises from 0 to 1, or falls from 1 to 0.

    ``points`` (B, 2, 2) in [0, 1]: the two inner control points, each an intensity and what it becomes, which keep the
    curve monotonic; ``falling`` (B,) bool. Between 256 points the curve is straight.
    """
    t = torch.linspace(0, 1, _POINTS, device=images.device)
    first, second = (weight[:, None] for weight in (3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2))
    curve = points[:, :1] * first + points[:, 1:] * second + t[:, None] ** 3  # (B, points, 2)
    given, becomes = curve.unbind(2)
    becomes = torch.where(falling[:, None], becomes.flip(1), becomes)
    given, values = given.cummax(1).values, images.flatten(1)  # rounding may let it fall
    after = torch.searchsorted(given, values).clamp(1, _POINTS - 1)
    low, high = given.gather(1, after - 1), given.gather(1, after)
    share = ((values - low) / (high - low).clamp(min=torch.finfo(torch.float32).tiny)).clamp(0, 1)
    return torch.lerp(becomes.gather(1, after - 1), becomes.gather(1, after), share).clamp(0, 1).view_as(images)


def rectangles(drawn: torch.Tensor, size: Sequence[int], least: torch.Tensor, most: torch.Tensor) -> torch.Tensor:
    """The pixels within any of the rectangles of each slice, (B, H, W) bool, for slices of ``size`` (H, W).

    ``drawn`` (B, 5, rectangles) in [0, 1): whether a rectangle follows the one before it, its height and width between
    the fractions ``least`` and ``most``, (B, 1), of the slice's, and its place among all at which it fits.
    """
    follows, height, width, top, left = drawn.unbind(1)
    there = torch.cat([torch.ones_like(follows[:, :1]), (follows[:, 1:] < _ANOTHER).cumprod(dim=1)], dim=1).bool()
    inside = []
    for length, extent, place in zip(size, (height, width), (top, left), strict=True):
        extent = (length * (least + (most - least) * extent)).round().long()
        start = (place * (length - extent + 1)).long()
        pixels = torch.arange(length, device=drawn.device)
        inside.append((pixels >= start[..., None]) & (pixels < (start + extent)[..., None]))
    rows, columns = inside
    return (there[..., None, None] & rows[..., None] & columns[:, :, None]).any(1)


def _shuffled(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return shuffle(images, _draw(images, generator, 4), _draw_pixels(images, generator))


def _recoloured(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return recolour(images, _draw(images, generator, 2, 2), _draw(images, generator) < 0.5)


def _painted(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Random values inside or outside some rectangles."""
    inside = _draw(images, generator, 1) < _PAINTED_INSIDE
    least, most = (torch.where(inside, *sides) for sides in zip(_INSIDE, _OUTSIDE, strict=True))
    within = rectangles(_draw(images, generator, 5, _RECTANGLES), images.shape[-2:], least, most)
    painted = (within == inside[..., None])[:, None]
    return torch.where(painted, _draw_pixels(images, generator), images)


def _draw(images: torch.Tensor, generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Random numbers in [0, 1) for each slice, (B, *shape): the same on every device."""
    return devices.send(torch.rand(len(images), *shape, generator=generator), images.device)


def _draw_pixels(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A random number in [0, 1) for each pixel, drawn on the images' device: too many to be copied there."""
    seed = int(torch.randint(2**31, (), generator=generator))
    return torch.rand(images.shape, generator=torch.Generator(images.device).manual_seed(seed), device=images.device)
