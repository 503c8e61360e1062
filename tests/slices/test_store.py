import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import headstart
from headstart.job import UserError
from headstart.slices import store


@pytest.fixture
def scan(tmp_path):
    def write(name, slices=3, size=4, labels=False):
        path = tmp_path / f"{name}.npy"
        if labels:
            store.write_labels(path, np.full((slices, size, size), 2))
        else:
            store.write_image(path, np.full((slices, size, size), 0.5))
        return path

    return write


def test_images_are_stored_to_one_part_in_65535(tmp_path):
    values = np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 3, 4)
    store.write_image(tmp_path / "a.npy", values)
    stored = store.read(tmp_path / "a.npy")
    assert isinstance(stored, np.memmap)
    assert stored.dtype == np.uint16
    assert not stored.flags.writeable
    assert np.abs(stored / 65535 - values).max() <= 0.5 / 65535 + 1e-9
    assert stored.flat[0] == 0
    assert stored.flat[-1] == 65535


def test_presence_labels_are_memory_mapped_and_binary(tmp_path):
    values = np.eye(3, 16, dtype=bool)
    store.write_presence(tmp_path / "a.npy", values)
    stored = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert stored.dtype == np.uint8
    assert np.array_equal(stored, values)
    with pytest.raises(ValueError, match="must be 0 or 1"):
        store.write_presence(tmp_path / "a.npy", values * 2)
    with pytest.raises(ValueError, match=r"shape \(N, C\), not \(16,\)"):
        store.write_presence(tmp_path / "a.npy", values[0])


def test_labels_are_stored_exactly(tmp_path):
    values = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    store.write_labels(tmp_path / "a.npy", values)
    assert store.read(tmp_path / "a.npy").dtype == np.uint8
    assert np.array_equal(store.read(tmp_path / "a.npy"), values)


def test_only_the_named_file_is_written(tmp_path):
    store.write_labels(tmp_path / "sub-01_slices", np.zeros((1, 2, 2), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["sub-01_slices"]


@pytest.mark.parametrize("bad", [1.01, -0.01, np.nan, np.inf])
def test_intensities_outside_0_to_1_are_not_stored(tmp_path, bad):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        store.write_image(tmp_path / "a.npy", np.full((1, 2, 2), bad))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bad", [np.full((1, 2, 2), 256), np.full((1, 2, 2), -1), np.zeros((1, 2, 2))])
def test_labels_outside_uint8_are_not_stored(tmp_path, bad):
    with pytest.raises(ValueError, match="0 to 255"):
        store.write_labels(tmp_path / "a.npy", bad)


def test_a_single_slice_needs_its_axis(tmp_path):
    with pytest.raises(ValueError, match=r"\(N, H, W\)"):
        store.write_labels(tmp_path / "a.npy", np.zeros((2, 2), np.uint8))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone\.npy does not exist"):
        store.read(tmp_path / "gone.npy")


@pytest.mark.parametrize("kept", [0, 40, 170])
def test_a_truncated_file_is_named(scan, kept):
    path = scan("a")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"a\.npy is damaged or truncated"):
        store.read(path)


@pytest.mark.parametrize("array", [np.zeros((2, 2, 2), np.float32), np.zeros((2, 2), np.uint16)])
def test_an_array_of_another_type_or_shape_is_named(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UserError, match=r"a\.npy holds"):
        store.read(tmp_path / "a.npy")


def test_an_array_joins_scans_in_the_order_given(tmp_path):
    for value, slices in ((1, 2), (2, 3)):
        store.write_labels(tmp_path / f"{value}.npy", np.full((slices, 2, 2), value))
    gathered = store.SliceArray([tmp_path / "2.npy", tmp_path / "1.npy"])[:]
    assert gathered[:, 0, 0].tolist() == [2, 2, 2, 1, 1]
    assert type(gathered) is np.ndarray
    assert gathered.flags.writeable


def test_an_array_names_the_scan_of_another_size(scan):
    with pytest.raises(UserError, match=r"b\.npy holds uint16 slices of \(8, 8\)"):
        store.SliceArray([scan("a"), scan("b", size=8)])


def test_an_array_of_no_scan_is_refused():
    with pytest.raises(UserError, match="there is no scan"):
        store.SliceArray([])


def test_pairs_are_aligned(scan):
    images, labels = store.join_pairs([scan("a"), scan("b")], [scan("c", labels=True), scan("d", labels=True)])
    assert images.shape == labels.shape == (6, 4, 4)
    assert (images.dtype, labels.dtype) == (np.uint16, np.uint8)


def test_pairs_that_differ_are_named(scan):
    with pytest.raises(UserError, match=r"b\.npy has shape \(3, 4, 4\) but its labels .*d\.npy \(2, 4, 4\)"):
        store.join_pairs([scan("a"), scan("b")], [scan("c", labels=True), scan("d", slices=2, labels=True)])
    with pytest.raises(UserError, match="swapped"):
        store.join_pairs([scan("e", labels=True)], [scan("f")])
    with pytest.raises(UserError, match="2 image files .* 1 label"):
        store.join_pairs([scan("a"), scan("b")], [scan("c", labels=True)])


def test_scans_are_found_in_files_of_several(tmp_path):
    for part, subjects in enumerate((["01", "02"], ["03"])):
        labels = np.concatenate([np.full((int(s) + 1, 2, 2), int(s)) for s in subjects])
        store.write_labels(tmp_path / f"{part}.npy", labels)
        store.write_index(tmp_path / f"{part}.tsv", subjects, [int(s) + 1 for s in subjects])
    files = [[tmp_path / f"{part}.{kind}" for part in (0, 1)] for kind in ("tsv", "npy")]
    found = store.find(*files, ["03", "02"])
    assert store.SliceArray(found)[:][:, 0, 0].tolist() == [3] * 4 + [2] * 3
    assert isinstance(store.read(found[1]), np.memmap)
    assert store.read(found[1]).shape == (3, 2, 2)
    with pytest.raises(UserError, match=r"04 has no slices in .*0\.tsv, .*1\.tsv"):
        store.find(*files, ["01", "04"])


def test_the_fingerprint_of_a_scan_depends_only_on_its_slices(tmp_path):
    for name, first in (("a", 7), ("b", 8)):
        store.write_labels(tmp_path / f"{name}.npy", np.repeat([first, 1], 2).reshape(4, 1, 1))
    a, b = ([store.SliceRange(tmp_path / f"{name}.npy", *rows) for rows in ((0, 2), (2, 4))] for name in "ab")
    assert store.fingerprint(a[1:]) == store.fingerprint(b[1:])
    assert store.fingerprint(a) != store.fingerprint(b)
    assert store.fingerprint(a) != store.fingerprint(a[::-1])


def test_the_fingerprint_depends_on_names_contents_and_order(scan):
    a, b = scan("a"), scan("b", labels=True)
    whole = store.fingerprint([a, b])
    assert whole == store.fingerprint([a, b])
    assert whole != store.fingerprint([b, a])
    store.write_image(a, np.full((3, 4, 4), 0.25))
    assert whole != store.fingerprint([a, b])


def test_store_and_overlap_start_without_torch():
    code = """
import sys
from headstart.metrics import overlap
from headstart.slices import store
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=Path(headstart.__file__).parents[1], check=True)


def test_names_that_programs_take_for_missing_values_or_numbers_are_found(tmp_path):
    names = ["NA", "nan", "null", "None", "001", "1e5"]
    store.write_index(tmp_path / "part_scans.tsv", names, [2] * len(names))
    found = store.find([tmp_path / "part_scans.tsv"], [tmp_path / "part.npy"], names)
    assert [(part.first, part.last) for part in found] == [(2 * n, 2 * n + 2) for n in range(len(names))]
