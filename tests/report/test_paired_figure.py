from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from shown import SHOWN
from simulated_scores import simulated_scores

from headstart import debug, job
from headstart.report import paired_figure

SCRIPTS = Path(__file__).parents[2] / "workflow_scripts"


def rows_of(source, size, resample, scores):
    """Volume scores by scan; None: the scan has no score in this resample."""
    return [
        {"target": "t", "metric": "dice", "level": "volume", "source": source, "size": size, "resample": resample,
         "scan": scan, "total": score or 0.0, "count": int(score is not None)}
        for scan, score in scores.items()
    ]  # fmt: skip


@pytest.fixture
def scores():
    """Three scans in two resamples of two sizes; b has no score in one resample, c none in all; size 0 has no pair."""
    listed = [
        rows_of("scratch", 1, 1, {"a": 0.1, "b": 0.3, "c": None}),
        rows_of("scratch", 1, 2, {"a": 0.3, "b": None, "c": 0.2}),
        rows_of("t1-segmentation", 1, 1, {"a": 0.5, "b": 0.2, "c": 0.9}),
        rows_of("t1-segmentation", 1, 2, {"a": 0.4, "b": 0.8, "c": None}),
        rows_of("scratch", 2, 1, {"a": 0.5, "b": 0.5, "c": 0.0}),
        rows_of("t1-segmentation", 2, 1, {"a": 0.6, "b": 0.4, "c": 0.0}),
        rows_of("t1-segmentation", 0, 1, {"a": 0.9, "b": 0.9, "c": 0.9}),
    ]
    table = pd.DataFrame([row for part in listed for row in part])
    return pd.concat([table, table.assign(level="slice", total=7.0, count=10)])


def test_pairs_worked_by_hand(scores):
    """Means over the resamples in which both sources score the scan, of volumes alone."""
    pairs = paired_figure.numbers(scores).set_index(["size", "scan"])
    assert list(pairs.index) == [(1, "a"), (1, "b"), (2, "a"), (2, "b"), (2, "c")]
    assert set(pairs["source"]) == {"t1-segmentation"}
    assert pairs["resamples"].tolist() == [2, 1, 1, 1, 1]
    assert pairs["score"].tolist() == pytest.approx([0.45, 0.2, 0.6, 0.4, 0.0])
    assert pairs["baseline"].tolist() == pytest.approx([0.2, 0.3, 0.5, 0.5, 0.0])
    assert pairs["gain"].tolist() == pytest.approx([0.25, -0.1, 0.1, -0.1, 0.0])


def test_each_scan_is_a_dot_above_the_line_if_it_gains(scores):
    figure = paired_figure.figure(paired_figure.numbers(scores), "t", "dice", SHOWN)
    for axis, dots, words in zip(
        figure.axes,
        ([[0.2, 0.45], [0.3, 0.2]], [[0.5, 0.6], [0.5, 0.4], [0.0, 0.0]]),
        ("1 labelled scan\n1 of 2 gain", "2 labelled scans\n1 of 3 gain, 1 equal"),
        strict=True,
    ):
        line, points = axis.lines
        assert list(line.get_xdata()) == list(line.get_ydata())
        assert points.get_xydata() == pytest.approx(np.array(dots))
        assert (points.get_color(), points.get_marker()) == SHOWN.style("t1-segmentation")
        assert axis.get_title() == words
        assert axis.get_xlim() == axis.get_ylim()
    plt.close(figure)


def test_one_row_per_source_and_the_scores_lie_within_the_axes():
    simulated = simulated_scores({"scratch": 0, "natural-segmentation": 1, "t1-segmentation": 4}, (2, 5, 10), 2, 9, 1)
    pairs = paired_figure.numbers(simulated)
    figure = paired_figure.figure(pairs, "t", "dice", SHOWN)
    axes = np.array(figure.axes).reshape(2, 3)
    assert [row[0].get_ylabel() for row in axes] == ["t1-segmentation", "natural-segmentation"]
    low, high = axes[0, 0].get_xlim()
    assert low < pairs[["score", "baseline"]].min(axis=None)
    assert high > pairs[["score", "baseline"]].max(axis=None)
    gaining = simulated.pivot_table(index=["size", "scan"], columns="source", values="total")
    gaining = (gaining["t1-segmentation"] > gaining["scratch"]).groupby("size").sum()
    assert [axis.get_title().split("\n")[1] for axis in axes[0]] == [f"{count} of 9 gain" for count in gaining]
    plt.close(figure)


def test_without_a_pair_the_figure_says_so(scores):
    figure = paired_figure.figure(paired_figure.numbers(scores.query("source == 'scratch'")), "t", "dice", SHOWN)
    assert figure.texts[0].get_text() == "t: no scan has scores from scratch and another source"
    plt.close(figure)


def test_the_script_draws_one_target_from_the_scores(tmp_path, scores):
    pd.concat([scores, scores.assign(target="other", scan="z")]).to_parquet(tmp_path / "scores.parquet")
    for name in ("a", "b"):
        ran = SimpleNamespace(
            rule="draw_pairs",
            log=[tmp_path / "log"],
            threads=1,
            input=SimpleNamespace(scans=tmp_path / "scores.parquet"),
            output=SimpleNamespace(figure=[tmp_path / f"{name}.svg"], numbers=tmp_path / f"{name}.tsv"),
            params=SimpleNamespace(sources=SHOWN.known, metric="dice"),
            wildcards=SimpleNamespace(target="t"),
        )
        debug.run_script(SCRIPTS / "draw_pairs.py", ran)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert set(job.read_table(tmp_path / "a.tsv")["scan"]) == {"a", "b", "c"}
