"""Synthetic natural images, for studies without Taskonomy and ImageNet: photographs with cut-outs of others.

Each image is a part of one of ten photographs, its place; in front of it are one or two things, each a shape cut from
another photograph, the later one on top. Labels are exact to the pixel, so the natural sources can be trained without a
download. The photographs come with the packages scikit-image and scikit-learn.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from headstart.job import UserError
from headstart.phantom.scene_classes import CUT_FROM, PLACES, SHAPES, THINGS
from headstart.seeds import generator

_MAX_THINGS = 2
# Range of a thing's width relative to the image's side, and of the side of the part of a photograph that is shown,
# relative to the photograph's. A thing varies little, so that a few hundred images are enough to learn it.
_THING_WIDTH = (0.8, 1.0)
_SHOWN_SIDE = {"place": (0.4, 0.9), "thing": (0.8, 1.0)}
_MAX_ROTATION = 0.3  # radians
_BRIGHTNESS = (0.7, 1.0)


def scenes(first: int, last: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Generate the images with the numbers ``first`` to ``last``, which is excluded, for a seed.

    Returns images (N, size, size) float32 in [0, 1]; labels of the same shape, uint8, which number :data:`THINGS` from
    1; and places (N, 10) uint8, 1 in the column of the image's place in :data:`PLACES`.
    """
    made = [_scene(size, generator(seed, "scene", number)) for number in range(first, last)]
    images, labels, places = (np.stack(part) for part in zip(*made, strict=True))
    return images, labels, np.eye(len(PLACES), dtype=np.uint8)[places]


def _scene(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    place = int(rng.integers(len(PLACES)))
    image = _part(PLACES[place], "place", size, rng)
    labels = np.ones((size, size), np.uint8)
    for _ in range(rng.integers(1, _MAX_THINGS + 1)):
        thing = int(rng.integers(1, len(THINGS)))
        photograph, shape = CUT_FROM[(thing - 1) // len(SHAPES)], SHAPES[(thing - 1) % len(SHAPES)]
        inside = _outline(shape, size, rng)
        image = np.where(inside, _part(photograph, "thing", size, rng), image)
        labels[inside] = thing + 1
    return image, labels, place


def _part(photograph: str, role: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random square part of a photograph, possibly mirrored, somewhat darker; float32 (size, size)."""
    whole = _photograph(photograph)
    side = round(rng.uniform(*_SHOWN_SIDE[role]) * min(whole.size))
    left, top = (int(rng.integers(extent - side + 1)) for extent in whole.size)
    part = whole.resize((size, size), Image.Resampling.BICUBIC, (left, top, left + side, top + side), reducing_gap=2)
    grey = np.asarray(part, np.float32) / 255 * np.float32(rng.uniform(*_BRIGHTNESS))
    return grey[:, ::-1] if rng.random() < 0.5 else grey


def _outline(shape: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """Mask of a shape with random width, position and rotation: boolean (size, size)."""
    radius = rng.uniform(*_THING_WIDTH) * size / 2
    row, column = rng.uniform(radius, size - radius, 2)
    rotation = rng.uniform(-_MAX_ROTATION, _MAX_ROTATION)
    down, right = np.mgrid[:size, :size] - np.array([row, column])[:, np.newaxis, np.newaxis]
    x, y = np.cos(rotation) * right + np.sin(rotation) * down, np.cos(rotation) * down - np.sin(rotation) * right
    distance = np.hypot(x, y)
    if shape == "disc":
        return distance <= radius
    if shape == "ring":
        return (distance <= radius) & (distance >= radius / 2)
    if shape == "square":
        return np.maximum(abs(x), abs(y)) <= radius / np.sqrt(2)
    # The equilateral triangle in the circle is bounded by three lines at a distance of half its radius.
    angles = np.pi * np.array([1 / 2, 7 / 6, 11 / 6])
    return np.all([x * np.cos(angle) + y * np.sin(angle) <= radius / 2 for angle in angles], axis=0)


@cache
def _photograph(name: str) -> Image.Image:
    """One of the photographs in grey, read without importing its package."""
    package, folder = ("sklearn", "datasets/images") if name in ("china", "flower") else ("skimage", "data")
    spec = find_spec(package)
    if spec is None:
        raise UserError(f"the package {package} is not installed; run `make setup` to install the lock.")
    (found,) = (Path(spec.submodule_search_locations[0]) / folder).glob(f"{name}.[jp]*g")
    with Image.open(found) as image:
        return image.convert("RGB").convert("L")
