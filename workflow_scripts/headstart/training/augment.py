"""Random augmentation of slices during training, in batches on the device.

``Augment`` is for any slices, ``PhotoAugment`` for natural images; :func:`augmentation` makes either from a study's
settings. Both are called with images (B, I, H, W) float32 in [0, 1], targets, and a generator on the CPU,
seeded for the step; label maps (B, H, W) change with their images, other targets are returned unchanged. The same seed
gives the same bytes on one kind of device, with any number of threads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch

from headstart.training import devices, intensity
from headstart.training.warp import ELASTIC_POINTS, affines, warp

Targets = torch.Tensor | None

# Changes of intensities, in the order in which they are applied: contrast of tissues, coil, resolution, noise.
_INTENSITY = {
    "inverted_gamma": intensity.inverted_gamma,
    "gamma": intensity.gamma,
    "brightness": intensity.brightness,
    "contrast": intensity.contrast,
    "bias": intensity.bias,
    "blur": intensity.blur,
    "low_resolution": intensity.low_resolution,
    "noise": intensity.noise,
}
_SPATIAL = ("rotation", "scale", "shear", "elastic")
# The value of each kind that changes nothing: 1 for factors and exponents, 0 for the others.
_FACTORS = ("scale", "inverted_gamma", "gamma", "brightness", "contrast", "low_resolution")
_NEUTRAL = {name: float(name in _FACTORS) for name in (*_SPATIAL, *_INTENSITY)}


@dataclass(frozen=True)
class Chance:
    """How often a change happens to a slice, and how strong it is then: evenly distributed from ``low`` to ``high``."""

    probability: float
    low: float
    high: float


_NEVER = Chance(0, 0, 0)


@dataclass(frozen=True)
class Draws:
    """What is drawn for the slices of a batch, on the CPU.

    ``values``: of each kind of change, (B,) float32, its neutral value where it does not happen; ``mirror`` (B,) bool;
    ``shifts`` (B, 2, h, w) of the elastic deformation and ``field`` (B, 1, h, w) of the bias, both in [-1, 1], for
    strengths of 1; ``seed`` of the noise.
    """

    values: Mapping[str, torch.Tensor]
    mirror: torch.Tensor
    shifts: torch.Tensor
    field: torch.Tensor
    seed: int

    def affines(self, rows: torch.Tensor | slice = slice(None)) -> torch.Tensor:
        """Affines of some slices, (n, 2, 3), as :func:`headstart.training.warp.affines` makes them."""
        return affines(*(self.values[name][rows] for name in ("rotation", "scale", "shear")))

    def elastic(self, rows: torch.Tensor | slice = slice(None)) -> torch.Tensor:
        """Shifts of the elastic deformation of some slices, (n, 2, h, w)."""
        return self.shifts[rows] * self.values["elastic"][rows][:, None, None, None]


@dataclass(frozen=True)
class Augment:
    """Random changes of slices, drawn again each time a slice is seen, for each slice and kind separately.

    ``rotation``: degrees; ``scale``: factor of the head's size; ``shear``: degrees; ``elastic``: largest shift of a
    control point, as a fraction of the side (:func:`headstart.training.warp.warp`); ``mirror``: mirror left to right
    with probability 1/2. ``gamma``: exponent, and for the negative ``inverted_gamma``; ``brightness``: factor;
    ``contrast``: factor of differences from the mean; ``bias``: see :func:`headstart.training.intensity.bias`;
    ``blur``: standard deviation in pixels; ``low_resolution``: fraction of rows and of columns that are kept;
    ``noise``: standard deviation, of intensities in [0, 1].

    A kind with probability 0, or whose value changes nothing (0 degrees, factor 1), leaves a slice as it is, to the
    byte.
    """

    rotation: Chance
    scale: Chance
    shear: Chance
    elastic: Chance
    mirror: bool
    gamma: Chance
    inverted_gamma: Chance
    brightness: Chance
    contrast: Chance
    bias: Chance
    blur: Chance
    low_resolution: Chance
    noise: Chance

    def __call__(
        self, images: torch.Tensor, targets: Targets, generator: torch.Generator
    ) -> tuple[torch.Tensor, Targets]:
        """Change images (B, I, H, W) and, with them, label maps (B, H, W); see the module."""
        drawn = self.draw(len(images), generator)
        images, targets = _moved(images, targets, drawn)
        if self.mirror:
            images = mirrored(images, drawn)
            targets = mirrored(targets, drawn) if _are_maps(targets) else targets
        return self.change_intensities(images, drawn), targets

    def draw(self, count: int, generator: torch.Generator) -> Draws:
        """Draw the changes of a number of slices."""
        # All is drawn, needed or not: what a kind does to a slice does not depend on the settings of the others.
        happens, amount = torch.rand(2, len(_NEUTRAL), count, generator=generator)
        mirror = torch.rand(count, generator=generator) < 0.5
        shifts = 2 * torch.rand(count, 2, ELASTIC_POINTS, ELASTIC_POINTS, generator=generator) - 1
        field = 2 * torch.rand(count, 1, intensity.BIAS_POINTS, intensity.BIAS_POINTS, generator=generator) - 1
        seed = int(torch.randint(2**31, (), generator=generator))
        values = {
            name: values_of(getattr(self, name), neutral, *pair)
            for (name, neutral), *pair in zip(_NEUTRAL.items(), happens, amount, strict=True)
        }
        return Draws(values, mirror, shifts, field, seed)

    def change_intensities(self, images: torch.Tensor, drawn: Draws) -> torch.Tensor:
        """Images (B, I, H, W) in [0, 1] after the changes of intensities alone."""
        for name, change in _INTENSITY.items():
            rows = (drawn.values[name] != _NEUTRAL[name]).nonzero()[:, 0]
            if len(rows):
                extra = {"bias": (drawn.field[rows],), "noise": (drawn.seed,)}.get(name, ())
                there = devices.send(rows, images.device)
                changed = change(images[there], drawn.values[name][rows], *extra).clamp(0, 1)
                images = images.index_copy(0, there, changed)
        return images


@dataclass(frozen=True)
class PhotoAugment:
    """Limits of the random change of each natural image, which is drawn again each time the image is seen.

    ``degrees``: largest rotation in either direction; ``scale``: largest relative change of size; ``mirror``: mirror
    left to right with probability 1/2. Beyond the border the image is reflected.
    """

    degrees: float
    scale: float
    mirror: bool

    def __call__(
        self, images: torch.Tensor, targets: Targets, generator: torch.Generator
    ) -> tuple[torch.Tensor, Targets]:
        """Change images (B, 1, H, W) and, with them, label maps (B, H, W); see the module."""
        affine = self._affines(len(images), generator)
        labels = targets if _are_maps(targets) else None
        images, labels = warp(images, labels, affine, padding="reflection")
        return images, targets if labels is None else labels

    def _affines(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Affines from changed to original images, (count, 2, 3) in units of half a side."""
        turn, size, side = torch.rand(3, count, generator=generator)
        angle = torch.deg2rad((2 * turn - 1) * self.degrees)
        size = 1 + (2 * size - 1) * self.scale
        sign = torch.where(side < 0.5, -1.0, 1.0) if self.mirror else torch.ones(count)
        rows = [
            torch.stack([sign * angle.cos(), -angle.sin(), torch.zeros(count)], dim=1),
            torch.stack([sign * angle.sin(), angle.cos(), torch.zeros(count)], dim=1),
        ]
        return torch.stack(rows, dim=1) * size[:, None, None]


Augmentation = Augment | PhotoAugment


def augmentation(settings: Mapping) -> Augmentation:
    """The augmentation for the settings of a study: those of natural images, or kinds, of which others never happen."""
    if settings.keys() == {field.name for field in fields(PhotoAugment)}:
        return PhotoAugment(**settings)
    chances = {name: Chance(**settings[name]) if name in settings else _NEVER for name in _NEUTRAL}
    return Augment(**chances, mirror=settings.get("mirror", False))


def values_of(chance: Chance, neutral: float, happens: torch.Tensor, amount: torch.Tensor) -> torch.Tensor:
    """The values of a kind of change, ``neutral`` where it does not happen, from two numbers in [0, 1) for each."""
    drawn = chance.low + (chance.high - chance.low) * amount
    return torch.where(happens < chance.probability, drawn, neutral)


def mirrored(maps: torch.Tensor, drawn: Draws) -> torch.Tensor:
    """Images (B, I, H, W) or label maps (B, H, W), of which those drawn are mirrored left to right."""
    which = devices.send(drawn.mirror, maps.device).view(-1, *[1] * (maps.ndim - 1))
    return torch.where(which, maps.flip(-1), maps)


def _moved(images: torch.Tensor, targets: Targets, drawn: Draws) -> tuple[torch.Tensor, Targets]:
    """Slices after their spatial changes. Those without any are not sampled, and keep their bytes."""
    rows = torch.stack([drawn.values[name] != _NEUTRAL[name] for name in _SPATIAL]).any(0).nonzero()[:, 0]
    if not len(rows):
        return images, targets
    there = devices.send(rows, images.device)
    labels = targets[there] if _are_maps(targets) else None
    moved, labels = warp(images[there], labels, drawn.affines(rows), drawn.elastic(rows))
    images = images.index_copy(0, there, moved.clamp(0, 1))
    return images, targets if labels is None else targets.index_copy(0, there, labels)


def _are_maps(targets: Targets) -> bool:
    """Whether targets are label maps, which change with their images."""
    return targets is not None and targets.ndim == 3
