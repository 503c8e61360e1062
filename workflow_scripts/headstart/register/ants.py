"""The interface to ANTs, which hides its axes (LPS+), its files and its threads.

All other modules use :class:`headstart.images.Volume` and (4, 4) matrices in RAS+ mm. ANTs is run with a fixed seed.
With one thread its results are then the same in each run, byte for byte; several threads add their results in the order
in which they finish. ITK reads the number of threads only once, when a process first uses it.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import ants
import numpy as np

from headstart import job
from headstart.images import LPS_FROM_RAS, Volume, read_affine
from headstart.job import UserError

_SEED = 1
# Characters of ANTs' messages, which end with the reason, that are shown.
_SHOWN = 200


def to_ants(volume: Volume) -> ants.ANTsImage:
    """The image as ANTs stores it (float32, LPS+ mm)."""
    affine = LPS_FROM_RAS @ volume.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    return ants.from_numpy(
        np.ascontiguousarray(volume.data, dtype=np.float32),
        origin=affine[:3, 3].tolist(),
        spacing=spacing.tolist(),
        direction=affine[:3, :3] / spacing,
    )


def _make_repeatable(threads: int) -> None:
    """Fix ANTs' seed, for which the library would allow one thread only, and give ITK ``threads`` threads."""
    ants.config.set_ants_deterministic(on=True, seed_value=_SEED)
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)


def affine(
    fixed: Volume,
    moving: Volume,
    *,
    shrink: Sequence[int],
    iterations: Sequence[int],
    sampling_rate: float,
    threads: int,
    moving_mask: Volume | None = None,
) -> tuple[np.ndarray, bytes]:
    """Register by an affine with 12 degrees of freedom (Mattes mutual information, started at the centres of mass).

    Parameters
    ----------
    fixed, moving
        The two images.
    shrink, iterations
        Shrink factor and number of iterations of each resolution level, coarse to fine.
    sampling_rate
        Share of the voxels on which the metric is evaluated.
    threads
        Number of threads.
    moving_mask
        Mask on the grid of ``moving``; voxels where it is 0 are left out of the metric.

    Returns
    -------
    numpy.ndarray
        (4, 4) matrix from RAS+ mm of ``fixed`` to RAS+ mm of ``moving``.
    bytes
        The same as an ITK ``.mat`` file.

    Raises
    ------
    UserError
        If ANTs fails; the caller adds the file's name.
    """
    levels = _levels(shrink, iterations, sampling_rate)
    return _register(fixed, moving, "Affine", levels, threads, moving_mask=moving_mask)


def rigid(
    fixed: Volume,
    moving: Volume,
    fixed_mask: Volume,
    *,
    shrink: Sequence[int],
    iterations: Sequence[int],
    sampling_rate: float,
    threads: int,
) -> np.ndarray:
    """Register by a rotation and a shift (Mattes mutual information), started with the images where they are.

    ``fixed_mask``: mask on the grid of ``fixed``; voxels where it is 0 are left out of the metric. All else, and the
    :class:`UserError`, as for :func:`affine`; returns the (4, 4) matrix.
    """
    # ANTs rotates about the origin, which may be far away, and then a rotation is a long way.
    there = np.eye(4)
    there[:3, 3] = (fixed.affine @ [*np.argwhere(fixed_mask.data).mean(axis=0), 1])[:3]
    back = np.linalg.inv(there)
    fixed, moving, mask = (Volume(volume.data, back @ volume.affine) for volume in (fixed, moving, fixed_mask))
    levels = _levels(shrink, iterations, sampling_rate)
    found, _ = _register(fixed, moving, "Rigid", levels, threads, fixed_mask=mask, initial_transform="Identity")
    if np.array_equal(found, np.eye(4)):  # antspyx passes over the errors of a stage
        raise UserError("ANTs could not register it from where it is; check its header, or exclude it.")
    return there @ found @ back


def itk_bytes(matrix: np.ndarray) -> bytes:
    """The bytes of an ITK ``.mat`` file with a (4, 4) matrix between two spaces in RAS+ mm."""
    lps = LPS_FROM_RAS @ matrix @ LPS_FROM_RAS
    transform = ants.create_ants_transform(
        transform_type="AffineTransform", precision="double", matrix=lps[:3, :3], translation=lps[:3, 3]
    )
    with job.scratch_folder():
        ants.write_transform(transform, "affine.mat")
        return Path("affine.mat").read_bytes()


def _levels(shrink: Sequence[int], iterations: Sequence[int], sampling_rate: float) -> dict:
    """The resolution levels of a linear registration as ANTs names them; smoothing grows with the voxels."""
    return {
        "aff_shrink_factors": tuple(shrink),
        "aff_iterations": tuple(iterations),
        "aff_smoothing_sigmas": tuple(np.log2(shrink).astype(int).tolist()),
        "aff_random_sampling_rate": sampling_rate,
    }


def _register(
    fixed: Volume,
    moving: Volume,
    kind: str,
    levels: dict,
    threads: int,
    *,
    fixed_mask: Volume | None = None,
    moving_mask: Volume | None = None,
    initial_transform: str | None = None,
) -> tuple[np.ndarray, bytes]:
    """The matrix and the file of a linear transform of ``kind`` that ANTs estimates, see :func:`affine`."""
    # Before any image is made for ANTs, see the module's docstring.
    _make_repeatable(threads)
    with job.scratch_folder():
        try:
            result = ants.registration(
                to_ants(fixed),
                to_ants(moving),
                type_of_transform=kind,
                initial_transform=initial_transform,
                mask=None if fixed_mask is None else to_ants(fixed_mask),
                moving_mask=None if moving_mask is None else to_ants(moving_mask),
                mask_all_stages=True,
                outprefix="brain",
                **levels,
            )
        except (RuntimeError, ValueError) as error:
            reason = job.one_line(error)[-_SHOWN:]
            raise UserError(
                f"ANTs could not register it ({reason}); check that it is a scan of a head, or exclude it."
            ) from error
        file = result["fwdtransforms"][0]
        return read_affine(file), Path(file).read_bytes()
