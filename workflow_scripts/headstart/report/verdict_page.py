"""The answer on one page: of each target, what every source gains, how sure that is, and the labelled scans saved."""

import textwrap

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator

from headstart.evaluate.comparisons import ALL_SIZES
from headstart.evaluate.learning_curves import SAVED
from headstart.evaluate.tables import BASELINE, METRICS
from headstart.evaluate.verdict import ALPHA, LEVEL
from headstart.report import sources

_SCANS = [f"scans_{name}" if name.startswith("saved") else f"scans_saved_{name}" for name in SAVED]
COLUMNS = [
    "target",
    "metric",
    "source",
    "best",
    "gain",
    "low",
    "high",
    "p_holm",
    "significant",
    "sizes",
    "size",
    *_SCANS,
]


def numbers(verdict: pd.DataFrame, comparisons: pd.DataFrame, saved: pd.DataFrame) -> pd.DataFrame:
    """What the figure shows, from the tables of these names: a row a target and source but the baseline.

    ``best``: whether the verdict names it; ``gain`` over the baseline, averaged over the set sizes, with its 95 %
    interval and corrected p-value; ``significant``: whether that is below 0.05; ``size``, ``scans_saved`` and the rest:
    the labelled scans saved at the smallest set size, as in that table. All over whole volumes.
    """
    rows = []
    for answer in verdict.to_dict("records"):
        pairs, scans = (
            part[(part["target"] == answer["target"]) & (part["level"] == LEVEL)] for part in (comparisons, saved)
        )
        sizes = pairs["size"].astype(str)
        overall = pairs[sizes == ALL_SIZES] if ALL_SIZES in set(sizes) else pairs
        against = overall[overall["against"] == BASELINE].set_index("source")
        first = scans[scans["size"] == scans["size"].min()].set_index("source")
        for source in sources.in_order(against.index):
            pair = against.loc[source]
            row = {"target": answer["target"], "metric": answer["metric"], "source": source,
                   "best": source == answer["best"], "gain": pair["difference"], "low": pair["low"],
                   "high": pair["high"], "p_holm": pair["p_holm"], "significant": pair["p_holm"] < ALPHA,
                   "sizes": scans["size"].nunique(), "size": first["size"].get(source)}  # fmt: skip
            rows.append(row | dict(zip(_SCANS, first.reindex([source])[list(SAVED)].iloc[0], strict=True)))
    return pd.DataFrame(rows, columns=COLUMNS)


def figure(shown: pd.DataFrame, sentences: dict[str, str]) -> plt.Figure:
    """A band a target, from :func:`numbers`: its sentence of the verdict, gains at the left, scans saved at the right.

    Filled markers are told apart from the baseline; an arrow says that scans saved lie beyond what was measured.
    """
    heights = [0.3 * max((shown["target"] == target).sum(), 2) + 1.9 for target in sentences]
    drawn = plt.figure(figsize=(9.5, sum(heights)), layout="constrained")
    bands = np.atleast_1d(drawn.subfigures(len(sentences), 1, height_ratios=heights))
    for band, (target, sentence) in zip(bands, sentences.items(), strict=True):
        part = shown[shown["target"] == target]
        band.suptitle(textwrap.fill(sentence, 112), x=0.01, ha="left", fontsize=9.5)
        if part.empty:
            continue
        gains, saved = band.subplots(1, 2, sharey=True, width_ratios=[1.5, 1])
        _gains(gains, part)
        _saved(saved, part)
        for axis in (gains, saved) if part["sizes"].max() > 1 else (gains,):
            axis.axvline(0, color="black", lw=0.8, ls=":")
            axis.spines[["top", "right"]].set_visible(False)
    return drawn


def _gains(axis: plt.Axes, part: pd.DataFrame) -> None:
    """A row a source: its gain with its interval."""
    for row, known in enumerate(part.to_dict("records")):
        style = sources.style_of(known["source"])
        axis.errorbar(
            known["gain"], row, xerr=[[abs(known["gain"] - known["low"])], [abs(known["high"] - known["gain"])]],
            color=style.color, marker=style.marker, ms=8, capsize=3, lw=1.4,
            mfc=style.color if known["significant"] else "white",
        )  # fmt: skip
    axis.set_yticks(range(len(part)), part["source"], fontsize=9)
    for label, best in zip(axis.get_yticklabels(), part["best"], strict=True):
        label.set_fontweight("bold" if best else "normal")
    axis.set_ylim(len(part) - 0.5, -0.5)
    axis.set_xlabel(
        f"gain over {BASELINE} in {METRICS[part['metric'].iloc[0]]}, 95 % (filled: told apart from it)", fontsize=9
    )


def _saved(axis: plt.Axes, part: pd.DataFrame) -> None:
    """A row a source: the labelled scans that it saves, with their interval."""
    if part["sizes"].max() < 2:
        axis.text(0.5, 0.5, "one set size:\nno scans saved to read off", transform=axis.transAxes, ha="center",
                  va="center", fontsize=9)  # fmt: skip
        axis.set_axis_off()
        return
    for row, known in enumerate(part.to_dict("records")):
        if np.isnan(known["scans_saved"]):
            continue
        style, ends = sources.style_of(known["source"]), (known["scans_saved_low"], known["scans_saved_high"])
        if not np.isnan(ends).any():
            axis.plot(ends, [row, row], color=style.color, lw=1.4)
        for end, beyond in zip(ends, (known["scans_saved_low_is"], known["scans_saved_high_is"]), strict=True):
            if beyond in (">", "<"):
                axis.plot(end, row, beyond, color=style.color, ms=6)
        axis.plot(known["scans_saved"], row, style.marker, color=style.color, ms=8, mfc="white")
        sign = {">": "> ", "<": "< "}.get(known["scans_saved_is"], "")
        axis.annotate(f"{sign}{known['scans_saved']:.0f}", (1.02, row), xycoords=("axes fraction", "data"),
                      va="center", fontsize=8)  # fmt: skip
    axis.set_xlabel(f"labelled scans saved, with {part['size'].iloc[0]:.0f} at hand", fontsize=9)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
