"""Natural images: the table of those that a study uses, and their pixels as input of the networks."""

import io
import os
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from headstart import job
from headstart.datasets.natural import CLASSES, Picture
from headstart.job import UserError

_BYTES = {"file": str, "name": str, "offset": "Int64", "size": "Int64"}
_COLUMNS = {
    "group": str,
    "picture": str,
    **{f"image_{column}": kind for column, kind in _BYTES.items()},
    **{f"labels_{column}": kind for column, kind in _BYTES.items()},
}


def tabulate(pictures: Iterable[Picture]) -> pd.DataFrame:
    """One row per image: its group and name, and the ranges of bytes of the image and of its label map."""
    rows = []
    for picture in pictures:
        row = {"group": picture.group, "picture": picture.name}
        for kind, part in (("image", picture.image), ("labels", picture.labels)):
            row |= {f"{kind}_{column}": getattr(part, column, None) for column in _BYTES}
        rows.append(row)
    return (
        pd.DataFrame(rows, columns=list(_COLUMNS))
        .astype({"image_file": str})
        .astype({f"{kind}_{column}": "Int64" for kind in ("image", "labels") for column in ("offset", "size")})
    )


def read_table(path: str | os.PathLike) -> pd.DataFrame:
    """Read a table written from :func:`tabulate`; raises :class:`UserError` if it is invalid."""
    table = job.read_table(path, _COLUMNS)
    if list(table.columns) != list(_COLUMNS) or table[["group", "picture"]].duplicated().any():
        raise UserError(f"{path} is not a table of pictures, or has one twice; delete it and run again.")
    return table


def images(table: pd.DataFrame, size: int) -> np.ndarray:
    """Images (N, size, size) float32 in [0, 1]: grey, the shorter side scaled to ``size``, cropped to the centre.

    Colours are converted to luma (ITU-R 601). Raises :class:`UserError` if an image cannot be read.
    """
    scaled = [
        _fitted(image.convert("RGB").convert("L"), size, Image.Resampling.BICUBIC) for image in _opened(table, "image")
    ]
    return np.stack(scaled).astype(np.float32) / 255


def labels(table: pd.DataFrame, size: int) -> np.ndarray:
    """Label maps (N, size, size) uint8, scaled and cropped like :func:`images`, by nearest neighbours.

    Raises :class:`UserError` if an image has none, and for a map with other values than Taskonomy's labels.
    """
    if (unlabelled := table["labels_file"].isna()).any():
        first = table[unlabelled].iloc[0]
        raise UserError(
            f"{first['picture']} of {first['group']} has no segment_semantic; add it, or exclude {first['group']}."
        )
    scaled = []
    for image, name in zip(_opened(table, "labels"), table["labels_name"], strict=True):
        found = _fitted(image, size, Image.Resampling.NEAREST)
        if found.ndim != 2 or found.max() > len(CLASSES):
            raise UserError(f"{name} is not a map of labels from 0 to {len(CLASSES)}; fetch it again.")
        scaled.append(found.astype(np.uint8))
    return np.stack(scaled)


def one_hot(table: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """The class of each image, which is its group: (N, C) uint8, 1 in its column."""
    return (table["group"].to_numpy()[:, np.newaxis] == np.array(classes)).astype(np.uint8)


def _opened(table: pd.DataFrame, kind: str) -> Iterable[Image.Image]:
    for path, name, offset, size in table[[f"{kind}_{column}" for column in _BYTES]].itertuples(index=False):
        try:
            with open(path, "rb") as file:
                file.seek(offset)
                image = Image.open(io.BytesIO(file.read(size)))
                image.load()
        except OSError as error:
            raise UserError(f"{name} in {path} cannot be read as an image ({error}); fetch it again.") from None
        yield image


def _fitted(image: Image.Image, size: int, method: Image.Resampling) -> np.ndarray:
    return np.asarray(ImageOps.fit(image, (size, size), method))
