"""Deformable registration, which moves an atlas onto a scan; the interface to greedy.

Greedy diffeomorphic registration (Yushkevich 2016) maximises the normalised cross-correlation within small cubes, which
is insensitive to bias fields. With one thread a deformation is the same in each run, byte for byte; several threads add
their results in the order in which they finish.
"""

from collections.abc import Sequence

import numpy as np
import SimpleITK
from picsl_greedy import Greedy3D
from scipy import ndimage

from headstart.images import LPS_FROM_RAS, Grid, Volume, indicators, vote

# NCC over cubes of 5 voxels per side; sigmas in voxels of the Gaussians over each update and over the whole field; none
# of greedy's own noise, which differs in each run.
_SETTINGS = "-m NCC 2x2x2 -s 1.732vox 0.707vox -e 0.5 -noise 0"
# Noise, as a share of the range, without which the correlation in a cube of air would be one of rounding errors.
_NOISE = 1e-3


class Warp:
    """A deformation that maps images of the moving space to the fixed grid.

    Built by :meth:`register`; ``displacement`` is float32 (X, Y, Z, 3): for each voxel of ``grid`` (in RAS+ axes of the
    fixed space) the vector in RAS+ mm to the corresponding point of the moving space. Beyond the grid, the vectors at
    its border apply.
    """

    def __init__(self, grid: Grid, displacement: np.ndarray):
        """Store a displacement field on the fixed grid."""
        self.grid = grid
        self.displacement = displacement

    @classmethod
    def register(cls, fixed: Volume, moving: Volume, *, iterations: Sequence[int], threads: int) -> "Warp":
        """Find the deformation from ``fixed`` to ``moving``, which must be aligned by an affine already.

        ``iterations``: numbers of steps at 4, 2 and 1 times the voxel size of ``fixed``.
        """
        steps = "x".join(str(count) for count in iterations)
        greedy = Greedy3D()
        greedy.execute(
            f"-d 3 -V 0 -i fixed moving {_SETTINGS} -n {steps} -threads {threads} -o field",
            fixed=_to_sitk(_with_noise(fixed, seed=1)),
            moving=_to_sitk(_with_noise(moving, seed=2)),
            field=None,
        )
        field = SimpleITK.GetArrayFromImage(greedy["field"]).transpose(2, 1, 0, 3)
        return cls(fixed.grid, field.astype(np.float32) * np.diag(LPS_FROM_RAS)[:3].astype(np.float32))

    def image(self, volume: Volume, grid: Grid) -> Volume:
        """Resample an image of the moving space on ``grid`` in the fixed space (linear, 0 outside)."""
        points = self._voxels(volume, grid)
        return Volume(ndimage.map_coordinates(volume.data, points, order=1, mode="grid-constant", cval=0), grid.affine)

    def labels(self, volume: Volume, grid: Grid) -> Volume:
        """Resample a label map of the moving space on ``grid``; each voxel takes the label with the largest share."""
        points = self._voxels(volume, grid)

        def share(indicator: np.ndarray) -> np.ndarray:
            # Only points in the box around the label are sampled: most labels are much smaller than the grid.
            box = ndimage.find_objects(indicator.astype(np.uint8))[0]
            near = np.all([(p > side.start - 1) & (p < side.stop) for p, side in zip(points, box, strict=True)], axis=0)
            sampled = np.zeros(grid.shape, np.float32)
            sampled[near] = ndimage.map_coordinates(indicator, points[:, near], order=1, mode="grid-constant", cval=0)
            return sampled

        shares = ((label, share(indicator)) for label, indicator in indicators(volume.data))
        return Volume(vote(shares, grid.shape, volume.data.dtype), grid.affine)

    def _voxels(self, volume: Volume, grid: Grid) -> np.ndarray:
        """(3, X, Y, Z) float32 voxel indices of ``volume`` for each voxel of ``grid``."""
        voxels = np.indices(grid.shape, dtype=np.float32).reshape(3, -1)
        points = grid.affine[:3, :3] @ voxels + grid.affine[:3, 3:]
        field_from_ras = np.linalg.inv(self.grid.affine)
        where = field_from_ras[:3, :3] @ points + field_from_ras[:3, 3:]
        points += [ndimage.map_coordinates(self.displacement[..., a], where, order=1, mode="nearest") for a in range(3)]
        image_from_ras = np.linalg.inv(volume.affine)
        return (image_from_ras[:3, :3] @ points + image_from_ras[:3, 3:]).astype(np.float32).reshape(3, *grid.shape)


def _with_noise(volume: Volume, seed: int) -> Volume:
    noise = np.random.default_rng(seed).standard_normal(volume.data.shape, np.float32)
    return Volume(volume.data + _NOISE * np.ptp(volume.data) * noise, volume.affine)


def _to_sitk(volume: Volume) -> SimpleITK.Image:
    """The image as ITK stores it (float32, axes reversed, LPS+ mm)."""
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(volume.data.T, dtype=np.float32))
    affine = LPS_FROM_RAS @ volume.affine
    image.SetSpacing(volume.grid.spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / volume.grid.spacing).ravel().tolist())
    return image
