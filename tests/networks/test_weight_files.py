"""Files that stand where weights should, and what is said about each."""

import argparse
import bz2
import gzip
import io
import json
import lzma
import pickle
import zipfile
from fractions import Fraction

import numpy as np
import pytest
import torch
from safetensors.torch import save

from headstart.job import UserError
from headstart.networks.weight_files import read_state

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3)}


def saved(held, **options):
    """The bytes of a file of torch."""
    file = io.BytesIO()
    torch.save(held, file, **options)
    return file.getvalue()


def archive():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as inside:
        inside.writestr("weights/a", "b")
    return file.getvalue()


def script():
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), file)
    return file.getvalue()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".bin", ""])
@pytest.mark.parametrize(
    "content",
    [save(STATE), saved(STATE), saved(STATE, _use_new_zipfile_serialization=False)],
    ids=["safetensors", "torch", "old torch"],
)
def test_weights_are_read_by_their_content_under_any_suffix(tmp_path, content, suffix):
    (tmp_path / f"weights{suffix}").write_bytes(content)
    assert torch.equal(read_state(tmp_path / f"weights{suffix}")["a.weight"], STATE["a.weight"])


def test_options_and_numbers_of_numpy_beside_the_weights_are_left_out(tmp_path):
    """As in the checkpoints of DINO (args) and of many training loops (the best accuracy)."""
    held = {**STATE, "args": argparse.Namespace(lr=0.1), "best": np.float64(3), "epoch": np.int32(4), "done": np.True_}
    (tmp_path / "new.pth").write_bytes(saved(held))
    # NumPy before 2 has another name for the same function.
    older = saved(held, _use_new_zipfile_serialization=False).replace(b"numpy._core.", b"numpy.core.")
    (tmp_path / "old.pth").write_bytes(older)
    for name in ("new.pth", "old.pth"):
        found = read_state(tmp_path / name)
        assert torch.equal(found["a.weight"], STATE["a.weight"])
        assert not any(isinstance(found[key], type(held[key])) for key in ("args", "best", "epoch", "done"))


def test_what_libraries_allow_torch_to_unpickle_is_not_allowed_here_and_still_is_elsewhere(tmp_path):
    """As MONAI allows, on its import, classes of its own."""
    (tmp_path / "weights.pth").write_bytes(saved({**STATE, "shape": Fraction(1, 2)}))
    with torch.serialization.safe_globals([Fraction]):
        assert torch.load(tmp_path / "weights.pth")["shape"] == Fraction(1, 2)
        before = set(torch.serialization.get_safe_globals())
        with pytest.raises(UserError, match="contains more than weights, namely fractions.Fraction, which"):
            read_state(tmp_path / "weights.pth")
        assert set(torch.serialization.get_safe_globals()) == before


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
FOREIGN = {
    "lfs": (POINTER, "is a pointer of Git LFS, not the file itself; fetch it with git lfs pull."),
    "annex": (
        b"/annex/objects/MD5E-s9--0.pth\n",
        "is a pointer of git-annex, not the file itself; fetch it with datalad",
    ),
    "page": (b"<!DOCTYPE html><html></html>", "is a web page, not the file itself; download the file again"),
    "page after a mark": (b"\xef\xbb\xbf\n <HTML>", "is a web page, not the file itself"),
    "denied": (b"<?xml version='1.0'?><Error/>", "is a web page, not the file itself"),
    "answer": (json.dumps({"error": "not found"}).encode(), "is a text (JSON); take the file with the weights"),
    "empty": (b"", "is empty; make or download it again."),
    "keras": (b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 file, as of Keras; convert it"),
    "gzip": (gzip.compress(saved(STATE)), "is compressed (gzip); unpack it."),
    "bzip2": (bz2.compress(saved(STATE)), "is compressed (bzip2); unpack it."),
    "xz": (lzma.compress(saved(STATE)), "is compressed (xz); unpack it."),
    "index": (
        json.dumps({"metadata": {"total_size": 9}, "weight_map": {"a": "b"}}, indent=2).encode(),
        "is the index of weights in several files; join these in one file.",
    ),
    "options that hold code": (
        saved({**STATE, "args": argparse.Namespace(reduce=np.sum)}),
        "more than weights, namely numpy.sum, which",
    ),
    "module": (saved(torch.nn.Linear(2, 2)), "more than weights, namely torch.nn.modules.linear.Linear, which"),
    "numpy": (saved({"a": np.zeros(3)}), "more than weights, namely numpy"),
    "program": (script(), "contains a program (TorchScript), not weights alone; save the network's state_dict alone"),
    "pickle": (pickle.dumps({"a": 1}), "is a pickle that torch.save did not write; save the network's state_dict"),
    "archive": (archive(), "is a zip archive that torch.save did not write; unpack it."),
    "array": (b"\x93NUMPY\x01\0" + bytes(99), "is an array of NumPy; convert it to a state_dict"),
    "link as text": (b"../../elsewhere/weights", "is damaged or not a file of weights"),
    "one byte": (b"\x80", "is damaged or not a file of weights"),
    "zeros": (bytes(999), "is damaged or not a file of weights"),
    "cut short": (saved(STATE)[:300], "is damaged or not a file of weights"),
    "text": (b"weights", "is damaged or not a file of weights; make or download it again."),
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_what_holds_no_weights_is_refused_by_what_it_is(tmp_path, kind, suffix):
    content, sentence = FOREIGN[kind]
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_state(path)
    assert str(caught.value).startswith(f"{path} ")
    assert sentence.removesuffix("; make or download it again.") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_state(tmp_path)


def test_the_length_of_a_header_that_looks_like_a_web_page_is_none(tmp_path):
    """A file of safetensors starts with the length of its header: " <" is 15392."""
    path = tmp_path / "weights.safetensors"
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode().ljust(15392)
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    assert path.read_bytes().startswith(b" <")
    assert read_state(path)["a"].tolist() == [0]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.pth does not exist"):
        read_state(tmp_path / "none.pth")
