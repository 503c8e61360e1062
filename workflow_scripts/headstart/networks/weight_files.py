"""Files of weights, read by their content and not by their suffix; what is no such file is refused by what it is."""

import contextlib
import os
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from headstart import stand_ins
from headstart.job import UserError, shown

# What checkpoints hold beside weights: options of a command, and single numbers of NumPy, by their names in a pickle.
_BESIDE = ("argparse.Namespace", "numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
# First bytes of the two formats of torch.save: an archive (zip), and a pickle.
_TORCH = (b"PK", b"\x80")
_STATE_DICT = "save the network's state_dict alone, by torch.save(network.state_dict(), ...)"
_REFUSED_GLOBAL = re.compile(r"unsupported (?:global|class):? (?:global )?(\S+)", re.IGNORECASE)


class _LeftOut:
    """Stands for each object named in :data:`_BESIDE`; takes what it was made of, and keeps nothing."""

    def __init__(self, *parts: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def read_state(path: str | os.PathLike) -> Mapping[str, object]:
    """What a file of safetensors or of ``torch.save`` holds, on the CPU: tensors by name, and what a checkpoint adds.

    Nothing but tensors, numbers, texts and containers of these is unpickled. Options (argparse) and numbers of NumPy
    are left out: an object without content takes their place, and NumPy, which would trust what it unpickles, is not
    called. Raises :class:`UserError` for a missing file, for one that names any other class or function, and for any
    other file by what it is.
    """
    start = stand_ins.first_bytes(path)
    try:
        if stand_ins.is_safetensors(start) or (Path(path).suffix == ".safetensors" and not start.startswith(_TORCH)):
            return load_file(path)
        # Opened here, since torch takes a path that ends in .safetensors for that format, whatever it holds.
        with (
            warnings.catch_warnings(action="ignore", category=UserWarning),
            _closed_list(),
            open(path, "rb") as file,
        ):
            return torch.load(file, map_location="cpu", weights_only=True)
    # What is no such file makes the two libraries raise exceptions of any type.
    except Exception as error:
        raise UserError(f"{path} {_reason(path, start, str(error))}.") from error


def misfit(given: Mapping[str, torch.Size], wanted: Mapping[str, torch.Size]) -> str | None:
    """How the shapes of tensors, by name, differ from those that a network has, in words; None if they are the same."""
    for what, names in (
        ("unknown", [name for name in given if name not in wanted]),
        ("missing", [name for name in wanted if name not in given]),
        ("of another shape", [name for name in wanted if name in given and given[name] != wanted[name]]),
    ):
        if names:
            return f"{len(names)} tensors {what} ({shown(names)})"
    return None


@contextlib.contextmanager
def _closed_list() -> Iterator[None]:
    """Allow torch's own list of what may be unpickled and :data:`_BESIDE`, and nothing else.

    Libraries add to torch's list for the whole process: MONAI, on its import, classes of its own.
    """
    added = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        with torch.serialization.safe_globals([(_LeftOut, name) for name in _BESIDE]):
            yield
    finally:
        torch.serialization.add_safe_globals(added)


def _reason(path: str | os.PathLike, start: bytes, error: str) -> str:
    """Why a file could not be read, and the remedy, in one line; ``error``: what the library said."""
    if found := _REFUSED_GLOBAL.search(error):
        return f"contains more than weights, namely {found[1]}, which could run code; {_STATE_DICT}"
    if "TorchScript" in error:
        return f"contains a program (TorchScript), not weights alone; {_STATE_DICT}"
    if start.startswith(b"\x80") and ("operand" in error or "magic number" in error):
        return f"is a pickle that torch.save did not write; {_STATE_DICT}"
    if (names := _archived(path)) and not any(name.endswith("data.pkl") for name in names):
        return "is a zip archive that torch.save did not write; unpack it"
    # torch's advice to load without weights_only is none for a file from elsewhere.
    told = "" if "weights_only" in error or not error else f" ({error.splitlines()[0][:200]})"
    return f"is damaged or not a file of weights{told}; make or download it again"


def _archived(path: str | os.PathLike) -> list[str]:
    """The names of the files in a zip archive; none if it is damaged, or no archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    # What zipfile raises for a damaged directory; the caller then says that the file is damaged.
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return []
