"""A synthetic image for tests of registration."""

import numpy as np

from headstart.images import Volume


def blobs(grid, transform=None, bend=None):
    """An image without symmetry, sampled at the points of ``grid`` under ``transform`` plus displacements ``bend``."""
    points = np.moveaxis(np.indices(grid.shape), 0, -1) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    if transform is not None:
        points = points @ transform[:3, :3].T + transform[:3, 3]
    if bend is not None:
        points = points + bend(points)
    rng = np.random.default_rng(4)
    centres = [
        ((0, 0, 0), 14, 1.0),
        *((rng.uniform(-22, 22, 3), rng.uniform(3, 5), rng.uniform(-1, 1)) for _ in range(40)),
    ]
    values = sum(w * np.exp(-((points - c) ** 2).sum(-1) / (2 * r * r)) for c, r, w in centres)
    return Volume(values.astype(np.float32), grid.affine)
