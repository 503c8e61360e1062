"""Images in two files, as Analyze and some NIfTI images are: the voxels, and a header beside them."""

import os
import re

_IMAGE = re.compile(r"\.(img)((\.(gz|bz2|zst))?)$", re.IGNORECASE)


def header_beside(path: str | os.PathLike) -> str | None:
    """The path of an image's header, whether it exists or not; None for an image that has its header within."""
    path = os.fspath(path)
    if (ending := _IMAGE.search(path)) is None:
        return None
    return f"{path[: ending.start()]}.{'HDR' if ending[1].isupper() else 'hdr'}{ending[2]}"
