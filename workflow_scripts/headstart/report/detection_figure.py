"""Lesion detection in one figure per target: precision against lesion-wise sensitivity (recall), at every cutoff."""

from collections.abc import Sequence

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from headstart.report.sources import Shown, Style

# Lesions as they are counted in a scan: parts of the volume, and those that the study's grid has lost are missed.
CONNECTIVITY = "volume26"
MEASURES = ["sensitivity_native", "precision"]
_X, _Y = MEASURES
_WITH_ENDS = [f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")]
COLUMNS = ["source", "size", "overlap", "volume_ml", "scans", "lesions_native", *_WITH_ENDS]
_F1 = (0.2, 0.4, 0.6, 0.8)
_MARKER = {"ms": 8.5, "mew": 0.4}
_UNBOUNDED = {"mfc": "white", "mew": 1.2}


def numbers(detection: pd.DataFrame) -> pd.DataFrame:
    """The numbers of the figure of one target, from its rows of ``tables/detection.tsv``: one row per point.

    Columns: source, size, the cutoffs ``overlap`` and ``volume_ml``, ``scans`` and ``lesions_native`` (of the test
    scans), then ``sensitivity_native`` and ``precision``, each with its 95 % confidence interval (``_low``, ``_high``).
    Precision is NaN where neither a lesion was detected nor a false positive made.
    """
    return detection.loc[detection["connectivity"] == CONNECTIVITY, COLUMNS].reset_index(drop=True)


def figure(shown: pd.DataFrame, target: str, sources: Shown) -> plt.Figure:
    """Precision against sensitivity, from :func:`numbers`: one column per volume cutoff, one row per overlap cutoff.

    A large marker is a source at the largest set size, with its 95 % confidence intervals; it is open where one of them
    is not determined, or extends from 0 to 1 and is not drawn. Dots on the line to it are smaller set sizes. Volume
    cutoffs that no lesion reaches are named and not drawn. A source whose precision is not known is listed below the
    diagram. ``sources``: those of the study.
    """
    largest, listed = int(shown["size"].max()), sources.in_order(shown["source"])
    reached = sorted(shown.loc[shown["lesions_native"] > 0, "volume_ml"].unique())
    head = f"{target}: lesion detection with {_labelled([largest])}"
    if not reached:
        drawn = plt.figure(figsize=(6, 1))
        drawn.text(0.5, 0.5, f"{head}\nnot known: no test scan has a lesion", ha="center", va="center")
        return drawn
    drawable, overlaps = shown[shown["volume_ml"].isin(reached)], sorted(shown["overlap"].unique())
    drawn, axes = plt.subplots(
        len(overlaps), len(reached), figsize=(3.7 * len(reached) + 0.6, 3.5 * len(overlaps) + 1.1),
        squeeze=False, sharex=True, sharey=True, layout="constrained",
    )  # fmt: skip
    for row, overlap in zip(axes, overlaps, strict=True):
        for axis, volume_ml in zip(row, reached, strict=True):
            part = drawable[(drawable["overlap"] == overlap) & (drawable["volume_ml"] == volume_ml)]
            _panel(axis, part, largest, listed, sources)
        row[0].set_ylabel(f"detected: overlap > {100 * overlap:g} %\n\nprecision", fontsize=9)
    _limits(axes.flat, drawable, largest)
    for axis, volume_ml in zip(axes[0], reached, strict=True):
        lesions = drawable.loc[drawable["volume_ml"] == volume_ml, "lesions_native"].max()
        which = f"of {volume_ml:g} mL or more" if volume_ml else "of any volume"
        axis.set_title(f"lesions {which} ({lesions:.0f} in the test scans)", fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("lesion-wise sensitivity (recall)", fontsize=9)
    beyond = shown.loc[~shown["volume_ml"].isin(reached), "volume_ml"]
    end = "" if beyond.empty else f"\nno lesion of {beyond.min():g} mL or more"
    drawn.suptitle(f"{head}: up and to the right is better{end}", fontsize=10.5)
    _legend(drawn, drawable, listed, sources)
    return drawn


def _labelled(sizes: Sequence[int]) -> str:
    return f"{', '.join(map(str, sizes))} labelled scan{'s' * (list(sizes) != [1])}"


def _bounded(point: pd.Series) -> bool:
    """Whether both confidence intervals of a point are known and shorter than the whole range."""
    ends = [(point[f"{measure}_low"], point[f"{measure}_high"]) for measure in MEASURES]
    return all(high - low < 1 for low, high in ends)  # False of NaN


def _panel(axis: plt.Axes, part: pd.DataFrame, largest: int, listed: Sequence[str], sources: Shown) -> None:
    """All sources at one pair of cutoffs: those without a precision at the largest set size below the diagram."""
    for source in listed:
        line = part[(part["source"] == source) & part[_Y].notna()].sort_values("size")
        axis.plot(line[_X], line[_Y], color=sources.style(source).color, lw=0.9, alpha=0.5, marker=".", ms=4)
    rows, unknown = part[part["size"] == largest].set_index("source"), []
    places = rows[MEASURES].round(2).apply(tuple, axis=1)
    for source in (name for name in listed if name in rows.index):
        point, style = rows.loc[source], sources.style(source)
        if np.isnan(point[_Y]):
            unknown.append(style)
            continue
        same = [name for name in listed if name in rows.index and places[name] == places[source]]
        _point(axis, point, _side_by_side(point[_X], same.index(source), len(same)), style)
    if unknown:
        _list_unknown(axis, unknown)


def _side_by_side(at: float, index: int, count: int) -> float:
    """Where to draw one of several markers in the same place, within 0 and 1."""
    width = 0.04 * (count - 1)
    return float(np.clip(at - width / 2, 0, 1 - width)) + 0.04 * index if count > 1 else at


def _point(axis: plt.Axes, point: pd.Series, at: float, style: Style) -> None:
    """The marker of a source, with its intervals."""
    if not _bounded(point):
        axis.plot(at, point[_Y], **style._asdict(), **(_MARKER | _UNBOUNDED), ls="")
        return
    reach = {
        error: np.abs([[point[f"{measure}_low"]], [point[f"{measure}_high"]]] - point[measure])
        for error, measure in (("xerr", _X), ("yerr", _Y))
    }
    axis.errorbar(at, point[_Y], **reach, **style._asdict(), **_MARKER, mec="white", elinewidth=0.7, alpha=0.9)


def _list_unknown(axis: plt.Axes, styles: Sequence[Style]) -> None:
    """The markers of the sources whose precision is not known, in a strip below the diagram."""
    within = {"transform": axis.transAxes, "clip_on": False}
    axis.text(0.02, 0.045, "precision not known:", fontsize=7.5, va="center", **within)
    for k, style in enumerate(styles):
        axis.plot(
            0.5 + k * min(0.065, 0.48 / len(styles)), 0.045, **style._asdict(), ms=6, mec="white", mew=0.4, **within
        )


def _limits(axes: Sequence[plt.Axes], drawable: pd.DataFrame, largest: int) -> None:
    """The same limits in all panels, no lower than the points need, with curves of equal F1 score.

    F1 is the harmonic mean of both axes.
    """
    unknown = drawable.loc[drawable["size"] == largest, _Y].isna().any()
    low = np.floor(10 * drawable[_WITH_ENDS].min(axis=None)) / 10
    low = 0.0 if unknown else float(np.clip(low, 0, 0.6))
    span = 1 - low
    for axis in axes:
        for score in _F1:
            recall = np.linspace(max(score / (2 - score), low), 1, 100)
            precision = score * recall / (2 * recall - score)
            axis.plot(recall[precision >= low], precision[precision >= low], color="0.85", lw=0.8, zorder=0)
            if precision[-1] > low:
                axis.text(1 + 0.05 * span, precision[-1], f"F1 {score:g}", color="0.5", fontsize=7, va="center")
        axis.set_xlim(low - 0.04 * span, 1 + 0.04 * span)
        axis.set_ylim(low - (0.16 if unknown else 0.04) * span, 1 + 0.04 * span)
        ticks = [tick for tick in np.linspace(0, 1, 6) if tick >= low - 1e-9]
        axis.set_xticks(ticks)
        axis.set_yticks(ticks)
        axis.spines[["top", "right"]].set_visible(False)
        if unknown:
            axis.axhspan(-0.145, -0.055, color="0.94", zorder=0)


def _legend(drawn: plt.Figure, drawable: pd.DataFrame, listed: Sequence[str], sources: Shown) -> None:
    """Sources, smaller set sizes and intervals, below all panels."""
    sizes = sorted(map(int, drawable["size"].unique()))
    final = drawable[(drawable["size"] == sizes[-1]) & drawable[_Y].notna()]
    bounded = final.apply(_bounded, axis=1).astype(bool)
    handles = [
        Line2D([], [], ls="", **sources.style(name)._asdict(), **_MARKER, mec="white", label=name) for name in listed
    ]
    if bounded.any():
        handles.append(Line2D([], [], color="black", lw=0.7, label="95 % CI"))
    if not bounded.all():
        label = "95 % CI not determined, or 0 to 1"
        handles.append(Line2D([], [], ls="", color="black", marker="o", ms=7, **_UNBOUNDED, label=label))
    if sizes[:-1]:
        label = f"with {_labelled(sizes[:-1])}"
        handles.append(Line2D([], [], color="black", lw=0.9, marker=".", ms=4, alpha=0.5, label=label))
    drawn.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), frameon=False, fontsize=8.5)
