"""Made-up natural images, for studies without Taskonomy and ImageNet: photographs that hold cut-outs of others.

Each picture is a part of one of ten photographs, its place; before it lie one or two things, each a shape cut from
another photograph, one behind the other. What is where is known to the pixel, so the natural sources have something
to learn without a download. The photographs are those that ship inside scikit-image and scikit-learn.
"""

import itertools
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from headstart.job import UserError
from headstart.seeds import generator

# What a picture's place is: the classes of natural-classification.
PLACES = (
    "camera", "china", "clock_motion", "flower", "gravel", "hubble_deep_field", "ihc", "moon", "motorcycle_left",
    "rocket",
)  # fmt: skip
_CUT_FROM = ("brick", "chelsea", "coffee", "text")
_SHAPES = ("disc", "square", "triangle", "ring")
# What a picture shows: the classes of natural-segmentation, in the order of the labels 1, 2, ...
THINGS = ("background", *(f"{shape} of {photograph}" for photograph, shape in itertools.product(_CUT_FROM, _SHAPES)))

_MOST_THINGS = 2
# Range of a thing's width, and of what is seen of a place's photograph and of a thing's, as parts of the picture's or
# photograph's side. A thing looks much the same wherever it is, so that a few hundred pictures show what it is.
_THING = (0.8, 1.0)
_SEEN = {"place": (0.4, 0.9), "thing": (0.8, 1.0)}
_TURN = 0.3  # radians, either way
_BRIGHTNESS = (0.7, 1.0)


def scenes(first: int, last: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pictures ``first`` to ``last`` (the latter left out) of those that ``seed`` stands for.

    Returns images (N, size, size) float32 in [0, 1]; labels of the same shape, uint8, where :data:`THINGS` count from
    1; and places (N, 10) uint8, 1 in the column of the picture's place in :data:`PLACES`.
    """
    made = [_scene(size, generator(seed, "scene", number)) for number in range(first, last)]
    images, labels, places = (np.stack(part) for part in zip(*made, strict=True))
    return images, labels, np.eye(len(PLACES), dtype=np.uint8)[places]


def _scene(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    place = int(rng.integers(len(PLACES)))
    image = _part(PLACES[place], "place", size, rng)
    labels = np.ones((size, size), np.uint8)
    for _ in range(rng.integers(1, _MOST_THINGS + 1)):
        thing = int(rng.integers(1, len(THINGS)))
        photograph, shape = _CUT_FROM[(thing - 1) // len(_SHAPES)], _SHAPES[(thing - 1) % len(_SHAPES)]
        inside = _outline(shape, size, rng)
        image = np.where(inside, _part(photograph, "thing", size, rng), image)
        labels[inside] = thing + 1
    return image, labels, place


def _part(photograph: str, seen_as: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """A square part of a photograph, as it is or mirrored, somewhat darker; float32 (size, size)."""
    whole = _photograph(photograph)
    side = round(rng.uniform(*_SEEN[seen_as]) * min(whole.size))
    left, top = (int(rng.integers(room - side + 1)) for room in whole.size)
    part = whole.resize((size, size), Image.Resampling.BICUBIC, (left, top, left + side, top + side), reducing_gap=2)
    grey = np.asarray(part, np.float32) / 255 * np.float32(rng.uniform(*_BRIGHTNESS))
    return grey[:, ::-1] if rng.random() < 0.5 else grey


def _outline(shape: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """Where a shape of random width, place and turn lies: boolean (size, size)."""
    radius = rng.uniform(*_THING) * size / 2
    row, column = rng.uniform(radius, size - radius, 2)
    turn = rng.uniform(-_TURN, _TURN)
    down, right = np.mgrid[:size, :size] - np.array([row, column])[:, np.newaxis, np.newaxis]
    x, y = np.cos(turn) * right + np.sin(turn) * down, np.cos(turn) * down - np.sin(turn) * right
    distance = np.hypot(x, y)
    if shape == "disc":
        return distance <= radius
    if shape == "ring":
        return (distance <= radius) & (distance >= radius / 2)
    if shape == "square":
        return np.maximum(abs(x), abs(y)) <= radius / np.sqrt(2)
    # An equilateral triangle in the circle: on the near side of three lines at half its radius.
    angles = np.pi * np.array([1 / 2, 7 / 6, 11 / 6])
    return np.all([x * np.cos(angle) + y * np.sin(angle) <= radius / 2 for angle in angles], axis=0)


@cache
def _photograph(name: str) -> Image.Image:
    """One of the photographs, in grey, read without importing its package."""
    package, folder = ("sklearn", "datasets/images") if name in ("china", "flower") else ("skimage", "data")
    spec = find_spec(package)
    if spec is None:
        raise UserError(f"the package {package} is not installed; run `make setup` to install the lock.")
    (found,) = (Path(spec.submodule_search_locations[0]) / folder).glob(f"{name}.[jp]*g")
    with Image.open(found) as image:
        return image.convert("RGB").convert("L")
