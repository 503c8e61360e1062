"""Where headers place images, compared with the arithmetic of the standard's own library."""

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bad_inputs import AFFINE, METRES, MICROMETRES, MM, head, write
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from headstart import images, placement
from headstart.datasets import headers
from headstart.job import UserError

UNITS = {MM: 1.0, METRES: 1e-3, MICROMETRES: 1e3}


def nifti1_io(header):
    """The qform of nifti1_io.c (``nifti_quatern_to_mat44``), written from its source, in the header's unit."""
    b, c, d = (float(header[f"quatern_{name}"]) for name in "bcd")
    a = 1 - (b * b + c * c + d * d)
    if a < 1e-7:
        scale = 1 / np.sqrt(b * b + c * c + d * d)
        a, b, c, d = 0.0, b * scale, c * scale, d * scale
    else:
        a = np.sqrt(a)
    xd, yd, zd = (float(size) if size > 0 else 1.0 for size in header["pixdim"][1:4])
    zd = -zd if header["pixdim"][0] < 0 else zd
    return np.array([
        [(a * a + b * b - c * c - d * d) * xd, 2 * (b * c - a * d) * yd, 2 * (b * d + a * c) * zd, header["qoffset_x"]],
        [2 * (b * c + a * d) * xd, (a * a + c * c - b * b - d * d) * yd, 2 * (c * d - a * b) * zd, header["qoffset_y"]],
        [2 * (b * d - a * c) * xd, 2 * (c * d + a * b) * yd, (a * a + d * d - c * c - b * b) * zd, header["qoffset_z"]],
        [0, 0, 0, 1],
    ])  # fmt: skip


def header_of(quaternion, qfac, sizes=(1.0, 1.2, 1.5)):
    header = nib.Nifti1Header()
    header["qform_code"] = 1
    header["pixdim"][:4] = [qfac, *sizes]
    for name, value in zip("bcd", quaternion, strict=True):
        header[f"quatern_{name}"] = value
    for name, value in zip("xyz", (-90, 30, -20), strict=True):
        header[f"qoffset_{name}"] = value
    return header


QFACS = (-1, 1, 0, 2, -2, -0.5, 1.0000001, np.nan)


@given(
    st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda drawn: np.linalg.norm(drawn) > 0.01),
    st.sampled_from(QFACS),
    st.floats(0.9999, 1.0001),
)
def test_a_qform_is_read_as_by_the_library_of_the_standard(drawn, qfac, length):
    """Also with a quaternion that is a little longer than 1, and whatever number stands for its handedness."""
    quaternion = np.array(drawn) / np.linalg.norm(drawn) * length
    header = header_of(quaternion[1:] * (1 if quaternion[0] >= 0 else -1), qfac)
    corners = np.array([[i, j, k, 1] for i in (0, 255) for j in (0, 255) for k in (0, 255)]).T
    apart = (placement.forms(header)["qform"] - nifti1_io(header)) @ corners
    assert np.abs(apart).max() < 0.02


@pytest.mark.parametrize("quaternion", [(1, 1, 0), (np.nan, 0, 0), (1.01, 0, 0)])
def test_a_quaternion_that_is_no_rotation_is_not_guessed(quaternion):
    assert np.isnan(placement.forms(header_of(quaternion, 1))["qform"]).any()


def test_an_ordinary_qform_has_the_bytes_that_nibabel_gives():
    for seed in range(50):
        header = nib.Nifti1Header()
        affine = np.eye(4)
        affine[:3, :3] = Rotation.random(random_state=seed).as_matrix() * [1, -1.1, 3]
        header.set_qform(affine, 1)
        np.testing.assert_array_equal(placement.forms(header)["qform"], header.get_qform())


def right(affine):
    """Signs of the axes' steps to the right, of those that are steep enough to have a side."""
    steps = affine[0, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return np.where(np.abs(steps) > 0.3, np.sign(steps), 0)


rotations = st.tuples(*[st.floats(-180, 180)] * 3).map(
    lambda angles: Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
)


@settings(deadline=None, max_examples=200)
@given(
    rotations,
    st.sampled_from([1, -1]),
    st.sampled_from(QFACS),
    st.floats(1, 1 + 2e-6),
    st.sampled_from(sorted(UNITS)),
    st.sampled_from(["sform", "qform", "both", "neither"]),
    st.sampled_from(["same", "mirrored", "other unit", "turned"]),
)
def test_the_sides_are_right_or_the_scan_is_refused(rotation, side, qfac, length, unit, given_forms, relation):
    """Random placements, units, signs of handedness, lengths of the quaternion and combinations of forms."""
    affine = np.eye(4)
    affine[:3, :3] = rotation * [6 * side, 6, 6] * UNITS[unit]
    affine[:3, 3] = np.array([-60, -70, -50]) * UNITS[unit]
    by = {"same": np.eye(4), "mirrored": np.diag([-1.0, 1, 1, 1]), "turned": np.diag([-1.0, -1, 1, 1])}
    by["other unit"] = np.diag([1 / UNITS[unit]] * 3 + [1])  # numbers in mm, whatever the header says
    other = by[relation] @ affine
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "T1w.nii.gz"
        stored = nib.Nifti1Image(head(), affine)
        stored.set_qform(affine, 1)
        fields = {name: stored.header[name] for name in ("quatern_b", "quatern_c", "quatern_d", "pixdim")}
        imaginary = np.array([stored.header[f"quatern_{name}"] for name in "bcd"], float) * length
        fields |= {f"quatern_{name}": value for name, value in zip("bcd", imaginary, strict=True)}
        fields["pixdim"] = [qfac, *stored.header["pixdim"][1:]]
        write(
            path,
            head(),
            other,
            sform=int(given_forms in ("sform", "both")),
            qform=0,
            units=unit,
            qform_code=int(given_forms in ("qform", "both")),
            **fields,
            **{f"qoffset_{name}": value for name, value in zip("xyz", affine[:3, 3], strict=True)},
        )
        header = nib.Nifti1Header.from_fileobj(nib.openers.Opener(path), check=False)
        try:
            headers.check(path, images.read(path).grid)
        except UserError:
            agree = relation in ("same", "other unit") and placement.handedness(header) == side
            assert given_forms == "neither" or (given_forms == "both" and not agree)
            return
        read = images.read(path).affine
    assert given_forms != "neither"
    for name, expected in (("sform", other), ("qform", nifti1_io(header))):
        if given_forms in (name, "both"):
            assert np.linalg.det(read[:3, :3]) * np.linalg.det(expected[:3, :3]) > 0
    used = other if given_forms in ("sform", "both") else nifti1_io(header)
    np.testing.assert_array_equal(right(read), right(used))
    np.testing.assert_allclose(images.Grid((20, 24, 18), read).spacing, 6, rtol=1e-3)


def test_forms_of_one_placement_in_two_units_agree():
    header = nib.Nifti1Header()
    header.set_xyzt_units("meter")
    header.set_sform(AFFINE, 1)
    header.set_qform(np.diag([1e-3, 1e-3, 1e-3, 1]) @ AFFINE, 1)
    sform, qform = placement.forms(header).values()
    np.testing.assert_allclose(sform, qform, atol=1e-3)
