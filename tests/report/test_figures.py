import re
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from shown import SHOWN
from simulated_scores import SPREAD, simulated_scores

from headstart import job
from headstart.evaluate import comparisons, learning_curves, tables, verdict
from headstart.evaluate.scores import score_scan
from headstart.report import figures, scan_pictures, verdict_figure

NAMES = ["background", "lesion"]
NOISY = SPREAD | {"own_scan": 0.06, "noise": 0.1}
QUIET = {effect: deviation / 4 for effect, deviation in SPREAD.items()}
EQUAL = {"scratch": 0, "t1-segmentation": 4, "t1-autoencoding": 1, "natural-segmentation": 0}


def study(sources, sizes, seed, spread, resamples=5, scans=12):
    """The tables that the figures are drawn from, of a simulated study."""
    collected = simulated_scores(sources, sizes, resamples, scans, seed, spread)
    cells = list(tables.cells(collected, 400, seed))
    compared, saved = comparisons.compare(cells), learning_curves.saved(cells)
    summary = tables.summary(cells)
    return SimpleNamespace(
        scores=tables.scores(collected),
        summary=summary,
        comparisons=compared,
        gains=comparisons.gains(compared),
        saved=saved,
        verdict=verdict.verdict(cells, compared, saved, 0.02, {}, "these"),
    )


def announced(made):
    """What a reader of the study finds announced: sources that are significantly different from scratch, by place."""
    row = made.verdict.iloc[0]
    shown = verdict_figure.numbers(made.verdict, made.comparisons, made.saved, SHOWN)
    page = verdict_figure.figure(shown, {row["target"]: row["sentence"]}, SHOWN)
    filled = [bars[0].get_markerfacecolor() != "white" for bars in page.subfigs[0].axes[0].containers]
    curves = figures.learning_curves(made.scores, made.summary, {row["target"]: verdict.headline(row)}, SHOWN)
    title = curves.axes[0].get_title()
    plt.close("all")
    overall = made.comparisons[made.comparisons["size"] == made.comparisons["size"].iloc[-1]]  # "all", or the only one
    pairs = overall[(overall["against"] == "scratch") & (overall["p_adjusted"] < 0.05)]
    return {
        "adjusted p": set(pairs["source"]),
        "verdict's columns": {
            name for column in ("better", "worse") for name in row[f"significantly_{column}"].split(", ") if name
        },
        "verdict's sentence": named_significant(row["sentence"]),
        "title of the learning curves": named_significant(title.replace("\n", "; ")),
        "filled markers": set(shown["source"][filled]),
        "intervals that exclude 0": set(shown["source"][(shown["low"] > 0) | (shown["high"] < 0)]),
    }


def named_significant(text):
    """The sources that a text calls significantly better or worse than scratch."""
    found = set()
    for part in text.split("; "):
        listed = re.search(r"significantly (?:better|worse)[^:]*: ([a-z0-9, -]+)$", part.rstrip("."))
        alone = re.search(r"([a-z0-9]+-[a-z]+) is significantly (?:better|worse)", part)
        if alone:
            found.add(alone[1])
        elif listed:
            found |= set(listed[1].split(", "))
        elif re.match(r"significantly (?:better|worse) \(adjusted p [=<] ", part):
            found.add(re.search(r"highest mean gain over scratch: ([a-z0-9-]+)", text)[1])
    return found


def test_a_gain_that_is_significant_without_adjustment_alone_is_announced_nowhere():
    found = [study(EQUAL, (10, 20), seed, NOISY) for seed in range(12)]
    planted = []
    for made in found:
        pairs = made.comparisons.query("size == 'all' and against == 'scratch'")
        if (pairs["p"] < 0.05).any() and not pairs["significant"].any():
            planted.append(made)
    assert planted
    for made in planted:
        assert announced(made) == dict.fromkeys(announced(made), set())
        row = made.verdict.iloc[0]
        assert "no source differs significantly from scratch (adjusted p < 0.05)" in row["sentence"]
        assert "undecided (adjusted p = " in verdict.headline(row)
        assert (made.gains["significant"] == (made.gains["p_adjusted"] < 0.05)).all()


@pytest.mark.parametrize(
    ("sources", "sizes", "expected"),
    [
        ({"scratch": 0, "t1-segmentation": 25, "natural-segmentation": 0}, (10, 20), {"t1-segmentation"}),
        ({"scratch": 0, "t1-segmentation": 25, "natural-segmentation": 0}, (10,), {"t1-segmentation"}),
        ({"scratch": 10, "t1-segmentation": 40, "natural-segmentation": 0}, (10, 20),
         {"t1-segmentation", "natural-segmentation"}),
        ({"scratch": 20, "t1-segmentation": 0}, (10, 20), {"t1-segmentation"}),
    ],
)  # fmt: skip
def test_a_significant_difference_is_announced_everywhere(sources, sizes, expected):
    made = announced(study(sources, sizes, 0, QUIET))
    assert made == dict.fromkeys(made, expected)


@pytest.mark.parametrize("seed", range(6))
def test_verdict_title_and_markers_agree(seed):
    made = announced(study(EQUAL | {"natural-segmentation": -3}, (10, 20), seed, SPREAD, scans=20))
    assert made == dict.fromkeys(made, made["adjusted p"])


def test_the_title_of_each_panel_is_the_verdict_on_its_target():
    one, other = (study(EQUAL, (10, 20), seed, SPREAD) for seed in (1, 2))
    for name in vars(other):
        vars(other)[name] = vars(other)[name].assign(target="other")
    headlines = {row["target"]: verdict.headline(row) for made in (one, other) for _, row in made.verdict.iterrows()}
    scores, summary = (pd.concat([vars(one)[name], vars(other)[name]]) for name in ("scores", "summary"))
    figure = figures.learning_curves(scores, summary, headlines, SHOWN)
    for axis, (target, headline) in zip(figure.axes, headlines.items(), strict=True):
        assert axis.get_title().split() == [target, *headline.split()]
    plt.close(figure)


def test_the_script_draws_the_learning_curves_under_the_verdict(run_script, tmp_path):
    made = study(EQUAL, (10, 20), 3, SPREAD)
    paths = {name: tmp_path / f"{name}.tsv" for name in ("scores", "summary", "verdict")}
    for name, path in paths.items():
        vars(made)[name].to_csv(path, sep="\t", index=False, na_rep="n/a")
    written = SimpleNamespace(figure=[tmp_path / "scores.png"], numbers=tmp_path / "scores_numbers.tsv")
    run_script("draw_scores", SimpleNamespace(**paths), {"sources": SHOWN.known}, written)
    assert written.figure[0].stat().st_size > 1000
    numbers = pd.read_csv(written.numbers, sep="\t")
    assert numbers["resample"].isna().sum() == len(made.summary)
    assert len(numbers) == len(made.summary) + len(made.scores)


@pytest.mark.parametrize("target", ["NA", "012"])
def test_a_target_may_be_named_like_a_missing_value_or_a_number(run_script, tmp_path, target):
    made, files = study(EQUAL, (10, 20), 3, SPREAD), SimpleNamespace(figure=[tmp_path / "verdict.svg"])
    paths = [tmp_path / f"{name}.tsv" for name in ("verdict", "comparisons", "saved")]
    for path in paths:
        job.write_table(path, vars(made)[path.stem].assign(target=target))
    files.numbers = tmp_path / "numbers.tsv"
    run_script("draw_verdict", paths, {"sources": SHOWN.known}, files)
    assert list(job.read_table(files.numbers)["target"]) == [target] * 3


def scored_scans(overlaps):
    """Tables of scores of scans whose predictions have so many of five voxels."""
    truth = np.zeros((1, 2, 5), np.uint8)
    truth[0, 0] = 1
    parts = []
    for scan, found in overlaps.items():
        prediction = np.zeros_like(truth)
        prediction[0, 0, :found] = 1
        parts.append(score_scan(prediction, truth, NAMES, scan, 1, 1))
    return {"scratch": pd.concat(parts)}


@pytest.mark.parametrize(
    ("overlaps", "expected"),
    [
        ({"a": 2, "b": 5, "c": 0}, {"best": "b", "median": "a", "worst": "c"}),
        ({"a": 2, "b": 5}, {"best": "b", "worst": "a"}),
        ({"a": 2}, {"best": "a"}),
    ],
)
def test_examples_are_the_best_median_and_worst_scan_each_shown_once(overlaps, expected):
    assert figures.choose_examples(scored_scans(overlaps), "dice", "skip") == expected


def test_examples_show_scan_ground_truth_and_every_source_on_the_slice_with_most_labels():
    truth = np.zeros((3, 8, 8), np.uint8)
    truth[1, 2:4, 2:4], truth[2, 0, 0] = 1, 1
    image = np.arange(3 * 64, dtype=np.uint16).reshape(3, 8, 8)
    predictions = {"scratch": {"01": truth * 0}, "t1-segmentation": {"01": truth}}
    figure = figures.examples({"best": "01"}, ["scan"], {"01": [image]}, {"01": truth}, predictions, NAMES)
    axes = figure.axes
    assert [axis.get_title() for axis in axes] == ["scan", "ground truth", "scratch", "t1-segmentation"]
    assert axes[0].get_ylabel() == "best: 01"
    np.testing.assert_array_equal(axes[0].images[0].get_array(), image[1])
    coloured = [(~np.ma.getmaskarray(axis.images[1].get_array())).sum() for axis in axes[1:]]
    assert coloured == [4, 0, 4]
    plt.close(figure)


def test_examples_show_every_image_and_labels_on_the_first():
    truth = np.zeros((2, 8, 8), np.uint8)
    truth[1, 2:4, 2:4] = 1
    t1, flair = (np.random.default_rng(seed).integers(0, 65536, (2, 8, 8)).astype(np.uint16) for seed in (1, 2))
    shown, predictions = {"01": [t1, flair]}, {"scratch": {"01": truth}}
    figure = figures.examples({"best": "01"}, ["T1", "FLAIR"], shown, {"01": truth}, predictions, NAMES)
    assert [axis.get_title() for axis in figure.axes] == ["T1", "FLAIR", "ground truth", "scratch"]
    for axis, expected in zip(figure.axes, (t1, flair, t1, t1), strict=True):
        np.testing.assert_array_equal(axis.images[0].get_array(), expected[1])
    assert [len(axis.images) for axis in figure.axes] == [1, 1, 2, 2]
    plt.close(figure)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_equal_figures_are_equal_bytes(tmp_path, suffix):
    made = study(EQUAL, (2, 4), 0, SPREAD, resamples=2, scans=3)
    row = made.verdict.iloc[0]
    for name in ("a", "b"):
        figure = figures.learning_curves(made.scores, made.summary, {row["target"]: verdict.headline(row)}, SHOWN)
        scan_pictures.save_all(figure, [tmp_path / f"{name}.{suffix}"])
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize("restored", [False, True])
def test_examples_of_a_task_that_makes_images_show_slice_output_and_original(restored):
    slices, outputs, originals = (np.full((2, 8, 8), value, np.float32) for value in (0.1, 0.2, 0.3))
    slices[:, 0], outputs[:, 0], originals[:, 0] = 0.4, 0.5, 0.6  # the row at the top of the file
    metadata = {"kind": "any", "classes": [], "first": 0, "origin": "upper"}
    figure = figures.source_examples(metadata, slices, outputs, originals if restored else None)
    shown = [axis.images[0].get_array() for axis in figure.axes[::2]]  # of the first slice
    assert [picture[0, 0] for picture in shown] == pytest.approx([0.1, 0.2, 0.3][: len(shown)])
    assert [picture[-1, 0] for picture in shown] == pytest.approx([0.4, 0.5, 0.6][: len(shown)])
    assert [axis.get_ylabel() for axis in figure.axes[::2]] == ["slice", "output", "ground truth"][: 2 + restored]


def test_a_learning_curve_begins_at_0_for_the_sources_that_have_a_score_there():
    made = study({"scratch": 0, "t1-segmentation": 4}, (1, 2, 4), 1, QUIET)
    scores, summary = (
        table[(table["size"] > 1) | (table["source"] == "t1-segmentation")].replace({"size": {1: 0}})
        for table in (made.scores, made.summary)
    )
    drawn = figures.learning_curves(scores, summary, {summary["target"].iloc[0]: "verdict"}, SHOWN)
    (axis,) = drawn.axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0", "2", "4"]
    lines = {bars.get_label(): np.round(bars[0].get_xdata()).tolist() for bars in axis.containers}
    assert lines == {"scratch": [1, 2], "t1-segmentation": [0, 1, 2]}
    plt.close(drawn)
