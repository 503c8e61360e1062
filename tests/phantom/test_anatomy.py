"""The mapping: invertible, of the size in the recipe, and consistent with the landmarks."""

import numpy as np
import pytest
from settings_of import recipe

from headstart.phantom.anatomy import apply_affine, draw_mapping
from headstart.phantom.fields import lattice_shape, upsample


def jacobian(mapping, low, high, step=3.0, delta=0.25):
    """Determinants of the mapping's derivative, by central differences, at points of a box in native mm."""
    sides = [np.arange(a, b, step) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*sides, indexing="ij")).reshape(3, -1)
    columns = [
        (mapping.to_template(points + delta * unit[:, None]) - mapping.to_template(points - delta * unit[:, None]))
        / (2 * delta)
        for unit in np.eye(3)
    ]
    return np.linalg.det(np.stack(columns, axis=-1).transpose(1, 0, 2))


@pytest.mark.parametrize("seed", range(3))
def test_jacobian_is_positive_throughout_the_head(grid, seed):
    mapping = draw_mapping(grid, np.array([0, -17, 8.0]), recipe(), "F", np.random.default_rng(seed))
    determinants = jacobian(mapping, (-110, -130, -130), (110, 130, 120), step=6.0)
    assert determinants.min() > 0.1


def test_the_mapping_can_be_inverted(grid):
    mapping = draw_mapping(grid, np.array([0, -17, 8.0]), recipe(), "M", np.random.default_rng(4))
    native = np.random.default_rng(0).uniform(-70, 70, (3, 200))
    template = mapping.to_template(native)
    close = template.copy()
    for _ in range(100):
        close += 0.7 * (template - mapping.warp(close))
    back = apply_affine(np.linalg.inv(mapping.affine), close)
    assert np.abs(back - native).max() < 1e-4


@pytest.mark.parametrize("warp_mm", [2.0, 6.0])
def test_displacements_have_about_the_length_of_the_recipe(grid, warp_mm):
    mapping = draw_mapping(grid, np.zeros(3), recipe(warp_mm=warp_mm), "F", np.random.default_rng(0))
    length = np.sqrt((mapping.displacement**2).sum(axis=0).mean())
    assert length == pytest.approx(warp_mm, rel=0.15)


def test_landmarks_have_the_labels_of_the_template(healthy, template):
    native, there = healthy.landmarks[:, :3].T, healthy.landmarks[:, 3:].T
    assert native.shape == (3, 500)
    at_native = np.rint(apply_affine(np.linalg.inv(healthy.brain.affine), native)).astype(int)
    at_template = np.rint(apply_affine(np.linalg.inv(template.brain.affine), there)).astype(int)
    assert healthy.brain.data[tuple(at_native)].all()
    shares = np.stack([template.csf.data, template.gm.data, template.wm.data])[(slice(None), *at_template)]
    expected = np.where(template.brain.data[tuple(at_template)] > 0, shares.argmax(axis=0) + 1, 0)
    deep = template.structures.data[tuple(at_template)]
    assert (healthy.structures.data[tuple(at_native)] == deep).mean() > 0.93
    assert (healthy.tissue.data[tuple(at_native)] == expected).mean() > 0.85
    np.testing.assert_allclose(healthy.mapping.to_template(native), there, atol=1e-9)


def test_upsampling_is_linear_between_lattice_points():
    shape, steps = (9, 7, 5), np.array([4, 3, 1])
    lattice = np.indices(lattice_shape(shape, steps)).astype(np.float64)
    plane = 2 * 4 * lattice[0] - 3 * lattice[1] + 5 * lattice[2]
    i, j, k = np.indices(shape)
    np.testing.assert_allclose(upsample(plane, steps, shape), 2 * i - j + 5 * k, atol=1e-4)
