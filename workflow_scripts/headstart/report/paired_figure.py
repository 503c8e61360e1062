"""Score of every test scan from each source against its score from random initialisation, one figure per target."""

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from headstart.evaluate.tables import BASELINE, LEVEL, METRICS
from headstart.report.sources import Shown, Style

COLUMNS = ["source", "size", "scan", "resamples", "score", "baseline", "gain"]
_CELL = ["source", "size", "scan"]


def numbers(scores: pd.DataFrame) -> pd.DataFrame:
    """The numbers of the figure of one target: one row per source, set size and test scan.

    ``scores``: the target's rows of ``tables/scan_scores.parquet`` (:func:`headstart.evaluate.tables.collect`), of
    which those of whole volumes are used. Columns: source (all but the baseline), size, scan, ``resamples`` (in which
    the scan has a score from both), then their means: ``score``, ``baseline``, and ``gain``, the difference. Set size
    0, which the baseline lacks, has no rows.
    """
    scored = scores[(scores["level"] == LEVEL) & (scores["count"] > 0)]
    scored = scored.assign(score=scored["total"] / scored["count"])[[*_CELL, "resample", "score"]]
    baseline = scored[scored["source"] == BASELINE].drop(columns="source").rename(columns={"score": "baseline"})
    pairs = scored[scored["source"] != BASELINE].merge(baseline, on=["size", "scan", "resample"])
    means = pairs.groupby(_CELL).agg(
        resamples=("resample", "count"), score=("score", "mean"), baseline=("baseline", "mean")
    )
    return means.assign(gain=means["score"] - means["baseline"]).reset_index()[COLUMNS]


def figure(pairs: pd.DataFrame, target: str, metric: str, sources: Shown) -> plt.Figure:
    """A dot per test scan, from :func:`numbers`: one row per source, one column per set size.

    Above the line of equal scores, a scan gains. ``metric``: "dice" or "miou"; ``sources``: those of the study.
    """
    listed, sizes = sources.in_order(pairs["source"]), sorted(pairs["size"].unique())
    if not listed:
        drawn = plt.figure(figsize=(6, 1))
        drawn.text(
            0.5, 0.5, f"{target}: no scan has scores from {BASELINE} and another source", ha="center", va="center"
        )
        return drawn
    drawn, axes = plt.subplots(
        len(listed), len(sizes), figsize=(2.3 * len(sizes) + 1, 2.4 * len(listed) + 0.9),
        squeeze=False, sharex=True, sharey=True, layout="constrained",
    )  # fmt: skip
    ends = _limits(pairs)
    for row, source in zip(axes, listed, strict=True):
        for axis, size in zip(row, sizes, strict=True):
            part = pairs[(pairs["source"] == source) & (pairs["size"] == size)]
            _panel(axis, part, ends, sources.style(source))
        row[0].set_ylabel(source, fontsize=9)
    for axis, size in zip(axes[0], sizes, strict=True):
        axis.set_title(f"{size} labelled scan{'s' * int(size > 1)}\n{axis.get_title()}", fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel(BASELINE, fontsize=9)
    drawn.suptitle(f"{target}: {METRICS[metric]} of each test scan; above the line it gains", fontsize=10.5)
    return drawn


def outcome(gains: pd.Series) -> str:
    """How many scans gain, and how many neither gain nor lose, in words."""
    if gains.empty:
        return "not known"
    gaining, equal = (gains > 0).sum(), (gains == 0).sum()
    return f"{gaining} of {len(gains)} gain" + (f", {equal} equal" if equal else "")


def _limits(pairs: pd.DataFrame) -> tuple[float, float]:
    """The ends of both axes, with room for markers: the scores' in tenths."""
    values = pairs[["score", "baseline"]].to_numpy()
    low, high = np.floor(10 * values.min()) / 10, max(np.ceil(10 * values.max()) / 10, 0.1)
    room = 0.05 * (high - low)
    return low - room, high + room


def _panel(axis: plt.Axes, part: pd.DataFrame, ends: tuple[float, float], style: Style) -> None:
    """The scans of one source at one set size, under the number of those that gain."""
    axis.plot(ends, ends, color="0.6", lw=0.8, zorder=0)
    axis.plot(part["baseline"], part["score"], **style._asdict(), ls="", ms=6, mec="white", mew=0.4, alpha=0.8)
    axis.set_xlim(ends)
    axis.set_ylim(ends)
    axis.set_aspect("equal")
    axis.locator_params(nbins=4)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title(outcome(part["gain"]), fontsize=8.5)
