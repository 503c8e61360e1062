"""The table of quality: which scans passed, which stop the study, and what in each deserves a review.

Numbers beyond ``quality.stop`` of the configuration stop the study; all else is a word in the table. What cannot be
known: the template is symmetric, so a scan whose header swaps left and right registers as well as its mirror image.
Sides depend on the header (see :mod:`headstart.datasets.headers`), and on affines that do not mirror: their determinant
is positive.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from headstart.job import UserError

# What is compared within a dataset; the share of the median that is noise in itself, and the fewest scans.
_COMPARED = ("template_correlation", "brain_dice", "brain_native_ml", "determinant", "wm_minus_gm")
_LEAST_SPREAD = 0.005
_LEAST_SCANS = 5
# Share of the brain that may leave the template's box.
_BRAIN_LOST = 0.05


def gathered(registered: Mapping, scan: Mapping, labels: Mapping | None = None, losses: Mapping | None = None) -> dict:
    """One scan's row for :func:`tabulate`.

    ``registered``: its registration's numbers; ``scan``, ``labels``: the records of
    :func:`headstart.datasets.intake.check_scan` and :func:`headstart.datasets.intake.check_labels`; ``losses``: of :func:`label_losses`.
    The last two are of scans with manual labels.
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


def tabulate(rows: Sequence[Mapping], stop: Mapping[str, Sequence[float]], outlier: float) -> pd.DataFrame:
    """The table of quality, a row a scan: ``status``, the reasons for it, and every number.

    ``status``: ``failed`` (beyond ``stop``; the study stops), ``look`` (an outlier, or a warning) or ``passed``;
    ``failed``, ``outliers``, ``warnings``, ``repairs``: in words. ``stop``: least and most of the numbers that stop
    the study, by column. ``outlier``: robust z-score beyond which a number parts from its dataset (:func:`robust_z`).
    """
    table = pd.DataFrame(rows)
    scores = {name: table.groupby("dataset")[name].transform(robust_z) for name in _COMPARED}
    usual = table.groupby("dataset")["stripped"].transform(lambda stripped: stripped.mean() > 0.5)
    table["failed"] = ["; ".join(failures(row, stop)) for row in rows]
    table["outliers"] = [
        "; ".join(f"{name} (z {z[i]:+.1f})" for name, z in scores.items() if abs(z[i]) > outlier)
        for i in range(len(rows))
    ]
    table["warnings"] = [
        "; ".join([*row["warnings"], *_warnings(row, stripped_usual)])
        for row, stripped_usual in zip(rows, usual, strict=True)
    ]
    table["repairs"] = ["; ".join(row["repairs"]) for row in rows]
    if "classes_lost" in table:
        table["classes_lost"] = [", ".join(row.get("classes_lost", ())) for row in rows]
    told = (table["outliers"] != "") | (table["warnings"] != "")
    table["status"] = np.where(table["failed"] != "", "failed", np.where(told, "look", "passed"))
    first = ["dataset", "subject", "status", "failed", "outliers", "warnings", "repairs"]
    return table[[*first, *(column for column in table.columns if column not in first)]]


def robust_z(values: pd.Series) -> pd.Series:
    """Modified z-scores (Iglewicz and Hoaglin 1993): distance from the median over the median such distance.

    The latter counts as at least half a percent of the median, below which scans do not differ in earnest. Of fewer
    than five scans nothing is said: all scores are 0.
    """
    if values.count() < _LEAST_SCANS:
        return pd.Series(0.0, values.index)
    centre = values.median()
    spread = max(float((values - centre).abs().median()), _LEAST_SPREAD * abs(float(centre)), 1e-9)
    return (0.6745 * (values - centre) / spread).fillna(0.0)


def failures(row: Mapping, stop: Mapping[str, Sequence[float]]) -> list[str]:
    """In what a scan's registration is beyond what the study takes; a number that could not be had is."""
    found = []
    for name, (low, high) in stop.items():
        value = row[name]
        if value is None:
            found.append(f"{name} unknown")
        elif not low <= value <= high:
            found.append(f"{name} {value:.3g}, " + (f"above {high:g}" if value > high else f"below {low:g}"))
    return found


def check_passed(table: pd.DataFrame, path: str) -> None:
    """Raise :class:`UserError` with the scans whose registration failed in the table of quality, read from ``path``."""
    failed = table[table["status"] == "failed"]
    if failed.empty:
        return
    scans = ", ".join(f"{row.dataset} {row.subject} ({row.failed})" for row in failed.head(10).itertuples())
    more = f" and {len(failed) - 10} more" if len(failed) > 10 else ""
    keys = " and ".join(f"datasets.{name}.exclude" for name in failed["dataset"].unique())
    raise UserError(
        f"registration failed for {scans}{more}; see {path} and their pictures (figures/registration), then add them to "
        f"{keys}, or change quality.stop."
    )


def _warnings(row: Mapping, stripped_usual: bool) -> list[str]:
    """What of a registered scan is worth a look."""
    found = []
    if not (row["wm_minus_gm"] > 0 and row["wm_minus_csf"] > 0):
        found.append("white matter is not the brightest tissue: not a T1?")
    if row["stripped"] != stripped_usual:
        found.append("has no skull, unlike most of its dataset" if row["stripped"] else "has its skull, unlike most")
    if abs(row["brain_ml"] / row["brain_native_ml"] - 1) > _BRAIN_LOST:
        found.append("part of the brain lies outside the template's box")
    if row.get("parts_lost"):
        found.append(f"{row['parts_lost']} of {row['parts_native']} labelled parts lost by resampling")
    if row.get("classes_lost"):
        found.append(f"lost by resampling: {', '.join(row['classes_lost'])}")
    return found
