"""Checks of headers: units and forms that disagree."""

import numpy as np
import pytest
from bad_inputs import AFFINE, METRES, MICROMETRES, head, scaled, write

from headstart import images
from headstart.datasets import headers


def check(path):
    return headers.check(path, images.read(path).grid)


@pytest.mark.parametrize(
    ("unit", "factor", "mm", "warning"),
    [
        (METRES, 1e-3, 50, ["sform and qform differ by up to 50 mm; the sform was used"]),
        (METRES, 1e-3, 0.005, []),
        (MICROMETRES, 1e3, 0.005, []),
        (MICROMETRES, 1e3, 5, ["sform and qform differ by up to 5 mm; the sform was used"]),
    ],
)
def test_distances_of_forms_are_in_mm_whatever_the_unit(tmp_path, unit, factor, mm, warning):
    affine = scaled(factor)
    write(tmp_path / "a.nii.gz", head(), affine, units=unit, qoffset_x=affine[0, 3] + mm * factor)
    _, repairs, warnings = check(tmp_path / "a.nii.gz")
    assert warnings == warning
    assert len(repairs) == 1


@pytest.mark.parametrize("factor", [1, 0, 2, -0.5])
def test_qforms_that_nibabel_finds_odd_are_compared_with_the_sform(tmp_path, factor):
    """Any number that is not negative stands for the handedness 1, and is no reason for a warning."""
    affine = AFFINE if factor >= 0 else np.diag([-1.0, 1, 1, 1]) @ AFFINE
    write(tmp_path / "a.nii.gz", head(), affine, pixdim=[factor, 6, 6, 6, 0, 0, 0, 0])
    assert check(tmp_path / "a.nii.gz")[1:] == ([], [])
