"""Registration, brain extraction and the interface to ANTs, without real scans."""

import dataclasses
import itertools
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from blobs import blobs
from settings_of import REGISTRATION

from headstart import images
from headstart.images import LPS_FROM_RAS, Grid, Volume
from headstart.job import UserError
from headstart.label import validation
from headstart.register import ants, brain_extraction
from headstart.register.affine import register, rescale


def test_rescale_clips_at_percentiles_of_the_given_voxels():
    data = np.arange(101, dtype=np.float32)
    scaled = rescale(data, data >= 0, (10, 90))
    np.testing.assert_allclose(scaled[[0, 10, 50, 90, 100]], [0, 0, 0.5, 1, 1])
    only = rescale(data, data >= 50, (0, 100))
    assert only[25] == 0
    assert only[75] == pytest.approx(0.5)
    assert only.dtype == np.float32


def test_registration_recovers_a_known_affine():
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -48
    grid = Grid((48, 48, 48), affine)
    exact = np.array([[1.05, 0.06, 0, 4], [-0.04, 0.95, 0.05, -3], [0, -0.03, 1.0, 5], [0, 0, 0, 1]])
    stored = np.diag([-2.0, 2, 2.5, 1])
    stored[:3, 3] = (300, -310, 240)
    far = np.eye(4)
    far[:3, 3] = (252, -262, 290)
    moving = blobs(Grid((48, 48, 40), stored), np.linalg.inv(far @ exact))
    found, _ = ants.affine(
        blobs(grid), moving, shrink=(4, 2, 1), iterations=(500, 500, 200), sampling_rate=1, threads=1
    )
    corners = np.array([[x, y, z, 1] for x in (-20, 20) for y in (-20, 20) for z in (-20, 20)]).T
    assert np.abs((found - far @ exact) @ corners).max() < 1.5  # voxels are 2 to 2.5 mm


def test_masked_voxels_do_not_affect_the_affine():
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -48
    grid = Grid((48, 48, 48), affine)
    healthy = blobs(grid)
    damaged, mask = healthy.data.copy(), np.ones(grid.shape, np.uint8)
    damaged[14:26, 16:30, 18:32], mask[14:26, 16:30, 18:32] = 3, 0
    settings = {"shrink": (2, 1), "iterations": (300, 100), "sampling_rate": 1, "threads": 1}
    corners = np.array([[x, y, z, 1] for x in (-20, 20) for y in (-20, 20) for z in (-20, 20)]).T

    def error(**masked):
        found, _ = ants.affine(healthy, Volume(damaged, affine), **masked, **settings)
        return np.abs((found @ corners - corners)[:3]).max()

    assert error(moving_mask=Volume(mask, affine)) < 2
    assert error() > 5  # voxels are 2 mm


def test_labels_of_most_of_the_brain_are_not_a_lesion(labelled, monkeypatch):
    everything = Volume(np.ones((10, 10, 10), np.uint8), np.diag([6.0, 6, 6, 1]))  # of a head's size
    images.write(labelled / "t1.nii.gz", Volume(images.read(labelled / "t1.nii.gz").data, everything.affine), np.int16)
    monkeypatch.setattr(brain_extraction, "extract", lambda scan, threads: (everything, True))
    with pytest.raises(UserError, match=r"t1.nii.gz: 100 % of its brain is labelled.*remove mask_lesions"):
        register(
            labelled / "t1.nii.gz",
            everything,
            everything,
            everything.grid,
            dataclasses.replace(REGISTRATION, shrink=(1,)),
            threads=1,
            lesion=everything,
        )


@pytest.mark.parametrize("name", ["12345[3].master", "a,b", "a b", "it's", "uml\u00e4ut", "star*", "dollar$HOME"])
def test_the_name_of_the_temporary_folder_has_no_effect(tmp_path, monkeypatch, name):
    fixed = blobs(Grid((24, 24, 24), np.array([[4.0, 0, 0, -48], [0, 4, 0, -48], [0, 0, 4, -48], [0, 0, 0, 1]])))
    moving = Volume(fixed.data, fixed.affine + np.array([[0, 0, 0, 2.0], [0, 0, 0, -1], [0, 0, 0, 0], [0, 0, 0, 0]]))
    settings = {"shrink": (2,), "iterations": (5,), "sampling_rate": 1, "threads": 1}
    found = []
    for folder in ("plain", name):
        (tmp_path / folder).mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / folder))
        found.append(ants.affine(fixed, moving, **settings)[1])
    assert found[0] == found[1]


def test_registration_is_repeatable_with_one_thread():
    code = """
import hashlib, numpy as np
from headstart.register import ants
from headstart.images import Volume
rng = np.random.default_rng(0)
fixed, moving = (Volume(rng.random((24, 24, 24), np.float32), np.diag([4.0, 4, 4, 1])) for _ in range(2))
matrix, itk = ants.affine(fixed, moving, shrink=(2, 1), iterations=(50, 20), sampling_rate=1, threads=1)
print(hashlib.sha256(itk).hexdigest())
"""
    folder = Path(ants.__file__).parents[2]
    runs = [
        subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    ]
    assert len(set(runs)) == 1
    assert len(runs[0].strip()) == 64


def test_conversion_to_ants_and_back_changes_nothing():
    affine = np.array([[0, -2.0, 0, 5], [1.5, 0, 0.1, -7], [0, 0, 3, 9], [0, 0, 0, 1]])
    volume = Volume(np.random.default_rng(0).random((4, 5, 6)).astype(np.float32), affine)
    stored = ants.to_ants(volume)
    back = np.eye(4)
    back[:3, :3] = stored.direction * np.asarray(stored.spacing)
    back[:3, 3] = stored.origin
    np.testing.assert_allclose(LPS_FROM_RAS @ back, affine, atol=1e-4)
    np.testing.assert_array_equal(stored.numpy(), volume.data)


def test_a_scan_in_which_no_brain_is_found_is_refused():
    with pytest.raises(UserError, match="no brain was found in it; check that it is a scan of a head"):
        brain_extraction.extract(Volume(np.zeros((64, 64, 64), np.float32), np.diag([3.0, 3, 3, 1])), threads=1)


@pytest.mark.parametrize("broken", ["ants", "deepbet"])
def test_a_failure_of_a_library_is_one_sentence_with_the_file(labelled, monkeypatch, broken):
    brain = Volume(np.ones((10, 10, 10), np.uint8), np.diag([6.0, 6, 6, 1]))
    images.write(labelled / "t1.nii.gz", Volume(images.read(labelled / "t1.nii.gz").data, brain.affine), np.int16)

    def fail(*args, **kwargs):
        raise RuntimeError("Exception caught:\n Total Mass of the image was zero.\n")

    if broken == "ants":
        monkeypatch.setattr(brain_extraction, "extract", lambda scan, threads: (brain, True))
        monkeypatch.setattr("ants.registration", fail)
    else:
        monkeypatch.setattr("deepbet.BrainExtraction.run", fail)
    with pytest.raises(UserError, match=r"t1.nii.gz: .*\(.*Total Mass of the image was zero.*\)") as caught:
        register(labelled / "t1.nii.gz", brain, brain, brain.grid, REGISTRATION, threads=1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("scale", "offset"), [(0.01, -3), (250, 1024)])
def test_a_scan_with_another_offset_and_scale_is_registered_in_the_same_way(tmp_path, monkeypatch, scale, offset):
    """The mask of the brain is computed from the scan itself, as in a stripped scan."""
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = -94
    grid = Grid((48, 48, 48), affine)
    plain = np.round(np.maximum(blobs(grid).data * 500, 0))
    found = {}
    settings = dataclasses.replace(REGISTRATION, shrink=(2, 1), iterations=(60, 30), sampling_rate=1)
    monkeypatch.setattr(
        brain_extraction, "deepbet", lambda scan, threads: scan.data > 0.05 * np.percentile(scan.data, 99)
    )
    for name, data in {"plain": plain, "changed": plain * scale + offset}.items():
        images.write(tmp_path / f"{name}.nii.gz", Volume(data, affine), np.float64)
        template = Volume(plain.astype(np.float32), affine)
        found[name] = register(
            tmp_path / f"{name}.nii.gz",
            template,
            Volume((plain > 0).astype(np.uint8), affine),
            grid,
            settings,
            threads=1,
        )
    plain, changed = found["plain"], found["changed"]
    assert changed.quality["stripped"] == plain.quality["stripped"]
    assert changed.quality["brain_native_ml"] == pytest.approx(plain.quality["brain_native_ml"], rel=0.02)
    brain = plain.brain.data > 0
    assert np.abs(changed.image.data - plain.image.data)[brain].mean() < 0.05
    corners = np.array([[x, y, z, 1] for x in (-60, 60) for y in (-60, 60) for z in (-60, 60)]).T
    assert np.abs((changed.transform - plain.transform) @ corners).max() < 2


def test_registration_error_by_hand(tmp_path):
    rows = ["native_x\tnative_y\tnative_z\ttemplate_x\ttemplate_y\ttemplate_z"]
    rows += [f"{x}\t{y}\t{z}\t{x + 3}\t{y}\t{z - 4}" for x, y, z in np.random.default_rng(3).random((9, 3)) * 50]
    (tmp_path / "points.tsv").write_text("\n".join(rows))
    measured = validation.registration_error(tmp_path / "points.tsv", np.eye(4))
    assert measured["registration_mm"] == pytest.approx(5)
    assert measured["best_affine_mm"] == pytest.approx(0, abs=1e-6)


def test_an_image_of_another_contrast_is_registered_in_every_orientation():
    """48 axis codes of an image in which what is bright in the template is dark, and the reverse."""
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = -46
    template = blobs(Grid((24, 24, 24), affine))
    exact = np.array([[1.05, 0.06, 0, 4], [-0.04, 0.95, 0.05, -3], [0, -0.03, 1.0, 5], [0, 0, 0, 1]])
    seen = blobs(template.grid, np.linalg.inv(exact)).data
    contrast = np.where(np.abs(seen) > 0.02, np.exp(-2 * seen), 0).astype(np.float32)
    upright = nib.Nifti1Image(contrast, affine)
    corners = np.array([[x, y, z, 1] for x in (-20, 20) for y in (-20, 20) for z in (-20, 20)]).T
    for axes in itertools.permutations(["RL", "AP", "SI"]):
        for code in itertools.product(*axes):
            stored = as_stored(upright, code)
            found, _ = ants.affine(template, stored, shrink=(2, 1), iterations=(200, 100), sampling_rate=1, threads=1)
            assert np.abs((found - exact) @ corners).max() < 2  # voxels are 4 mm


def as_stored(image, code):
    """An image with its axes in the order and directions of an axis code."""
    wanted = nib.orientations.ornt_transform(
        nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(tuple(code))
    )
    turned = image.as_reoriented(wanted)
    return Volume(np.asarray(turned.dataobj), turned.affine)
