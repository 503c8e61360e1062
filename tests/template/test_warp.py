"""Deformations: applying them, and finding them with greedy."""

import hashlib

import numpy as np
from blobs import blobs

from headstart.images import Grid, Volume
from headstart.template.warp import Warp


def test_a_warp_moves_images_and_labels_by_its_displacements():
    grid = Grid((12, 12, 12), np.eye(4))
    steps = np.zeros((12, 12, 12, 3), np.float32)
    steps[..., 1] = 3
    warp = Warp(grid, steps)
    data = np.random.default_rng(1).integers(0, 4, (12, 12, 12)).astype(np.uint8)
    np.testing.assert_array_equal(warp.labels(Volume(data, np.eye(4)), grid).data[:, :9], data[:, 3:])
    np.testing.assert_allclose(warp.image(Volume(data.astype(np.float32), np.eye(4)), grid).data[:, :9], data[:, 3:])


def bend(points):
    """Displacements of up to 5 mm that vary in space."""
    return 5 * np.sin(points[..., [1, 2, 0]] / 16)


def grid(shape, spacing, sign=(1, 1, 1)):
    """A grid around the origin, with its axes reversed where ``sign`` is negative."""
    affine = np.diag([*(np.array(spacing) * sign), 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


def test_a_deformation_is_found_for_any_axes():
    """The fixed image is the moving one sampled at displaced points: the warp has the same displacements."""
    fixed, moving = grid((48, 48, 48), (2, 2, 2)), grid((60, 50, 44), (-2, 2, 2.4))
    warp = Warp.register(blobs(fixed, bend=bend), blobs(moving), iterations=(100, 100, 60), threads=1)
    points = np.moveaxis(np.indices(fixed.shape), 0, -1) @ fixed.affine[:3, :3].T + fixed.affine[:3, 3]
    centre = np.linalg.norm(points, axis=-1) < 25
    error = np.linalg.norm(warp.displacement - bend(points), axis=-1)[centre]
    assert error.mean() < 0.8 < 3 < np.linalg.norm(bend(points), axis=-1)[centre].mean()


def test_a_deformation_is_repeatable_with_one_thread():
    fixed = grid((24, 24, 24), (4, 4, 4))
    pair = blobs(fixed, bend=bend), blobs(fixed)
    found = [Warp.register(*pair, iterations=(20, 10, 5), threads=1).displacement.tobytes() for _ in range(2)]
    assert len({hashlib.sha256(field).hexdigest() for field in found}) == 1
