"""The table of further images, such as a FLAIR beside a T1: which lie on the first, need review, or stop the study.

Only measures outside the limits of ``quality.stop_images`` in the configuration stop the study.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from headstart.job import UserError, shown
from headstart.register import quality_table

# Registrations from two starts that end farther apart than this did not find the same place.
_MAX_APART_MM = 2


def make_row(measures: Mapping, checked: Mapping) -> dict:
    """One image's row for :func:`tabulate`, without its names.

    ``measures``: of its registration (:mod:`headstart.register.image_quality`) and contrast
    (:func:`headstart.register.quality.contrast`); ``checked``: what
    :func:`headstart.datasets.intake.check_image` returned.
    """
    return {**measures, **{name: checked[name] for name in ("axes", "placed_by", "repairs", "warnings")}}


def tabulate(rows: Sequence[Mapping], stop: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """The table, one row per scan and further image: ``status``, the reasons for it, and all measures.

    ``rows``: ``dataset``, ``subject``, ``image``, and what :func:`make_row` returns. ``status``: ``failed`` (outside
    ``stop``: lower and upper limit of measures, by column), ``review`` (a warning) or ``passed``.
    """
    table = pd.DataFrame(rows)
    table["failed"] = ["; ".join(quality_table.failures(row, stop)) for row in rows]
    table["warnings"] = ["; ".join([*row["warnings"], *registration_warnings(row)]) for row in rows]
    table["repairs"] = ["; ".join(row["repairs"]) for row in rows]
    table["status"] = "passed"
    table.loc[table["warnings"] != "", "status"] = "review"
    table.loc[table["failed"] != "", "status"] = "failed"
    first = ["dataset", "subject", "image", "status", "failed", "warnings", "repairs"]
    return table[[*first, *(column for column in table.columns if column not in first)]]


def check_passed(table: pd.DataFrame, path: str) -> None:
    """Raise :class:`UserError` with the images that failed in the table, which was read from ``path``."""
    failed = table[table["status"] == "failed"]
    if failed.empty:
        return
    which = [f"{row.image} of {row.dataset} {row.subject} ({row.failed})" for row in failed.itertuples()]
    names = failed["dataset"].unique()
    exclude, images = (" and ".join(f"datasets.{name}.{key}" for name in names) for key in ("exclude", "images"))
    raise UserError(
        f"these do not lie on the first image of their scan: {shown(which, 10)}; see {path} and the pictures in "
        f"figures/registration, then add the scans to {exclude}, leave the image out of {images}, or change "
        "quality.stop_images."
    )


def registration_warnings(row: Mapping) -> list[str]:
    """Warnings about a registered image, from a row of :func:`tabulate` before its text."""
    found = []
    apart = row["starts_apart_mm"]
    if apart is None:
        found.append("registered from one start alone: do the headers place it elsewhere than the first image?")
    elif apart > _MAX_APART_MM:
        found.append(f"registrations from two starts ended {apart:.0f} mm apart")
    return [*found, *quality_table.contrast_warnings(row, row["image"])]
