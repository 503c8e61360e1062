"""Stage 8, report: the study's figures, each drawn from tables that lie beside it."""

import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.patches import Patch

from headstart.evaluate.scores import scan_scores
from headstart.evaluate.tables import METRICS
from headstart.report import sources
from headstart.report.scan_pictures import COLOURS, mark_sides, overlay


def scores_by_size(scores: pd.DataFrame, summary: pd.DataFrame, gains: pd.DataFrame) -> plt.Figure:
    """Score against the number of labelled scans, a panel a target (as Zoetmulder 2022, Fig. 3).

    Lines and bars: mean over test volumes with 95 % interval; small points: each resample. The panel's title says
    what the best source gains over the baseline at the smallest set size.
    """
    scores, summary, gains = (table[table["level"] == "volume"] for table in (scores, summary, gains))
    targets = list(dict.fromkeys(summary["target"]))
    listed = sorted(summary["source"].unique())
    figure, axes = plt.subplots(1, len(targets), figsize=(4.6 * len(targets), 4.8), squeeze=False, layout="constrained")
    for axis, target in zip(axes[0], targets, strict=True):
        part, points = (table[table["target"] == target] for table in (summary, scores))
        sizes = sorted(part["size"].unique())
        for k, source in enumerate(listed):
            shift = (k - (len(listed) - 1) / 2) * 0.06
            _curve(axis, part[part["source"] == source], points[points["source"] == source], sizes, shift)
        axis.set_xticks(range(len(sizes)), sizes)
        axis.set_xlabel("labelled scans")
        axis.set_ylabel(f"{METRICS[part['metric'].iloc[0]]} of a test volume")
        title = textwrap.fill(headline(gains[gains["target"] == target]), 48)
        axis.set_title(f"{target}\n{title}", fontsize=10)
        axis.set_xlim(-0.5, len(sizes) - 0.5)
        axis.spines[["top", "right"]].set_visible(False)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(4, len(names)), frameon=False, fontsize=9)
    return figure


def scores_numbers(scores: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """What :func:`scores_by_size` shows: means over volumes, then each resample's (column resample)."""
    means, runs = (table[table["level"] == "volume"] for table in (summary, scores))
    columns = ["target", "metric", "size", "source", "resample", "score", "low", "high"]
    return pd.concat([means.drop(columns=["resamples", "scans"]), runs], ignore_index=True).reindex(columns=columns)


def headline(gains: pd.DataFrame) -> str:
    """One line on a target: what the best source gains over the baseline at the smallest set size."""
    if gains.empty:
        return ""
    best = gains[gains["size"] == gains["size"].min()].sort_values("gain").iloc[-1]
    sure = "" if best["low"] > 0 or best["high"] < 0 else ": not told apart"
    return (
        f"{best['source']} {best['gain']:+.2f} [{best['low']:+.2f}, {best['high']:+.2f}] over {best['baseline']} "
        f"at {best['size']} scans{sure}"
    )


def training_curves(curves: Mapping[str, pd.DataFrame], measures: Mapping[str, str]) -> plt.Figure:
    """Loss and validation score of pre-training against epochs, a line a source; untrained sources have none.

    ``measures``: what each source's score is, which its line is labelled with: each goes up to 1.
    """
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.8))
    for source, table in curves.items():
        for axis, column in zip(axes, ("loss", "validation"), strict=True):
            if table[column].notna().any():
                name = source if column == "loss" else f"{source} ({measures[source]})"
                axis.plot(table["epoch"], table[column], **sources.style_of(source)._asdict(), ms=4, label=name)
    axes[0].set_yscale("log")
    axes[1].set_ylim(top=1)
    for axis, title in zip(axes, ("training loss", "score on held-out slices"), strict=True):
        axis.set_xlabel("epoch")
        axis.set_title(title, fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    if axes[1].has_data():
        axes[1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.tight_layout()
    return figure


def source_examples(
    kind: str, classes: Sequence[str], first: int, images: np.ndarray, outputs: np.ndarray, targets: np.ndarray | None
) -> plt.Figure:
    """What a source's network makes of a few slices (N, H, W): the slice, its output, and what it should be.

    ``outputs``, ``targets``: label maps of a segmentation, whose classes count from ``first``; images of an
    auto-encoding, which has no targets; or (N, classes), how sure a classification is of each class.
    """
    rows = ["slice", "output"] + ["ground truth"] * (kind == "segmentation")
    figure, axes = plt.subplots(len(rows), len(images), figsize=(1.9 * len(images), 2.1 * len(rows)), squeeze=False)
    for column, (image, output) in enumerate(zip(images, outputs, strict=True)):
        shown = axes[:, column]
        for axis in shown:
            axis.imshow(output if kind == "autoencoding" and axis is shown[1] else image, origin="lower", cmap="gray")
            axis.set_xticks([])
            axis.set_yticks([])
        if kind == "segmentation":
            for axis, labelled in zip(shown[1:], (output, targets[column]), strict=True):
                overlay(axis, labelled, range(first + 1, first + len(classes)))
        if kind == "classification":
            shown[1].set_visible(False)
            shown[0].set_xlabel(_said(classes, output, targets[column]), fontsize=7)
    for axis, name in zip(axes[:, 0], rows, strict=True):
        axis.set_ylabel(name, fontsize=9)
    figure.tight_layout()
    return figure


def _said(classes: Sequence[str], sure: np.ndarray, shown: np.ndarray) -> str:
    """The classes of which a network is surest, those that the slice does show marked."""
    surest = np.argsort(-sure, kind="stable")[:4]
    return "\n".join(f"{'+' if shown[k] else '-'} {classes[k]} {sure[k]:.2f}" for k in surest)


def ground_truth_by_name(table: pd.DataFrame) -> plt.Figure:
    """Made labels and registration of made-up scans against exact truth: a row of points a measure, its mean said."""
    dice = [column for column in table.columns if column.startswith("dice ")]
    figure, axes = plt.subplots(
        1, 2, figsize=(11, 0.28 * len(dice) + 1.5), gridspec_kw={"width_ratios": [2, 1]}, layout="constrained"
    )
    _strips(axes[0], {column.removeprefix("dice "): table[column] for column in dice}, "Dice against exact truth")
    axes[0].set_xlim(0, 1)
    millimetres = {"found affine": table["registration_mm"], "best affine": table["best_affine_mm"]}
    _strips(axes[1], millimetres, "landmark error (RMS, mm)")
    axes[1].set_xlim(left=0)
    return figure


def choose_examples(metrics: Mapping[str, pd.DataFrame], metric: str) -> dict[str, str]:
    """The test scans to show, by rule: best, median and worst by their volume score, averaged over the sources."""
    tables = [scan_scores(table, metric) for table in metrics.values()]
    volumes = pd.concat(tables).query("level == 'volume'")
    ranked = volumes.groupby("scan")[["total", "count"]].sum().pipe(lambda t: t["total"] / t["count"]).fillna(0)
    order = list(ranked.sort_values(ascending=False, kind="stable").index)
    return {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}


def examples_numbers(
    chosen: Mapping[str, str], truths: Mapping[str, np.ndarray], metrics: Mapping[str, pd.DataFrame], metric: str
) -> pd.DataFrame:
    """What the examples are: rank, scan, the slice shown (from 0), and the volume score of each source."""
    rows = []
    for source, table in metrics.items():
        scored = scan_scores(table, metric).query("level == 'volume'").set_index("scan")
        for rank, scan in chosen.items():
            score = scored.loc[scan, "total"] if scored.loc[scan, "count"] else np.nan
            rows.append(
                {"rank": rank, "scan": scan, "slice": shown_slice(truths[scan]), "source": source, "score": score}
            )
    return pd.DataFrame(rows)


def shown_slice(truth: np.ndarray) -> int:
    """The slice with most labels, of a label map (N, H, W)."""
    return int((truth > 0).sum(axis=(1, 2)).argmax())


def predicted(path: str | os.PathLike, scans: Iterable[str]) -> dict[str, np.ndarray]:
    """Predictions (N, H, W) of the scans asked for, from a run's archive."""
    with np.load(path, allow_pickle=False) as archive:
        return {scan: archive[scan] for scan in scans}


def examples(
    chosen: Mapping[str, str],
    images: Mapping[str, np.ndarray],
    truths: Mapping[str, np.ndarray],
    predictions: Mapping[str, Mapping[str, np.ndarray]],
    classes: Sequence[str],
) -> plt.Figure:
    """Scan, truth and one column a source (as Zoetmulder 2022, Fig. 5), on the slice with the most truth."""
    columns = ["scan", "ground truth", *predictions]
    shape = (len(chosen), len(columns))
    figure, axes = plt.subplots(*shape, figsize=(2.4 * shape[1], 2.6 * shape[0]), squeeze=False)
    for row, (rank, scan) in zip(axes, chosen.items(), strict=True):
        shown = shown_slice(truths[scan])
        maps = [None, truths[scan], *(predictions[source][scan] for source in predictions)]
        for axis, title, labelled in zip(row, columns, maps, strict=True):
            axis.imshow(images[scan][shown], origin="lower", cmap="gray")
            if labelled is not None:
                overlay(axis, labelled[shown], range(1, len(classes)))
            axis.set_title(title, fontsize=9)
            axis.set_xticks([])
            axis.set_yticks([])
        row[0].set_ylabel(f"{rank}: {scan}", fontsize=9)
        mark_sides(row[0])
    handles = [Patch(color=COLOURS[k % len(COLOURS)], label=name) for k, name in enumerate(classes[1:])]
    figure.legend(handles=handles, loc="lower center", ncol=3, frameon=False, fontsize=8, bbox_to_anchor=(0.5, -0.06))
    figure.tight_layout()
    return figure


def _curve(axis: plt.Axes, means: pd.DataFrame, points: pd.DataFrame, sizes: Sequence[int], shift: float) -> None:
    means = means.sort_values("size")
    source = means["source"].iloc[0]
    style = sources.style_of(source)
    at = np.searchsorted(sizes, means["size"]) + shift
    bars = np.abs(means[["low", "high"]].to_numpy().T - means["score"].to_numpy())
    axis.errorbar(at, means["score"], yerr=bars, **style._asdict(), capsize=3, label=source)
    axis.plot(np.searchsorted(sizes, points["size"]) + shift, points["score"], ".", color=style.color, alpha=0.4, ms=5)


def _strips(axis: plt.Axes, values: Mapping[str, pd.Series], title: str) -> None:
    for row, measured in enumerate(values.values()):
        series = measured.dropna()
        axis.plot(series, np.full(len(series), row), "o", color=COLOURS[4], alpha=0.4, ms=4)
        axis.plot(series.mean(), row, "|", color="black", ms=14)
        axis.annotate(f"{series.mean():.2f}", (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    axis.set_yticks(range(len(values)), values, fontsize=8)
    axis.set_ylim(len(values) - 0.5, -0.5)
    axis.set_title(title, fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
