"""Files of weights that run code when they are unpickled: none of it is run."""

import argparse
import builtins
import contextlib
import importlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from headstart.job import UserError
from headstart.networks.weight_files import read_state

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3)}


class Call:
    """An object that is pickled as the call of a function, and perhaps as a state for what that returns."""

    def __init__(self, function, *arguments, state=None):
        self.pickled = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.pickled


class Restored:
    """An object that runs code when its state is restored."""

    def __init__(self, file):
        self.file = file

    def __setstate__(self, state):
        Path(state["file"]).touch()


def imported(file):
    """The import of a module that writes a file."""
    module = file.with_name("imported_by_weights.py")
    module.write_text(f"open({str(file)!r}, 'w').close()")
    return Call(importlib.import_module, module.stem)


# Objects that write a file when they are unpickled, and the name by which each is refused.
ATTACKS = {
    "shell": (lambda file: Call(os.system, f"touch {file}"), "posix.system"),
    "eval": (lambda file: Call(builtins.eval, f"open({str(file)!r}, 'w').close()"), "eval"),
    "exec": (lambda file: Call(builtins.exec, f"open({str(file)!r}, 'w')"), "exec"),
    "import": (imported, "importlib.import_module"),
    "state": (Restored, f"{__name__}.Restored"),
    "function of NumPy": (lambda file: Call(np.ndarray.tofile, np.array([1]), str(file)), "getattr"),
    "within options": (
        lambda file: argparse.Namespace(lr=0.1, hook=Call(os.system, f"touch {file}")),
        "posix.system",
    ),
    "within a number": (lambda file: Call(np.dtype, Call(os.system, f"touch {file}")), "posix.system"),
    "as a state": (lambda file: Call(argparse.Namespace, state=Call(os.system, f"touch {file}")), "posix.system"),
}


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """A file that does not exist unless something wrote it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(importlib.sys.modules, "imported_by_weights", raising=False)
    return tmp_path / "was-run"


def unsafe(path):
    """Unpickle a file as a careless reader does."""
    # What was called may return something else than the file pretends.
    with contextlib.suppress(pickle.UnpicklingError, TypeError):
        torch.load(path, weights_only=False)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old format"])
@pytest.mark.parametrize(("attack", "name"), ATTACKS.values(), ids=ATTACKS)
def test_code_in_a_file_is_refused_and_not_run(marker, attack, name, zipped):
    path = marker.with_name("weights.pth")
    torch.save({**STATE, "epoch": attack(marker)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError) as caught:
        read_state(path)
    assert f"weights.pth contains more than weights, namely {name}, which could run code; save" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not marker.exists()
    unsafe(path)
    assert marker.exists()


def test_a_forged_number_of_numpy_is_not_made(tmp_path):
    """NumPy itself would take these eight bytes for the address of an object."""
    pointer = Call(np.dtype, "O8", False, True, state=(3, "|", None, None, None, -1, -1, 0))
    number = Call(np.float64(0).__reduce__()[0], pointer, b"\x41" * 8)
    torch.save({**STATE, "best": number}, tmp_path / "weights.pth")
    assert torch.equal(read_state(tmp_path / "weights.pth")["a.weight"], STATE["a.weight"])


def test_options_are_no_way_to_call_what_they_hold(tmp_path):
    """A first state that names a function for restoring the second."""
    hooked = Call(argparse.Namespace, state={"__setstate__": Call(torch.Tensor)})
    torch.save({**STATE, "args": hooked}, tmp_path / "weights.pth")
    assert not vars(read_state(tmp_path / "weights.pth")["args"])
