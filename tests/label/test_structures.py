"""Structures of a scan from an atlas."""

from functools import partial

import numpy as np
from blobs import blobs

from headstart import images
from headstart.images import Grid, Volume
from headstart.label.structures import _around, structures
from headstart.template.template import Template


def bend(points):
    """Displacements of up to 4 mm that vary in space."""
    return 4 * np.sin(points[..., [1, 2, 0]] / 16)


def anatomy(grid, bend=None):
    """Two balls with FIRST's values, under displacements ``bend``."""
    points = np.moveaxis(np.indices(grid.shape), 0, -1) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    if bend is not None:
        points = points + bend(points)
    labels = np.zeros(grid.shape, np.uint8)
    for value, centre in ((10, (-9, 0, 0)), (49, (9, 0, 0))):
        labels[np.linalg.norm(points - centre, axis=-1) < 7] = value
    return Volume(labels, grid.affine)


def test_structures_follow_a_scan_that_is_deformed_shifted_and_rotated():
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -49
    space = Grid((50, 50, 50), affine)
    t1, labels = blobs(space), anatomy(space)
    whole = Volume(np.ones(space.shape, np.uint8), affine)
    reference = Template(t1, whole, whole, whole, whole, labels, labels)
    to_scan = np.array([[0, -1.0, 0, 120], [1, 0, 0, -80], [0, 0, 1, 40], [0, 0, 0, 1]])
    native = Grid((50, 50, 50), to_scan @ affine @ np.diag([1.0, 1, 1, 1]))
    scan = Volume(1000 * blobs(space, bend=bend).data + 50, native.affine)
    exact = anatomy(space, bend).data
    label = partial(structures, scan, whole, to_scan, reference, warp_mm=2, warp_iterations=(100, 60, 30), threads=1)
    found = label(space)
    for value in (10, 49):
        before, after = (dice(data == value, exact == value) for data in (labels.data, found.data))
        assert before < 0.8 < 0.85 < after
    coarse = label(space.coarsened(4))
    np.testing.assert_array_equal(coarse.data, images.resample_labels(found, space.coarsened(4)).data)


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_the_box_contains_all_labels_and_stays_within_the_image():
    labels = np.zeros((40, 50, 60), np.uint8)
    labels[2:5, 20:24, 50:58] = 1
    affine = np.diag([-2.0, 3, 1, 1])
    affine[:3, 3] = (7, 8, 9)
    box = _around(Volume(labels, affine))
    assert box.shape == (5 + 8, 4 + 2 * 5, 8 + 15 + 2)
    np.testing.assert_allclose(box.affine @ [0, 0, 0, 1], affine @ [0, 15, 35, 1])
