"""The classes of synthetic natural images. Imports nothing heavy."""

from itertools import product

# The photographs of places: the classes of natural-classification.
PLACES = (
    "camera", "china", "clock_motion", "flower", "gravel", "hubble_deep_field", "ihc", "moon", "motorcycle_left",
    "rocket",
)  # fmt: skip
# The photographs that things are cut from, and their shapes.
CUT_FROM = ("brick", "chelsea", "coffee", "text")
SHAPES = ("disc", "square", "triangle", "ring")
# Names of the labels 1, 2, ...: the classes of natural-segmentation.
THINGS = ("background", *(f"{shape} of {photograph}" for photograph, shape in product(CUT_FROM, SHAPES)))
