"""Synthetic subjects with the anatomy of a small template."""

import pytest
from ellipsoids import ellipsoids
from settings_of import recipe

from headstart.images import Grid
from headstart.phantom.subject import make_subject
from headstart.template.template import Template


@pytest.fixture(scope="session")
def template() -> Template:
    return ellipsoids()


@pytest.fixture(scope="session")
def coarse() -> dict:
    """Parameters of a recipe for scans that take a fraction of a second."""
    return {"voxel_mm": (2.8, 3.2)}


@pytest.fixture(scope="session")
def healthy(template, coarse):
    return make_subject(template, recipe(**coarse), seed=1)


@pytest.fixture(scope="session")
def strokes(template, coarse):
    return [make_subject(template, recipe("stroke", **coarse), seed) for seed in range(6)]


@pytest.fixture(scope="session")
def sclerotic(template):
    return make_subject(template, recipe("ms", voxel_mm=(1.5, 1.5)), seed=3)


@pytest.fixture(scope="session")
def grid(template) -> Grid:
    return template.t1.grid
