"""The study's figures: learning curves, training, examples, and agreement with the ground truth of synthetic scans."""

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from headstart.evaluate.scores import scan_scores
from headstart.evaluate.tables import METRICS
from headstart.metrics.overlap import Empty
from headstart.report.scan_pictures import COLOURS, mark_sides, overlay
from headstart.report.sources import Shown, Style


def learning_curves(
    scores: pd.DataFrame, summary: pd.DataFrame, headlines: Mapping[str, str], sources: Shown
) -> plt.Figure:
    """Learning curves: score against the number of labelled scans, one panel per target (as Zoetmulder 2022, Fig. 3).

    Lines and bars: mean over test volumes with its 95 % confidence interval; small points: single resamples. What was
    not trained on any set, such as a rater, is a dashed line in a band.
    ``headlines``: the title of each panel, which is the verdict on its target
    (:func:`headstart.evaluate.verdict.headline`): a figure announces no result of its own. ``sources``: those of the
    study.
    """
    scores, summary = (table[table["level"] == "volume"] for table in (scores, summary))
    targets = list(dict.fromkeys(summary["target"]))
    listed = sources.in_order(summary["source"])
    figure, axes = plt.subplots(1, len(targets), figsize=(4.6 * len(targets), 5.2), squeeze=False, layout="constrained")
    for axis, target in zip(axes[0], targets, strict=True):
        part, points = (table[table["target"] == target] for table in (summary, scores))
        sizes = sorted(part["size"].unique())
        # Sources of one set size stay apart from those of the next.
        step = min(0.06 if len(sizes) > 1 else 0.1, 0.8 / len(listed))
        for k, source in enumerate(listed):
            shift = (k - (len(listed) - 1) / 2) * step
            means, single = part[part["source"] == source], points[points["source"] == source]
            if sources.trained(source):
                _curve(axis, means, single, sizes, shift, sources.style(source))
            elif len(means):
                _level(axis, means, sizes, sources.style(source))
        axis.set_xticks(range(len(sizes)), sizes)
        axis.set_xlabel("labelled scans")
        axis.set_ylabel(f"{METRICS[part['metric'].iloc[0]]} per test volume")
        title = [textwrap.fill(line, 56, break_on_hyphens=False) for line in headlines[target].splitlines()]
        axis.set_title("\n".join([target, *title]), fontsize=9)
        axis.set_xlim(-0.5, len(sizes) - 0.5)
        axis.spines[["top", "right"]].set_visible(False)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(4, len(names)), frameon=False, fontsize=9)
    return figure


def learning_curve_numbers(scores: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """The numbers of :func:`learning_curves`: means over volumes, then those of each resample (column resample)."""
    means, runs = (table[table["level"] == "volume"] for table in (summary, scores))
    columns = ["target", "metric", "size", "source", "resample", "score", "low", "high"]
    return pd.concat([means.drop(columns=["resamples", "scans"]), runs], ignore_index=True).reindex(columns=columns)


def training_curves(curves: Mapping[str, pd.DataFrame], measures: Mapping[str, str], sources: Shown) -> plt.Figure:
    """Loss and validation score of pre-training against epochs, one line per trained source.

    ``measures``: the measure of each source's score, which labels its line; the maximum of each is 1. ``sources``:
    those of the study.
    """
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.8))
    for source, table in curves.items():
        for axis, column in zip(axes, ("loss", "validation"), strict=True):
            if table[column].notna().any():
                name = source if column == "loss" else f"{source} ({measures[source]})"
                axis.plot(table["epoch"], table[column], **sources.style(source)._asdict(), ms=4, label=name)
    axes[0].set_yscale("log")
    axes[1].set_ylim(top=1)
    for axis, title in zip(axes, ("training loss", "score on held-out slices"), strict=True):
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_title(title, fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    if axes[1].has_data():
        axes[1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.tight_layout()
    return figure


def source_examples(
    metadata: Mapping, images: np.ndarray, outputs: np.ndarray, targets: np.ndarray | None
) -> plt.Figure:
    """Output of a source's network on a few slices: the slice, the output and the ground truth.

    ``metadata``: the source's ``model.json``, of which ``kind``, ``classes``, ``first`` (label of the first class) and
    ``origin`` (where row 0 of a slice is, "lower" or "upper") are used. ``images``: the slices (N, H, W). ``outputs``,
    ``targets``: label maps (N, H, W) of a segmentation, images (N, H, W) of a task that restores slices, without
    targets if these are the slices, or the probability of each class (N, C) of a classification.
    """
    kind, classes, first = metadata["kind"], metadata["classes"], metadata["first"]
    if metadata["origin"] == "upper":
        images, outputs, targets = (
            maps[:, ::-1] if np.ndim(maps) == 3 else maps for maps in (images, outputs, targets)
        )
    rows = ["slice", "output"] + ["ground truth"] * (np.ndim(targets) == 3)
    restored = np.ndim(outputs) == 3 and np.issubdtype(outputs.dtype, np.floating)
    beneath = [images, outputs, targets][: len(rows)] if restored else [images] * len(rows)
    figure, axes = plt.subplots(len(rows), len(images), figsize=(1.9 * len(images), 2.1 * len(rows)), squeeze=False)
    for column, output in enumerate(outputs):
        shown = axes[:, column]
        for axis, pictures in zip(shown, beneath, strict=True):
            axis.imshow(pictures[column], origin="lower", cmap="gray")
            axis.set_xticks([])
            axis.set_yticks([])
        if kind == "segmentation":
            for axis, labelled in zip(shown[1:], (output, targets[column]), strict=True):
                overlay(axis, labelled, range(first + 1, first + len(classes)))
        if kind == "classification":
            shown[1].set_visible(False)
            shown[0].set_xlabel(_most_probable(classes, output, targets[column]), fontsize=7)
    for axis, name in zip(axes[:, 0], rows, strict=True):
        axis.set_ylabel(name, fontsize=9)
    figure.tight_layout()
    return figure


def _most_probable(classes: Sequence[str], probabilities: np.ndarray, present: np.ndarray) -> str:
    """The four most probable classes with their probabilities: "+" if the slice shows the class, else "-"."""
    highest = np.argsort(-probabilities, kind="stable")[:4]
    return "\n".join(f"{'+' if present[k] else '-'} {classes[k]} {probabilities[k]:.2f}" for k in highest)


def ground_truth_by_name(table: pd.DataFrame) -> plt.Figure:
    """Labels and registration of synthetic scans against their ground truth: one row per measure, a point per scan."""
    dice = [column for column in table.columns if column.startswith("dice ")]
    figure, axes = plt.subplots(
        1, 2, figsize=(11, 0.28 * len(dice) + 1.5), gridspec_kw={"width_ratios": [2, 1]}, layout="constrained"
    )
    _strips(axes[0], {column.removeprefix("dice "): table[column] for column in dice}, "Dice with the ground truth")
    axes[0].set_xlim(0, 1)
    millimetres = {"estimated affine": table["registration_mm"], "best affine": table["best_affine_mm"]}
    _strips(axes[1], millimetres, "landmark error (RMS, mm)")
    axes[1].set_xlim(left=0)
    return figure


def choose_examples(metrics: Mapping[str, pd.DataFrame], metric: str, empty: Empty) -> dict[str, str]:
    """The test scans to show: best, median and worst by their volume score, averaged over the sources.

    Of fewer than three test scans, each is shown once. ``empty``: as in :func:`headstart.evaluate.scores.scan_scores`.
    """
    tables = [scan_scores(table, metric, empty) for table in metrics.values()]
    volumes = pd.concat(tables).query("level == 'volume'")
    ranked = volumes.groupby("scan")[["total", "count"]].sum().pipe(lambda t: t["total"] / t["count"]).fillna(0)
    order = list(ranked.sort_values(ascending=False, kind="stable").index)
    ranks = {1: {"best": 0}, 2: {"best": 0, "worst": 1}}
    places = ranks.get(len(order), {"best": 0, "median": len(order) // 2, "worst": -1})
    return {rank: order[place] for rank, place in places.items()}


def examples_numbers(
    chosen: Mapping[str, str],
    truths: Mapping[str, np.ndarray],
    metrics: Mapping[str, pd.DataFrame],
    metric: str,
    empty: Empty,
) -> pd.DataFrame:
    """The numbers of the examples, with the volume score of each source.

    Parameters
    ----------
    chosen
        Rank and identifier of the scans that are shown.
    truths
        Ground truth of each scan, (N, H, W).
    metrics
        Scores of each source, see :func:`headstart.evaluate.scores.score_scan`.
    metric, empty
        As in :func:`headstart.evaluate.scores.scan_scores`.

    Returns
    -------
    pandas.DataFrame
        Columns rank, scan, slice (index of the slice shown), source, score.
    """
    rows = []
    for source, table in metrics.items():
        scored = scan_scores(table, metric, empty).query("level == 'volume'").set_index("scan")
        for rank, scan in chosen.items():
            score = scored.loc[scan, "total"] if scored.loc[scan, "count"] else np.nan
            rows.append(
                {"rank": rank, "scan": scan, "slice": shown_slice(truths[scan]), "source": source, "score": score}
            )
    return pd.DataFrame(rows)


def shown_slice(truth: np.ndarray) -> int:
    """Index of the slice with the most labelled pixels in a label map (N, H, W)."""
    return int((truth > 0).sum(axis=(1, 2)).argmax())


def examples(
    chosen: Mapping[str, str],
    titles: Sequence[str],
    images: Mapping[str, Sequence[np.ndarray]],
    truths: Mapping[str, np.ndarray],
    predictions: Mapping[str, Mapping[str, np.ndarray]],
    classes: Sequence[str],
) -> plt.Figure:
    """Images, ground truth and one column per source (as Zoetmulder 2022, Fig. 5), on the slice with the most labels.

    Parameters
    ----------
    chosen
        Rank and identifier of the scans to show, one row each.
    titles
        Of the images.
    images
        Slices of each scan in each image, (N, H, W). Labels are drawn on the first image.
    truths
        Ground truth of each scan, (N, H, W).
    predictions
        Predictions of each source on each scan, (N, H, W).
    classes
        Names of the classes, the background (0) first.
    """
    columns = [*titles, "ground truth", *predictions]
    shape = (len(chosen), len(columns))
    figure, axes = plt.subplots(*shape, figsize=(2.4 * shape[1], 2.6 * shape[0]), squeeze=False)
    for row, (rank, scan) in zip(axes, chosen.items(), strict=True):
        shown = shown_slice(truths[scan])
        plain = [(image, None) for image in images[scan]]
        labelled = [(images[scan][0], labels[scan]) for labels in (truths, *predictions.values())]
        for axis, (image, labels) in zip(row, plain + labelled, strict=True):
            axis.imshow(image[shown], origin="lower", cmap="gray")
            if labels is not None:
                overlay(axis, labels[shown], range(1, len(classes)))
            axis.set_xticks([])
            axis.set_yticks([])
        row[0].set_ylabel(f"{rank}: {scan}", fontsize=9)
        mark_sides(row[0])
    for axis, title in zip(axes[0], columns, strict=True):
        axis.set_title(title, fontsize=9)
    handles = [Patch(color=COLOURS[k % len(COLOURS)], label=name) for k, name in enumerate(classes[1:])]
    figure.legend(handles=handles, loc="lower center", ncol=3, frameon=False, fontsize=8, bbox_to_anchor=(0.5, -0.06))
    figure.tight_layout()
    return figure


def _curve(
    axis: plt.Axes, means: pd.DataFrame, points: pd.DataFrame, sizes: Sequence[int], shift: float, style: Style
) -> None:
    """The learning curve of one source, with the scores of its single resamples beside the means."""
    means = means.sort_values("size")
    source = means["source"].iloc[0]
    at = np.searchsorted(sizes, means["size"]) + shift
    bars = np.abs(means[["low", "high"]].to_numpy().T - means["score"].to_numpy())
    axis.errorbar(at, means["score"], yerr=bars, **style._asdict(), capsize=3, label=source)
    beside = np.searchsorted(sizes, points["size"]) + shift + 0.02
    axis.plot(beside, points["score"], ".", color=style.color, alpha=0.5, ms=5)


def _level(axis: plt.Axes, means: pd.DataFrame, sizes: Sequence[int], style: Style) -> None:
    """The mean score of what was not trained on any set, with its 95 % confidence interval, across the panel."""
    means = means.sort_values("size")
    at = np.searchsorted(sizes, means["size"]).astype(float)
    at = np.concatenate([[-0.5], at, [len(sizes) - 0.5]])
    score, low, high = (np.pad(means[column], 1, mode="edge") for column in ("score", "low", "high"))
    axis.plot(at, score, "--", color=style.color, label=means["source"].iloc[0])
    axis.fill_between(at, low, high, color=style.color, alpha=0.12, linewidth=0)


def _strips(axis: plt.Axes, values: Mapping[str, pd.Series], title: str) -> None:
    """One row of points per measure, with its mean as a bar and a number."""
    for row, measured in enumerate(values.values()):
        series = measured.dropna()
        axis.plot(series, np.full(len(series), row), "o", color=COLOURS[4], alpha=0.4, ms=4)
        axis.plot(series.mean(), row, "|", color="black", ms=14)
        axis.annotate(f"{series.mean():.2f}", (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    axis.set_yticks(range(len(values)), values, fontsize=8)
    axis.set_ylim(len(values) - 0.5, -0.5)
    axis.set_title(title, fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
