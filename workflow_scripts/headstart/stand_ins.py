"""What often stands where another file should, by its first bytes: pointers, web pages, compressed files.

Images and tables ask here for pointers; what stands where weights should is refused here. That needs neither torch nor
much time, so that a study is refused when it is planned, and not hours later.
"""

import os
import re
from collections.abc import Iterable

from headstart.job import UserError

LFS, ANNEX = "Git LFS", "git-annex"
# First bytes of files that are no weights: what each is, and the remedy.
_KINDS = (
    (b"<", "a web page, not the file itself", "download the file again, by a link that needs no login"),
    (b"{", "a text (JSON)", "take the file with the weights themselves"),
    (b"\x89HDF", "an HDF5 file, as of Keras", "convert it to a state_dict of PyTorch"),
    (b"\x93NUMPY", "an array of NumPy", "convert it to a state_dict of PyTorch"),
    (b"\x1f\x8b", "compressed (gzip)", "unpack it"),
    (b"BZh", "compressed (bzip2)", "unpack it"),
    (b"\xfd7zXZ", "compressed (xz)", "unpack it"),
    (b"7z\xbc\xaf", "compressed (7z)", "unpack it"),
)
_INDEX = re.compile(rb'"(total_\w+|weight_map)"')
_FETCHED_BY = {LFS: "git lfs pull", ANNEX: "datalad get"}
# What may stand before the first character of a text: a byte order mark, and white space.
_BLANK = b"\xef\xbb\xbf \t\r\n"
# Enough for all of these, and for the length and the first byte of the header of safetensors.
_READ = 64


def pointer_of(start: bytes) -> str | None:
    """The tool that has not fetched a file, :data:`LFS` or :data:`ANNEX`, by its first bytes; None if it is a file."""
    line = start.lstrip(_BLANK).partition(b"\n")[0]
    if line.startswith(b"version https://git-lfs"):
        return LFS
    # A link that was written out as a text leads up to the repository first: ../.git/annex/objects/...
    return ANNEX if b"/annex/objects/" in line else None


def kind_of(start: bytes, kinds: Iterable[tuple[bytes, str, str]]) -> tuple[str, str] | None:
    """What a file is, and the remedy, of those ``kinds`` by its first bytes, in any case; None if it is none."""
    text = start.lstrip(_BLANK).lower()
    return next(((what, remedy) for first, what, remedy in kinds if text.startswith(first.lower())), None)


def first_bytes(path: str | os.PathLike) -> bytes:
    """The first 64 bytes of a file that may hold weights.

    Raises :class:`UserError`, with what the file is, if it is missing, cannot be read, is empty, or starts as none of
    weights does.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(_READ)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; check the path of the weights.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); make it readable, or correct its path.") from None
    if not start:
        raise UserError(f"{path} is empty; make or download it again.")
    known = kind_of(start, _KINDS)
    if tool := pointer_of(start):
        known = f"a pointer of {tool}, not the file itself", f"fetch it with {_FETCHED_BY[tool]}"
    # The index of safetensors in several files, which begins with the size of all or with the file of each tensor.
    if start.startswith(b"{") and _INDEX.search(start):
        known = "the index of weights in several files", "join these in one file"
    # The length of a header may look like a text.
    if known and not is_safetensors(start):
        raise UserError(f"{path} is {known[0]}; {known[1]}.")
    return start


def is_safetensors(start: bytes) -> bool:
    """Whether the first bytes are those of safetensors: the length of a header, which is JSON."""
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 2**32
