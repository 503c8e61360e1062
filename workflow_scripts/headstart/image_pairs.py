"""Images in two files, as Analyze and some NIfTI images are: the voxels, and a header beside them."""

import os

_HEADERS = {".img": ".hdr", ".img.gz": ".hdr.gz", ".IMG": ".HDR"}


def header_beside(path: str | os.PathLike) -> str | None:
    """The path of an image's header, whether it exists or not; None for an image that has its header within."""
    path = os.fspath(path)
    return next((path.removesuffix(image) + header for image, header in _HEADERS.items() if path.endswith(image)), None)
