"""A scan's images and labels on one grid: linked where every program reads them alike, or else written again."""

import nibabel as nib
import numpy as np
import pytest
from further_image import flair, make_person, motion, movement_about

from headstart import images
from headstart.export import scan
from headstart.images import Volume
from headstart.register import ants


@pytest.fixture
def t1w(tmp_path):
    """The file of an image whose air is 0, in oblique slices."""
    data = np.zeros((40, 50, 45), np.int16)
    data[10:30, 10:40, 10:35] = np.random.default_rng(1).integers(100, 200, (20, 30, 25))
    affine = movement_about(np.zeros(3), (10, 20, 5), (-60, -70, -50)) @ np.diag([3.0, 2.5, 3.2, 1])
    images.write(tmp_path / "scan.nii.gz", Volume(data, affine), np.int16)
    return tmp_path / "scan.nii.gz"


def export(path, folder):
    """How an image is exported as a T1, and with it labels, which are where the image is bright."""
    stored = images.read(path)
    made = scan.write(folder, {"T1w": path}, {}, Volume((stored.data > 150).astype(np.uint8), stored.affine))
    return made["T1w"]


def test_a_scan_that_has_one_meaning_is_linked_and_keeps_its_permissions(t1w, tmp_path):
    t1w.chmod(0o440)
    assert export(t1w, tmp_path / "new") == "linked"
    assert (tmp_path / "new/T1w.nii.gz").readlink() == t1w
    assert t1w.stat().st_mode & 0o777 == 0o440


def test_labels_lie_on_the_voxels_of_the_t1(t1w, tmp_path):
    export(t1w, tmp_path / "new")
    image, labels = (nib.load(tmp_path / f"new/{name}.nii.gz") for name in ("T1w", "labels"))
    assert labels.get_data_dtype() == np.uint8
    assert np.array_equal(labels.affine, image.affine)
    assert np.array_equal(np.asarray(labels.dataobj), np.asarray(image.dataobj) > 150)


def unpacked(path, image):
    nib.save(image, path.with_suffix(""))
    return path.with_suffix("")


def with_a_fourth_axis(path, image):
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[..., None], image.affine), path)
    return path


def with_a_shifted_qform(path, image):
    shift = np.eye(4)
    shift[0, 3] = 0.5
    image.set_qform(shift @ image.affine, 1)
    nib.save(image, path)
    return path


def with_other_voxel_sizes(path, image):
    image.set_qform(None, 0)
    image.header["pixdim"][1:4] *= 1.01
    nib.save(image, path)
    return path


def with_bright_air(path, image):
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj).astype(np.float32) + 300, image.affine), path)
    return path


@pytest.mark.parametrize(
    "change", [unpacked, with_a_fourth_axis, with_a_shifted_qform, with_other_voxel_sizes, with_bright_air]
)
def test_a_scan_that_others_would_read_otherwise_is_written_again(t1w, tmp_path, change):
    original = nib.load(t1w)
    path = change(tmp_path / "other.nii.gz", nib.load(t1w))
    assert export(path, tmp_path / "new") == "converted"
    image = nib.load(tmp_path / "new/T1w.nii.gz")
    assert np.allclose(image.affine, original.affine, atol=1e-4)
    assert np.allclose(image.header.get_zooms(), original.header.get_zooms(), rtol=1e-5)
    assert np.allclose(image.get_fdata(), original.get_fdata(), atol=1e-3)


def test_a_further_image_is_resampled_to_the_t1_by_what_registration_found(tmp_path, run_script):
    """A FLAIR of a head that has turned shows the same tissue as the T1 once it is exported."""
    person = make_person(tmp_path, 1)
    moved = motion(person, (6, -8, 10), (8, -6, 5))
    images.write(tmp_path / "FLAIR.nii.gz", flair(person, moved), np.float32)
    images.write(tmp_path / "still.nii.gz", flair(person, np.eye(4)), np.float32)
    (tmp_path / "found.mat").write_bytes(ants.itk_bytes(np.linalg.inv(moved)))
    images.write(tmp_path / "labels.nii.gz", person.subject.tissue, np.uint8)
    given = {
        "first": person.t1w,
        "labels": [tmp_path / "labels.nii.gz"],
        "further": [tmp_path / "FLAIR.nii.gz"],
        "transforms": [tmp_path / "found.mat"],
    }
    params = {
        "images": ["FLAIR"],
        "first": "T1w",
        "further": ["FLAIR"],
        "classes": {"csf": [1]},
        "label_format": {"masks": False, "mask_above": None},
    }
    run_script("export_scan", type("Input", (), given), params, [tmp_path / "out"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["FLAIR.nii.gz", "labels.nii.gz"]
    found = images.read(tmp_path / "out/FLAIR.nii.gz")
    assert found.grid.matches(person.subject.first.grid)
    expected = images.resample(images.read(tmp_path / "still.nii.gz"), found.grid)
    inside = person.subject.brain.data > 0
    assert np.corrcoef(found.data[inside], expected.data[inside])[0, 1] > 0.9
