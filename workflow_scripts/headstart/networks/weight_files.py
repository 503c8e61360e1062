"""Files of weights, read by their content and not by their suffix; what is no such file is refused by what it is."""

import argparse
import os
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from headstart import stand_ins
from headstart.job import UserError

# What checkpoints hold beside weights that is plain data too: options of a command, and single numbers of NumPy.
_PLAIN = [
    argparse.Namespace,
    np.dtype,
    *{type(np.dtype(code)) for code in np.typecodes["AllInteger"] + np.typecodes["Float"] + "?"},
    *((np.float64(0).__reduce__()[0], f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
]
# First bytes of the two formats of torch.save: an archive (zip), and a pickle.
_TORCH = (b"PK", b"\x80")
_STATE_DICT = "save the network's state_dict alone, by torch.save(network.state_dict(), ...)"
_REFUSED_GLOBAL = re.compile(r"Unsupported (?:global|class): (?:GLOBAL )?(\S+)")


def read_state(path: str | os.PathLike) -> Mapping[str, object]:
    """What a file of safetensors or of ``torch.save`` holds, on the CPU: tensors by name, and what a checkpoint adds.

    Nothing but tensors, numbers, texts, options (argparse) and containers of these is unpickled. Raises
    :class:`UserError` for a missing file, and for any other by what it is.
    """
    start = stand_ins.first_bytes(path)
    try:
        if stand_ins.is_safetensors(start) or (Path(path).suffix == ".safetensors" and not start.startswith(_TORCH)):
            return load_file(path)
        # Opened here, since torch takes a path that ends in .safetensors for that format, whatever it holds.
        with (
            warnings.catch_warnings(action="ignore", category=UserWarning),
            torch.serialization.safe_globals(_PLAIN),
            open(path, "rb") as file,
        ):
            return torch.load(file, map_location="cpu", weights_only=True)
    # What is no such file makes the two libraries raise exceptions of any type.
    except Exception as error:
        raise UserError(f"{path} {_reason(path, start, str(error))}.") from error


def shown(names: Sequence[str]) -> str:
    """The first three of the names of tensors, for a message."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _reason(path: str | os.PathLike, start: bytes, error: str) -> str:
    """Why a file could not be read, and the remedy, in one line; ``error``: what the library said."""
    if found := _REFUSED_GLOBAL.search(error):
        return f"contains more than weights, namely {found[1]}, which could run code; {_STATE_DICT}"
    if "TorchScript" in error:
        return f"contains a program (TorchScript), not weights alone; {_STATE_DICT}"
    if start.startswith(b"\x80") and ("operand" in error or "magic number" in error):
        return f"is a pickle that torch.save did not write; {_STATE_DICT}"
    if zipfile.is_zipfile(path) and not any(name.endswith("data.pkl") for name in zipfile.ZipFile(path).namelist()):
        return "is a zip archive that torch.save did not write; unpack it"
    # torch's advice to load without weights_only is none for a file from elsewhere.
    told = "" if "weights_only" in error or not error else f" ({error.splitlines()[0][:200]})"
    return f"is damaged or not a file of weights{told}; make or download it again"
