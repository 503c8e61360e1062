"""What often stands where a file of weights should, by its first bytes: pointers, web pages, compressed files.

It needs neither torch nor much time, so that a study is refused when it is planned, and not hours later.
"""

import os

from headstart.job import UserError

# First bytes of such files, in lower case: what each is, and the remedy.
_KINDS = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "fetch it with git lfs pull"),
    (b"/annex/objects/", "a pointer of git-annex, not the file itself", "fetch it with datalad get"),
    (b"<", "a web page, not the file itself", "download the file again, by a link that needs no login"),
    (b"{", "a text (JSON)", "take the file with the weights themselves"),
    (b"\x89hdf", "an HDF5 file, as of Keras", "convert it to a state_dict of PyTorch"),
    (b"\x93numpy", "an array of NumPy", "convert it to a state_dict of PyTorch"),
    (b"\x1f\x8b", "compressed (gzip)", "unpack it"),
    (b"bzh", "compressed (bzip2)", "unpack it"),
    (b"\xfd7zxz", "compressed (xz)", "unpack it"),
    (b"7z\xbc\xaf", "compressed (7z)", "unpack it"),
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Enough for all of these, and for the length and the first byte of the header of safetensors.
_READ = 64


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
    text = start.removeprefix(_BYTE_ORDER_MARK).lstrip().lower()
    known = next(((what, remedy) for first, what, remedy in _KINDS if text.startswith(first)), None)
    # The length of a header may look like a text.
    if known and not is_safetensors(start):
        raise UserError(f"{path} is {known[0]}; {known[1]}.")
    return start


def is_safetensors(start: bytes) -> bool:
    """Whether the first bytes are those of safetensors: the length of a header, which is JSON."""
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 2**32
