"""The answer in one figure: for each target, the gain of every source and the labelled scans that it saves."""

import textwrap
from collections.abc import Mapping

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import FigureBase
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from headstart.evaluate.learning_curves import SAVED
from headstart.evaluate.significance import DIFFERENT, NO_DIFFERENCE
from headstart.evaluate.tables import ALL_SIZES, LEVEL, metric_name
from headstart.report.sources import Shown, Style

_SCANS = [f"scans_{name}" if name.startswith("saved") else f"scans_saved_{name}" for name in SAVED]
COLUMNS = [
    "target",
    "metric",
    "source",
    "highest",
    "gain",
    "low",
    "high",
    "p_adjusted",
    "significant",
    "margin",
    "sizes",
    "size",
    "largest",
    *_SCANS,
]


def numbers(verdict: pd.DataFrame, comparisons: pd.DataFrame, saved: pd.DataFrame, sources: Shown) -> pd.DataFrame:
    """The numbers of the figure, from the tables of these names: one row per target and source except the baseline.

    ``highest``: whether the source has the highest mean score; ``gain`` over the baseline, averaged over the set sizes,
    with its simultaneous 95 % confidence interval (``low``, ``high``), its adjusted p-value and whether it is
    significant; ``margin``: the largest gain that makes no difference to the user; ``sizes``, ``size`` and ``largest``:
    number of set sizes, the smallest and the largest; ``scans_saved`` and the other columns of this name: the labelled
    scans saved at the smallest set size, as in that table. All over whole volumes. ``sources``: those of the study.
    """
    rows = []
    for answer in verdict.to_dict("records"):
        pairs, scans = (
            part[(part["target"] == answer["target"]) & (part["level"] == LEVEL)] for part in (comparisons, saved)
        )
        sizes = pairs["size"].astype(str)
        overall = pairs[sizes == ALL_SIZES] if ALL_SIZES in set(sizes) else pairs
        against = overall[overall["against"] == sources.baseline].set_index("source")
        first = scans[scans["size"] == scans["size"].min()].set_index("source")
        for source in sources.in_order(against.index):
            pair = against.loc[source]
            row = {"target": answer["target"], "metric": answer["metric"], "source": source,
                   "highest": source == answer["highest"], "gain": pair["difference"], "low": pair["low"],
                   "high": pair["high"], "p_adjusted": pair["p_adjusted"], "significant": bool(pair["significant"]),
                   "margin": answer["margin"],
                   "sizes": len(set(sizes) - {ALL_SIZES}), "size": first["size"].get(source),
                   "largest": scans["size"].max()}  # fmt: skip
            rows.append(row | dict(zip(_SCANS, first.reindex([source])[list(SAVED)].iloc[0], strict=True)))
    return pd.DataFrame(rows, columns=COLUMNS)


def figure(shown: pd.DataFrame, sentences: Mapping[str, str], sources: Shown) -> plt.Figure:
    """One band per target, from :func:`numbers`: the sentence of the verdict, gains (left) and scans saved (right).

    Filled markers are significantly different from the baseline; the grey band is the margin of equivalence; arrowheads
    mark scans saved beyond the measured sizes.
    """
    titles = {target: textwrap.fill(said, 120, break_on_hyphens=False) for target, said in sentences.items()}
    rows = [(shown["target"] == target).sum() for target in titles]
    heights = [
        0.18 * title.count("\n") + (0.3 * max(n, 2) + 1.6 if n else 0.4)
        for n, title in zip(rows, titles.values(), strict=True)
    ]
    key = [0.5] * (not shown.empty)
    drawn = plt.figure(figsize=(9.5, sum(heights + key)), layout="constrained")
    bands = np.atleast_1d(drawn.subfigures(len(heights + key), 1, height_ratios=heights + key))
    for band, (target, title) in zip(bands[: len(heights)], titles.items(), strict=True):
        part = shown[shown["target"] == target]
        band.suptitle(title, x=0.01, ha="left", fontsize=9.5)
        if not part.empty:
            draw_target(band, part, sources)
    if key:
        _key(bands[-1])
    return drawn


def draw_target(band: FigureBase, part: pd.DataFrame, sources: Shown) -> None:
    """Draw one target's rows of :func:`numbers` into a figure or subfigure: gains (left) and scans saved (right)."""
    gains, saved = band.subplots(1, 2, sharey=True, width_ratios=[1.5, 1])
    styles = {source: sources.style(source) for source in part["source"]}
    _gains(gains, part, styles, str(sources.baseline))
    _saved(saved, part, styles)
    for axis in (gains, saved):
        if axis.axison:
            axis.axvline(0, color="black", lw=0.8, ls=":")
            axis.spines[["top", "right"]].set_visible(False)


def _gains(axis: plt.Axes, part: pd.DataFrame, styles: Mapping[str, Style], baseline: str) -> None:
    """The gain of each source over the baseline, one row each, with its 95 % confidence interval."""
    for row, known in enumerate(part.to_dict("records")):
        style = styles[known["source"]]
        axis.errorbar(
            known["gain"], row, xerr=[[abs(known["gain"] - known["low"])], [abs(known["high"] - known["gain"])]],
            color=style.color, marker=style.marker, ms=8, capsize=3, lw=1.4,
            mfc=style.color if known["significant"] else "white",
        )  # fmt: skip
    margin = part["margin"].iloc[0]
    axis.axvspan(-margin, margin, color="0.9", lw=0, zorder=0)
    axis.set_yticks(range(len(part)), part["source"], fontsize=9)
    for label, highest in zip(axis.get_yticklabels(), part["highest"], strict=True):
        label.set_fontweight("bold" if highest else "normal")
    axis.set_ylim(len(part) - 0.5, -0.5)
    axis.xaxis.set_major_locator(MaxNLocator(5))
    averaged = ", averaged over set sizes" if part["sizes"].max() > 1 else ""
    axis.set_xlabel(f"gain over {baseline} ({metric_name(part['metric'].iloc[0])}{averaged})", fontsize=9)


def _saved(axis: plt.Axes, part: pd.DataFrame, styles: Mapping[str, Style]) -> None:
    """The labelled scans that each source saves, one row each, with their 95 % confidence interval."""
    beyond = {">": "> ", "<": "< "}
    known = part[part["scans_saved"].notna()]
    if part["sizes"].max() < 2:
        _say(axis, "labelled scans saved:\nnot defined for one set size")
        return
    if part["scans_saved_is"].isna().all():
        _say(axis, "labelled scans saved:\nnot defined without two trained sources")
        return
    if _unbounded(known).all():
        measured = f"{part['size'].iloc[0]:.0f} to {part['largest'].iloc[0]:.0f} labelled scans"
        _say(axis, f"labelled scans saved:\nnot known; every 95 % CI extends\nbeyond {measured}")
        return
    for row, (scans, unbounded) in enumerate(zip(part.to_dict("records"), _unbounded(part), strict=True)):
        beside = {"xy": (1.02, row), "xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 8}
        if unbounded:
            axis.annotate("not known", **beside)
        if unbounded or np.isnan(scans["scans_saved"]):
            continue
        style, ends = styles[scans["source"]], (scans["scans_saved_low"], scans["scans_saved_high"])
        if not np.isnan(ends).any():
            axis.plot(ends, [row, row], color=style.color, lw=1.4)
        for end, sign in zip(ends, (scans["scans_saved_low_is"], scans["scans_saved_high_is"]), strict=True):
            if sign in beyond:
                axis.plot(end, row, sign, color=style.color, ms=6)
        # No marker that may be open or filled: significance is that of the gain.
        axis.plot(scans["scans_saved"], row, "|", color=style.color, ms=12, mew=2)
        axis.annotate(f"{beyond.get(scans['scans_saved_is'], '')}{scans['scans_saved']:.0f}", **beside)
    axis.set_xlabel(f"labelled scans saved, when trained on {part['size'].iloc[0]:.0f}", fontsize=9)
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _unbounded(part: pd.DataFrame) -> pd.Series:
    """Whether the interval of the scans that each source saves spans all that could be measured: nothing is known."""
    return (part["scans_saved_low_is"] == "<") & (part["scans_saved_high_is"] == ">")


def _say(axis: plt.Axes, words: str) -> None:
    """Words in place of a diagram."""
    axis.text(0.5, 0.5, words, transform=axis.transAxes, ha="center", va="center", fontsize=9)
    axis.set_axis_off()


def _key(band: plt.Figure) -> None:
    """What markers and bars mean, once for all targets."""
    style = {"color": "black", "marker": "o", "ms": 7, "ls": ""}
    handles = [
        Line2D([], [], label=DIFFERENT, **style),
        Line2D([], [], label=NO_DIFFERENCE, mfc="white", **style),
        Line2D([], [], color="black", lw=1.4, label="simultaneous 95 % CI"),
        Patch(color="0.9", label="margin of equivalence"),
    ]
    band.legend(handles=handles, loc="center", ncols=4, frameon=False, fontsize=8.5)
