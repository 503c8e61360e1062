"""Changes of how bright things are in a slice, as scanners and their settings differ.

Images are (B, I, H, W) float32 in [0, 1]; what a change leaves may lie outside, for the caller to clip. A parameter has
one value for each slice of a batch, (B,) float32 on the CPU, the same for all channels.
"""

import math

import torch
from torch.nn import functional

from headstart.training import devices
from headstart.training.warp import enlarge

# Control points of a bias field along each side, as in SynthSeg (Billot 2023).
BIAS_POINTS = 4
# A Gaussian is cut off at this many standard deviations.
_REACH = 3


def gamma(images: torch.Tensor, exponents: torch.Tensor) -> torch.Tensor:
    """Intensities to a power > 0; one above 1 darkens all but black and white.

    Not ``pow``, whose last bit depends on where threads divide a tensor.
    """
    return torch.exp(_each(exponents, images) * images.log())


def inverted_gamma(images: torch.Tensor, exponents: torch.Tensor) -> torch.Tensor:
    """The same for the negative of the images; an exponent above 1 brightens all but black and white."""
    return 1 - gamma(1 - images, exponents)


def brightness(images: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Intensities times a factor."""
    return images * _each(factors, images)


def contrast(images: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Differences from the mean of each channel times a factor, within the channel's range, as in nnU-Net."""
    mean, least, most = (reduce(images, (2, 3), keepdim=True) for reduce in (torch.mean, torch.amin, torch.amax))
    return torch.clamp((images - mean) * _each(factors, images) + mean, least, most)


def bias(images: torch.Tensor, strengths: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Intensities times a smooth field, such as a receiving coil leaves: 1 at its maximum, at least exp(-2 strength).

    ``points`` (B, 1, h, w), on the CPU: the field's logarithm at its control points for a strength of 1, in [-1, 1].
    The field darkens only: intensities end at 1, close to white matter, which would lose its contrast beyond.
    """
    field = enlarge(devices.send(points, images.device), images.shape[-2:]).clamp(-1, 1)
    return images * torch.exp(_each(strengths, images) * (field - field.amax((1, 2, 3), keepdim=True)))


def blur(images: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """Convolution with a Gaussian of ``sigmas`` > 0 pixels; the border's pixels continue beyond the border."""
    reach = math.ceil(_REACH * sigmas.max())
    weights = torch.exp(-((torch.arange(-reach, reach + 1) / sigmas[:, None]) ** 2) / 2)
    weights = devices.send(weights / weights.sum(1, keepdim=True), images.device)
    taps = [tap[:, None, None, None] for tap in weights.unbind(1)]
    for axis, padding in ((-2, (0, 0, reach, reach)), (-1, (reach, reach, 0, 0))):
        size, padded = images.shape[axis], functional.pad(images, padding, mode="replicate")
        images = sum(tap * padded.narrow(axis, start, size) for start, tap in enumerate(taps))
    return images


def low_resolution(images: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Keep a fraction ``factors`` of rows and of columns, and interpolate linearly between them, as nnU-Net does."""
    for axis in (-2, -1):
        size = images.shape[axis]
        kept = (size * factors).round().clamp(min=1)[:, None]
        place = ((torch.arange(size) + 0.5) * kept / size - 0.5).clamp(min=0).minimum(kept - 1)  # in kept pixels
        before = place.floor()
        after = (before + 1).minimum(kept - 1)
        near, far = (
            images.take_along_dim(_along(axis, ((number + 0.5) * size / kept).long(), images), axis)
            for number in (before, after)
        )
        images = near + _along(axis, place - before, images) * (far - near)
    return images


def noise(images: torch.Tensor, deviations: torch.Tensor, seed: int) -> torch.Tensor:
    """Add Gaussian noise, drawn on the device of the images."""
    generator = torch.Generator(images.device).manual_seed(seed)
    return images + _each(deviations, images) * torch.randn(images.shape, generator=generator, device=images.device)


def _each(values: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """One value for each slice, (B,) -> (B, 1, 1, 1) on the device of the images."""
    return devices.send(values, images.device)[:, None, None, None]


def _along(axis: int, values: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """One value for each row (axis -2) or column (axis -1) of each slice, (B, n) -> (B, 1, n, 1) or (B, 1, 1, n)."""
    values = devices.send(values, images.device)[:, None]
    return values[..., None] if axis == -2 else values[:, :, None]
