"""The quality table: which scans passed, which should be reviewed, and which stop the study.

Only measures outside the limits of ``quality.stop`` in the configuration stop the study. No measure can detect a header
that swaps left and right, since the template is symmetric: sides rest on the header (see
:mod:`headstart.datasets.headers`) and on affines that do not mirror, whose determinant is positive.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from headstart.datasets.scan import T1W
from headstart.job import UserError, shown

# The measures that are compared within a dataset; the smallest spread, as a share of the median; and the fewest scans.
_COMPARED = ("template_correlation", "brain_dice", "brain_native_ml", "determinant", "wm_minus_gm")
_MIN_SPREAD = 0.005
_MIN_SCANS = 5
# Share of the brain that may be outside the template's box.
_MAX_BRAIN_LOST = 0.05
# The order of tissues by contrast, whose name is in small letters: signs of white matter minus grey matter, white
# matter minus CSF, and grey matter minus CSF. 0 is either. Other contrasts have no known order.
_ORDERS = {"t1w": (1, 1, 0), "flair": (0, 1, 1), "t2w": (-1, -1, -1)}
_EXPECTED = {
    "t1w": "white matter is not the brightest tissue: not a T1?",
    "flair": "CSF is not the darkest tissue: not a FLAIR?",
    "t2w": "CSF is not the brightest tissue, or white matter is brighter than grey matter: not a T2w?",
}


def make_row(registered: Mapping, scan: Mapping, labels: Mapping | None = None, losses: Mapping | None = None) -> dict:
    """One scan's row for :func:`tabulate`.

    ``registered``: measures of its registration; ``scan``, ``labels``: what
    :func:`headstart.datasets.intake.check_scan` and :func:`headstart.datasets.intake.check_labels` returned;
    ``losses``: what :func:`headstart.register.quality.label_losses` returned. The last two are for scans with manual
    labels.
    """
    row = {**registered, **{name: scan[name] for name in ("axes", "placed_by", "repairs", "warnings")}}
    if labels is None:
        return row
    return {
        **row,
        **losses,
        "repairs": scan["repairs"] + labels["repairs"],
        "warnings": scan["warnings"] + labels["warnings"],
        "other_label_voxels": sum(labels["other_labels"].values()),
    }


def tabulate(
    rows: Sequence[Mapping],
    stop: Mapping[str, Sequence[float]],
    outlier: float,
    *,
    first_images: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """The quality table, one row per scan: ``status``, the reasons for it, and all measures.

    ``status``: ``failed`` (outside ``stop``; stops the study), ``review`` (an outlier, or a warning) or ``passed``;
    ``failed``, ``outliers``, ``warnings``, ``repairs``: the reasons as text. ``stop``: lower and upper limit of
    measures, by column. ``outlier``: absolute robust z-score within the dataset above which a measure is an outlier
    (:func:`robust_z`). ``first_images``: name of the first image of each dataset in which it is no T1.
    """
    table = pd.DataFrame(rows).drop(columns="parts_lost_ml", errors="ignore")  # a list, for the detection of lesions
    scores = {name: table.groupby("dataset")[name].transform(robust_z) for name in _COMPARED}
    mostly_stripped = table.groupby("dataset")["stripped"].transform(lambda stripped: stripped.mean() > 0.5)
    table["failed"] = ["; ".join(failures(row, stop)) for row in rows]
    table["outliers"] = [
        "; ".join(f"{name} (z {z[i]:+.1f})" for name, z in scores.items() if abs(z[i]) > outlier)
        for i in range(len(rows))
    ]
    table["warnings"] = [
        "; ".join([*row["warnings"], *_warnings(row, expected, first_images.get(row["dataset"], T1W))])
        for row, expected in zip(rows, mostly_stripped, strict=True)
    ]
    table["repairs"] = ["; ".join(row["repairs"]) for row in rows]
    if "classes_lost" in table:
        table["classes_lost"] = [", ".join(row.get("classes_lost", ())) for row in rows]
    flagged = (table["outliers"] != "") | (table["warnings"] != "")
    table["status"] = np.where(table["failed"] != "", "failed", np.where(flagged, "review", "passed"))
    first = ["dataset", "subject", "status", "failed", "outliers", "warnings", "repairs"]
    return table[[*first, *(column for column in table.columns if column not in first)]]


def robust_z(values: pd.Series) -> pd.Series:
    """Modified z-scores (Iglewicz and Hoaglin 1993): deviation from the median over the median absolute deviation.

    The latter is taken as at least 0.5 % of the median, since smaller differences between scans do not matter. With
    fewer than five scans, all scores are 0.
    """
    if values.count() < _MIN_SCANS:
        return pd.Series(0.0, values.index)
    centre = values.median()
    spread = max(float((values - centre).abs().median()), _MIN_SPREAD * abs(float(centre)), 1e-9)
    return (0.6745 * (values - centre) / spread).fillna(0.0)


def failures(row: Mapping, stop: Mapping[str, Sequence[float]]) -> list[str]:
    """The measures of a scan that are outside the limits ``stop``, or could not be computed, as text."""
    found = []
    for name, (low, high) in stop.items():
        value = row[name]
        if value is None:
            found.append(f"{name} unknown")
        elif not low <= value <= high:
            found.append(f"{name} {value:.3g}, " + (f"above {high:g}" if value > high else f"below {low:g}"))
    return found


def check_passed(table: pd.DataFrame, path: str) -> None:
    """Raise :class:`UserError` with the scans that failed in the quality table, which was read from ``path``."""
    failed = table[table["status"] == "failed"]
    if failed.empty:
        return
    scans = [f"{row.dataset} {row.subject} ({row.failed})" for row in failed.itertuples()]
    keys = " and ".join(f"datasets.{name}.exclude" for name in failed["dataset"].unique())
    raise UserError(
        f"registration failed for {shown(scans, 10)}; see {path} and their pictures in figures/registration, then add "
        f"them to {keys}, or change quality.stop."
    )


def contrast_warnings(row: Mapping, image: str) -> list[str]:
    """The warning about an image whose tissues are not in the order that its name promises, if so.

    ``row``: measures of :func:`headstart.register.quality.contrast`.
    """
    differences = (row["wm_minus_gm"], row["wm_minus_csf"], row["wm_minus_csf"] - row["wm_minus_gm"])
    kind = image.casefold()
    order = _ORDERS.get(kind, ())
    # No difference is as wrong as one with the other sign, and so is one that could not be computed.
    as_expected = (not sign or sign * found > 0 for sign, found in zip(order, differences, strict=False))
    return [] if all(as_expected) else [_EXPECTED[kind]]


def _warnings(row: Mapping, expect_stripped: bool, image: str) -> list[str]:
    """Warnings about a registered scan.

    ``expect_stripped``: most scans of its dataset have no skull; ``image``: name of the first image.
    """
    found = contrast_warnings(row, image)
    if row["stripped"] != expect_stripped:
        found.append("has no skull, unlike most of its dataset" if row["stripped"] else "has its skull, unlike most")
    if abs(row["brain_ml"] / row["brain_native_ml"] - 1) > _MAX_BRAIN_LOST:
        found.append("part of the brain is outside the template's box")
    if row.get("parts_lost"):
        found.append(f"{row['parts_lost']} of {row['parts_native']} labelled parts lost by resampling")
    if row.get("classes_lost"):
        found.append(f"lost by resampling: {', '.join(row['classes_lost'])}")
    return found
