"""Files of weights, read by their content and not by their suffix; what is no such file is refused by what it is."""

import os
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from headstart.job import UserError

# First bytes of files that often stand where weights should, in lower case: what each is, and the remedy.
_NOT_WEIGHTS = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "fetch it with git lfs pull"),
    (b"/annex/objects/", "a pointer of git-annex, not the file itself", "fetch it with datalad get"),
    (b"<", "a web page, not the file itself", "download the file again, by a link that needs no login"),
    (b"{", "a text (JSON)", "take the file with the weights themselves"),
    (b"\x89hdf", "an HDF5 file, as of Keras", "convert it to a state_dict of PyTorch"),
    (b"\x1f\x8b", "compressed (gzip)", "unpack it"),
    (b"bzh", "compressed (bzip2)", "unpack it"),
    (b"\xfd7zxz", "compressed (xz)", "unpack it"),
    (b"7z\xbc\xaf", "compressed (7z)", "unpack it"),
)
# First bytes of the two formats of torch.save: an archive (zip), and a pickle.
_TORCH = (b"PK", b"\x80")
_STATE_DICT = "save the network's state_dict alone, by torch.save(network.state_dict(), ...)"
_REFUSED_GLOBAL = re.compile(r"Unsupported (?:global|class): (?:GLOBAL )?(\S+)")
_FAILURES = (SafetensorError, pickle.UnpicklingError, OSError, EOFError, RuntimeError, ValueError, KeyError)


def read_state(path: str | os.PathLike) -> Mapping[str, object]:
    """What a file of safetensors or of ``torch.save`` holds, on the CPU: tensors by name, and what a checkpoint adds.

    Nothing but tensors, numbers, texts and containers of these is unpickled. Raises :class:`UserError` for a missing
    file, and for any other by what it is.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(64)
        if not start:
            raise UserError(f"{path} is empty; make or download it again.")
        if _is_safetensors(start) or (Path(path).suffix == ".safetensors" and not start.startswith(_TORCH)):
            return load_file(path)
        # Opened here, since torch takes a path that ends in .safetensors for that format, whatever it holds.
        with warnings.catch_warnings(action="ignore", category=UserWarning), open(path, "rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; check the path of the weights.") from None
    except _FAILURES as error:
        raise UserError(f"{path} {_reason(start, str(error))}.") from error


def _is_safetensors(start: bytes) -> bool:
    """Whether the first bytes are those of safetensors: the length of a header, which is JSON."""
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 2**32


def _known_kind(start: bytes) -> tuple[str, str] | None:
    """What a file that holds no weights is by its first bytes, with the remedy; None if they do not tell."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next(((what, remedy) for first, what, remedy in _NOT_WEIGHTS if text.startswith(first)), None)


def _reason(start: bytes, error: str) -> str:
    """Why a file could not be read, and the remedy, in one line; ``error``: what the library said."""
    if known := _known_kind(start):
        return f"is {known[0]}; {known[1]}"
    if found := _REFUSED_GLOBAL.search(error):
        return f"contains more than weights, namely {found[1]}, which could run code; {_STATE_DICT}"
    if "TorchScript" in error:
        return f"contains a program (TorchScript), not weights alone; {_STATE_DICT}"
    if start.startswith(b"\x80") and ("operand" in error or "magic number" in error):
        return f"is a pickle that torch.save did not write; {_STATE_DICT}"
    # torch's advice to load without weights_only is none for a file from elsewhere.
    told = "" if "weights_only" in error or not error else f" ({error.splitlines()[0][:200]})"
    return f"is damaged or not a file of weights{told}; make or download it again"
