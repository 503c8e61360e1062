"""The figures and tables of Zoetmulder 2022 for any study: sources by domain, with the paper's own numbers.

Figs. 3 and 4: learning curves, and below them lesion-wise sensitivity against the volume cutoff, one panel per domain.
Tables 1 and 2: the score of each source at a single set size.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from headstart.evaluate.tables import METRICS
from headstart.report import html
from headstart.report.sources import GROUPS, Shown, Style

RESULTS = Path(__file__).with_name("paper_results.tsv")
# As in the paper: scores are means over slices, lesions are components of a slice.
LEVEL, CONNECTIVITY = "slice", "slice8"
_COLUMNS = ["panel", "measure", "source", "domain", "size", "overlap", "volume_ml", "value", "low", "high"]
_LINES = ("-", "--", ":", "-.")


def numbers(summary: pd.DataFrame, detection: pd.DataFrame | None, sources: Shown) -> pd.DataFrame:
    """The numbers of the figure of one target, from its rows of the tables of these names: one row per point.

    ``sources``: those of the study. Columns: ``panel``, ``measure`` (the metric against ``size``, or ``sensitivity`` at
    the largest set size against ``volume_ml``, at each ``overlap``), ``source``, ``domain`` (the group, see
    :meth:`Shown.group`), ``value`` and its 95 % confidence interval, ``low`` and ``high``. Scores at a single set size
    are not a curve: they are left to :func:`table`, and there are then no rows without ``detection``.
    """
    scores = summary[summary["level"] == LEVEL]
    parts = []
    if scores["size"].nunique() > 1:
        curve = scores.rename(columns={"metric": "measure", "score": "value"})
        parts.append(curve[["measure", "source", "size", "value", "low", "high"]])
    if detection is not None:
        largest = detection["size"] == detection["size"].max()
        found = detection[largest & (detection["connectivity"] == CONNECTIVITY)]
        named = {"sensitivity": "value", "sensitivity_low": "low", "sensitivity_high": "high"}
        found = found.rename(columns=named).assign(measure="sensitivity")
        parts.append(found[["measure", "source", "size", "overlap", "volume_ml", "value", "low", "high"]])
    shown = [
        part[part["source"].isin(listed)].assign(panel=panel)
        for panel, listed in panels(scores, sources).items()
        for part in parts
    ]
    if not shown:
        return pd.DataFrame(columns=_COLUMNS)
    table = pd.concat(shown, ignore_index=True).reindex(columns=_COLUMNS)
    return table.assign(domain=table["source"].map(sources.group))


def panels(scores: pd.DataFrame, sources: Shown) -> dict[str, list[str]]:
    """The panels of Fig. 3, each with its sources in order, among those that have scores.

    Phantoms are of the equal domain, as scans are. The third panel compares weights from files (in the paper,
    ImageNet's) with the best source of the equal domain, by the mean over the set sizes but 0. A fourth has masks that
    were made elsewhere. The baseline, which the paper lacks, is in all. A panel with the baseline alone is omitted.
    """
    means = scores[scores["size"] > 0].groupby("source")["score"].mean()
    groups = {name: [source for source in means.index if sources.group(source) == name] for name in GROUPS}
    best = means[groups["equal"]].dropna().nlargest(1).index
    own = {
        GROUPS["equal"]: groups["equal"],
        GROUPS["unequal"]: groups["unequal"],
        f"{GROUPS['reference']}, and the best equal-domain source": [*best, *groups["reference"]]
        if groups["reference"]
        else [],
        GROUPS["external"]: groups["external"],
    }
    return {name: sources.in_order([*listed, *groups["baseline"]]) for name, listed in own.items() if listed}


def figure(shown: pd.DataFrame, target: str, sources: Shown) -> plt.Figure:
    """Figs. 3 and 4 from :func:`numbers`: one column per panel, one row per measure, bars for 95 % CIs."""
    names, measures = list(dict.fromkeys(shown["panel"])), list(dict.fromkeys(shown["measure"]))
    if not names:
        drawn = plt.figure(figsize=(6, 1))
        drawn.text(0.5, 0.5, f"{target}: no source of any domain has a score", ha="center", va="center")
        return drawn
    drawn, axes = plt.subplots(
        len(measures), len(names), figsize=(4.3 * len(names), 3.3 * len(measures) + 0.9),
        squeeze=False, sharey="row", layout="constrained",
    )  # fmt: skip
    for row, measure in zip(axes, measures, strict=True):
        for axis, panel in zip(row, names, strict=True):
            part = shown[(shown["panel"] == panel) & (shown["measure"] == measure)]
            (_detection if measure == "sensitivity" else _scores)(axis, part, sources)
            axis.spines[["top", "right"]].set_visible(False)
    for letter, axis, panel in zip("abcd", axes[0], names, strict=False):
        axis.set_title(f"({letter}) {panel}", fontsize=10)
    for axis, panel in zip(axes[-1], names, strict=True):
        _legend(axis, shown[shown["panel"] == panel], sources)
    for axis, measure in zip(axes[:, 0], measures, strict=True):
        size = int(shown.loc[shown["measure"] == measure, "size"].max())
        sensitivity = f"lesion-wise sensitivity\n({size} labelled scan{'s' * (size > 1)})"
        axis.set_ylabel(f"{METRICS[measure]} per slice" if measure in METRICS else sensitivity)
    drawn.suptitle(target, fontsize=11)
    return drawn


def _scores(axis: plt.Axes, part: pd.DataFrame, sources: Shown) -> None:
    """Score against set size, one line per source."""
    sizes = sorted(part["size"].unique())
    listed = sources.in_order(part["source"])
    for source, shift in zip(listed, _shifts(len(listed), 0.09), strict=True):
        line = part[part["source"] == source].sort_values("size")
        _bars(axis, np.searchsorted(sizes, line["size"]) + shift, line, sources.style(source), "-")
    _places(axis, sizes)
    axis.set_xlabel("labelled scans")


def _detection(axis: plt.Axes, part: pd.DataFrame, sources: Shown) -> None:
    """Sensitivity against volume cutoff, one line per source and overlap, at the cutoffs that any lesion reaches."""
    overlaps = sorted(part["overlap"].unique())
    reached = sorted(part.loc[part["value"].notna(), "volume_ml"].unique())
    lines = list(itertools.product(sources.in_order(part["source"]), enumerate(overlaps)))
    for (source, (k, overlap)), shift in zip(lines, _shifts(len(lines), 0.06), strict=True):
        line = part[(part["source"] == source) & (part["overlap"] == overlap) & part["volume_ml"].isin(reached)]
        line = line.sort_values("volume_ml")
        at = np.searchsorted(reached, line["volume_ml"]) + shift
        _bars(axis, at, line, sources.style(source), _LINES[k % len(_LINES)])
    _places(axis, [f"{cutoff:g}" for cutoff in reached])
    beyond = part.loc[~part["volume_ml"].isin(reached), "volume_ml"]
    axis.set_xlabel("volume cutoff (mL)" + ("" if beyond.empty else f"; no lesions of {beyond.min():g} mL or more"))
    axis.set_ylim(-0.02, 1.02)


def _places(axis: plt.Axes, names: Sequence[object]) -> None:
    """One tick per name, with space around all of them."""
    axis.set_xticks(range(len(names)), names)
    axis.set_xlim(-0.5, max(len(names), 1) - 0.5)


def _shifts(count: int, step: float) -> np.ndarray:
    """Offsets of so many lines, so that their bars do not cover each other."""
    return (np.arange(count) - (count - 1) / 2) * step


def _bars(axis: plt.Axes, at: np.ndarray, line: pd.DataFrame, style: Style, dashes: str) -> None:
    """A line with its 95 % confidence intervals; markers are open where the line is not solid."""
    reach = np.abs(line[["low", "high"]].to_numpy(float).T - line["value"].to_numpy(float))
    axis.errorbar(
        at, line["value"], yerr=reach, color=style.color, marker=style.marker, ms=6, lw=1.4, ls=dashes,
        elinewidth=0.7, capsize=2, mfc=style.color if dashes == "-" else "white",
    )  # fmt: skip


def _legend(axis: plt.Axes, part: pd.DataFrame, sources: Shown) -> None:
    """The sources and the overlap cutoffs of a panel, below its axes."""
    handles = [
        Line2D([], [], color=style.color, marker=style.marker, label=source)
        for source in sources.in_order(part["source"])
        for style in [sources.style(source)]
    ]
    for k, overlap in enumerate(sorted(part["overlap"].dropna().unique())):
        dashes = _LINES[k % len(_LINES)]
        handles.append(Line2D([], [], color="black", ls=dashes, label=f"overlap > {100 * overlap:g} %"))
    axis.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, frameon=False, fontsize=8,
        handlelength=3,
    )  # fmt: skip


def table(summary: pd.DataFrame, reference: str | None, sources: Shown) -> pd.DataFrame:
    """Tables 1 and 2: each source at the single set size of a target, laid out as in the paper.

    ``summary``: the target's rows of that table; ``reference``: the paper's target to compare with (``ms``,
    ``anatomy``), or None; ``sources``: those of the study. Columns: domain (its group), task, source, size, metric,
    then ``slice`` and ``volume``: mean score over slices (the paper's measure) and over volumes, each with its 95 %
    confidence interval (``_low``, ``_high``); ``best``: whether the mean over slices is the highest (underlined in the
    paper); ``paper`` and ``paper_place``: the paper's result on its own scans, and where it is printed, n/a if the
    paper has none. One row per source of the study, and per source of the paper that the study lacks.
    """
    known, sources = _of_paper(reference), sources.with_paper()
    levels = {level: part.set_index("source") for level, part in summary.groupby("level")}
    rows = []
    for source in sources.in_order([*summary["source"], *known.index]):
        row = {"domain": sources.group(source), "task": sources.task(source), "source": source,
               "size": summary["size"].iloc[0], "metric": summary["metric"].iloc[0]}  # fmt: skip
        for level in ("slice", "volume"):
            score, low, high = levels[level].reindex([source])[["score", "low", "high"]].to_numpy(float)[0]
            row |= {level: score, f"{level}_low": low, f"{level}_high": high}
        rows.append(row | {"paper": known["score"].get(source, np.nan), "paper_place": known["place"].get(source)})
    made = pd.DataFrame(rows)
    made.insert(made.columns.get_loc("paper"), "best", made["slice"] == made["slice"].max())
    return made


def _of_paper(reference: str | None) -> pd.DataFrame:
    """The paper's results on one of its targets: score and place by source; empty for None."""
    known = pd.read_csv(RESULTS, sep="\t")
    return known[known["target"] == reference].set_index("source")[["score", "place"]]


def page(made: pd.DataFrame, target: str) -> str:
    """A table of :func:`table` as an HTML page, with a heading per domain."""
    metric, size = METRICS[made["metric"].iloc[0]], made["size"].iloc[0]
    header = ["", f"{metric}, slices [95 % CI]", f"{metric}, volumes [95 % CI]", "Zoetmulder 2022"]
    shown = [name for name in header if name != "Zoetmulder 2022" or made["paper"].notna().any()]
    rows = []
    for domain, part in made.groupby("domain", sort=False):
        if domain not in ("reference", "baseline"):
            rows.append([f"**{GROUPS[domain]}**"] + [""] * (len(shown) - 1))
        for row in part.to_dict("records"):
            alone = domain != "reference" and (part["task"] == row["task"]).sum() == 1
            name = row["task"] if alone else f"{row['task']} ({html.plain(row['source'])})"
            best = "**{}**" if row["best"] else "{}"
            paper = "n/a" if np.isnan(row["paper"]) else f"{row['paper']:.2f}"
            rows.append([name, best.format(_with_interval(row, "slice")), _with_interval(row, "volume"), paper])
    rows = [row[: len(shown)] for row in rows]
    places = ", ".join(made["paper_place"].dropna().unique())
    words = f"{metric} of each source with {size} labelled scans. The highest mean over slices is in bold."
    if places:
        words += f" The last column repeats the results of Zoetmulder 2022 on its own scans ({places})."
    return html.html(f"{target}: {metric} by source", f"{words}\n\n{html.table(shown, rows)}")


def _with_interval(row: dict, level: str) -> str:
    """A score with its 95 % confidence interval, as text."""
    if np.isnan(row[level]):
        return "n/a"
    return f"{row[level]:.3f} [{row[f'{level}_low']:.3f}, {row[f'{level}_high']:.3f}]"
