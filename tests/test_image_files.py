"""Files that are not what their names say, and files whose content is damaged."""

import gzip
import shutil

import nibabel as nib
import numpy as np
import pytest
from bad_inputs import AFFINE, head, mgh

from headstart import image_files, images
from headstart.job import UserError

RAW = nib.Nifti1Image(head(), AFFINE).to_bytes()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.nii.gz", RAW, "is not compressed, although its name ends in .gz; rename it to a.nii."),
        ("a.nii", gzip.compress(RAW, mtime=0), "although its name does not say so; rename it to a.nii.gz."),
        ("a.nii.gz", gzip.compress(gzip.compress(RAW, mtime=0), mtime=0), "is compressed twice; decompress it once"),
        ("a.nii.gz", mgh(RAW), "is an MGH image; rename it to a.mgz."),
        ("a.nii", gzip.decompress(mgh(RAW)), "is an MGH image; rename it to a.mgh."),
        ("a.mgz", gzip.compress(RAW, mtime=0), "is a NIfTI image; rename it to a.nii.gz."),
        ("a.nii.gz", b"\xef\xbb\xbf\n<html>", "is a web page"),
        ("a.nii.gz", gzip.compress(b"<?xml version='1.0'?>", mtime=0), "is a web page"),
        ("a.nii", b"/annex/objects/MD5E-s1--d4", "run git annex get"),
        ("a.nii.gz", b"../../.git/annex/objects/Xx/MD5E-s1--d4.nii.gz", "run git annex get"),
        ("a.nii", b"\0" * 128 + b"DICM" + b"\0" * 400, "is a DICOM file"),
        ("a.nii.gz", b"PK\x03\x04rest", "is a zip archive"),
        ("a.nii", b"NRRD0005\n", "is an NRRD image"),
        ("a.nii.gz", b"", "is empty (0 bytes)"),
        ("a.img", RAW[352:], "lacks its header a.hdr beside it"),
        ("a.txt", RAW, "cannot be read as an image"),
    ],
)
def test_the_sentence_says_what_the_file_is_and_what_helps(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        images.read(tmp_path / name)
    assert sentence in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("name", ["a.nii", "A.NII", "a.Nii", "a.nii.gz", "A.NII.GZ", "a.Nii.Gz"])
def test_capitals_in_endings_do_not_matter(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(RAW) if name.lower().endswith("gz") else RAW)
    np.testing.assert_array_equal(images.read(tmp_path / name).data, head())


@pytest.mark.parametrize("form", [nib.Nifti1Image, nib.Nifti2Image, nib.Nifti1Pair, nib.MGHImage, nib.Spm2AnalyzeImage])
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_every_format_is_read(tmp_path, form, packed):
    ending = {nib.Nifti1Pair: ".img", nib.Spm2AnalyzeImage: ".img", nib.MGHImage: ".mgh"}.get(form, ".nii") + packed
    name = "a" + ending.replace(".mgh.gz", ".mgz")
    nib.save(form(head(), AFFINE), tmp_path / name)
    read = images.read(tmp_path / name)
    np.testing.assert_array_equal(read.data, head())
    np.testing.assert_allclose(read.affine, nib.load(tmp_path / name).affine, atol=1e-5)


def test_a_pair_without_its_image_is_named(tmp_path):
    nib.save(nib.Nifti1Pair(head(), AFFINE), tmp_path / "a.img")
    (tmp_path / "a.img").unlink()
    with pytest.raises(UserError, match="lacks its image a.img beside it"):
        images.read(tmp_path / "a.hdr")


def test_the_first_voxels_of_a_pair_are_not_taken_for_another_format(tmp_path):
    data = head()
    data[0, 0, 0] = ord("<")
    nib.save(nib.Nifti1Pair(data, AFFINE), tmp_path / "a.img")
    assert images.read(tmp_path / "a.img").data[0, 0, 0] == ord("<")


def test_damage_of_one_bit_is_found_wherever_it_is(tmp_path):
    """Bits of the compressed data, of the checksum and of the length."""
    sound = gzip.compress(RAW, mtime=0)
    for place in (*range(40, len(sound), len(sound) // 25), len(sound) - 8, len(sound) - 1):
        damaged = bytearray(sound)
        damaged[place] ^= 4
        (tmp_path / "a.nii.gz").write_bytes(damaged)
        with pytest.raises(UserError, match="a.nii.gz"):
            images.read(tmp_path / "a.nii.gz")


def test_damage_of_the_image_file_of_a_packed_pair_is_found(tmp_path):
    nib.save(nib.Nifti1Pair(head(), AFFINE), tmp_path / "a.img.gz")
    content = (tmp_path / "a.img.gz").read_bytes()
    (tmp_path / "a.img.gz").write_bytes(content[:-8])
    with pytest.raises(UserError, match="is damaged or cut short"):
        images.read(tmp_path / "a.img.gz")


@pytest.mark.parametrize("shape", [(20, 24, 18, 1), (20, 24, 18, 1, 1), (20, 24, 18, 1, 1, 1)])
def test_trailing_axes_of_one_are_dropped(tmp_path, shape):
    nib.save(nib.Nifti1Image(head().reshape(shape), AFFINE), tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(images.read(tmp_path / "a.nii.gz").data, head())


def test_volumes_are_counted_in_all_trailing_axes(tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4, 1, 3), np.uint8), AFFINE), tmp_path / "a.nii.gz")
    with pytest.raises(UserError, match="holds 3 volumes, not one"):
        images.read(tmp_path / "a.nii.gz")


def test_the_header_alone_gives_the_grid(tmp_path):
    nib.save(nib.Nifti1Image(head(), AFFINE), tmp_path / "a.nii.gz")
    _, shape, affine = image_files.read_header(tmp_path / "a.nii.gz")
    assert shape == (20, 24, 18)
    np.testing.assert_allclose(affine, AFFINE)


def test_a_folder_made_by_unpacking_is_named(tmp_path):
    (tmp_path / "a.nii.gz").mkdir()
    with pytest.raises(UserError, match="is a folder, not an image"):
        images.read(tmp_path / "a.nii.gz")
    shutil.rmtree(tmp_path / "a.nii.gz")


def test_a_damaged_header_of_a_pair_is_refused_as_damaged(tmp_path):
    nib.save(nib.Nifti1Pair(head(), AFFINE), tmp_path / "a.img.gz")
    content = bytearray((tmp_path / "a.hdr.gz").read_bytes())
    content[-8] ^= 1
    (tmp_path / "a.hdr.gz").write_bytes(content)
    with pytest.raises(UserError, match=r"a.img.gz is damaged or cut short \(CRC"):
        images.read(tmp_path / "a.img.gz")
