"""Synthetic natural images."""

import numpy as np
import pytest

from headstart.phantom import scenes


@pytest.fixture(scope="module")
def made():
    return scenes.scenes(0, 60, 64, seed=1)


def test_shapes_types_and_ranges(made):
    images, labels, places = made
    assert images.shape == labels.shape == (60, 64, 64)
    assert places.shape == (60, len(scenes.PLACES))
    assert images.dtype == np.float32
    assert labels.dtype == places.dtype == np.uint8
    assert images.min() >= 0
    assert images.max() <= 1
    assert labels.min() == 1
    assert labels.max() <= len(scenes.THINGS) == 17
    assert (places.sum(axis=1) == 1).all()


def test_all_things_and_places_appear_and_some_background_remains(made):
    _, labels, places = made
    assert places.any(axis=0).all()
    assert set(np.unique(labels)) == set(range(1, 18))
    assert all((label == 1).mean() > 0.05 for label in labels)


def test_an_image_depends_only_on_the_seed_and_its_number(made):
    part = scenes.scenes(20, 23, 64, seed=1)
    for whole, piece in zip(made, part, strict=True):
        np.testing.assert_array_equal(whole[20:23], piece)
    assert not np.array_equal(scenes.scenes(0, 1, 64, seed=2)[0], made[0][:1])


def test_labels_are_exactly_where_the_things_are(monkeypatch):
    """If each photograph has one brightness, that of an image follows from its labels."""
    brightness = dict(zip((*scenes.PLACES, *scenes.CUT_FROM), np.linspace(0.1, 0.9, 14), strict=True))
    monkeypatch.setattr(scenes, "_part", lambda name, _, size, rng: np.full((size, size), brightness[name], np.float32))
    images, labels, places = scenes.scenes(0, 20, 64, seed=3)
    cut = np.repeat([brightness[name] for name in scenes.CUT_FROM], 4)
    for image, label, place in zip(images, labels, places, strict=True):
        ground = brightness[scenes.PLACES[place.argmax()]]
        np.testing.assert_allclose(image, np.array([0, ground, *cut])[label], rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "area"), [("disc", np.pi), ("square", 2), ("ring", 3 / 4 * np.pi), ("triangle", 3 * 3**0.5 / 4)]
)
def test_outlines_have_the_area_of_their_shape(shape, area, monkeypatch):
    monkeypatch.setattr(scenes, "_THING_WIDTH", (0.4, 0.4))
    found = [scenes._outline(shape, 200, np.random.default_rng(seed)).sum() for seed in range(5)]
    assert found == pytest.approx([area * 40**2] * 5, rel=0.03)
