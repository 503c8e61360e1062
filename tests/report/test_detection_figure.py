from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from shown import SHOWN

from headstart import debug, job
from headstart.evaluate import detection
from headstart.report import detection_figure

SCRIPTS = Path(__file__).parents[2] / "workflow_scripts"
CUTOFFS = [(overlap, volume_ml) for overlap in (0.0, 0.2) for volume_ml in (0.0, 1.0)]


def counted(source, size, scans, cutoffs=CUTOFFS):
    """The same numbers of lesions, lost, detected and false positives by scan at each pair of cutoffs."""
    names = ("lesions", "lost", "detected", "false_positives")
    return [
        {"target": "t", "source": source, "size": size, "resample": 1, "scan": str(scan), "connectivity": connectivity,
         "overlap": overlap, "volume_ml": volume_ml, "tested": 1, **dict(zip(names, numbers, strict=True))}
        for scan, numbers in enumerate(scans) for overlap, volume_ml in cutoffs
        for connectivity in ("slice8", "volume26")
    ]  # fmt: skip


def table_of(*rows):
    return detection.summary(pd.DataFrame([row for part in rows for row in part]), 200, 1)


@pytest.fixture
def table():
    """At 4 scans, t1-segmentation finds 5 of 8 lesions, of which the grid has lost 2, with 3 pieces that are none."""
    return table_of(
        counted("t1-segmentation", 2, [(4, 1, 1, 3), (2, 1, 0, 0)]),
        counted("t1-segmentation", 4, [(4, 1, 3, 2), (2, 1, 2, 1)]),
        counted("natural-segmentation", 2, [(4, 1, 2, 0), (2, 1, 0, 0)]),
        counted("natural-segmentation", 4, [(4, 1, 0, 0), (2, 1, 0, 0)]),
        counted("scratch", 2, [(4, 1, 1, 1), (2, 1, 1, 1)]),
        counted("scratch", 4, [(4, 1, 0, 2), (2, 1, 0, 2)]),
    )


@pytest.fixture
def drawn(table):
    yield detection_figure.figure(detection_figure.numbers(table), "t", SHOWN)
    plt.close("all")


def texts(axis):
    return [text.get_text() for text in axis.texts]


def test_points_worked_by_hand(table, drawn):
    """All lesions of the scans count, in three dimensions: 5 of 8 found, and 5 of 8 pieces are lesions."""
    assert len(drawn.axes) == 4
    for axis in drawn.axes:
        bars = {container.get_label(): container for container in axis.containers}
        places = [line.get_xydata()[0].tolist() for line in axis.lines if line.get_marker() == "X"]
        assert places == [[5 / 8, 5 / 8]]
        assert len(bars) <= 2
    shown = detection_figure.numbers(table)
    row = shown.query("source == 't1-segmentation' and size == 4").iloc[0]
    assert (row["lesions_native"], row["scans"]) == (8, 2)
    assert len(shown) == 3 * 2 * 4


def test_colours_and_markers_are_those_of_the_sources(drawn):
    """That of t1-segmentation as in every figure, at the end of its line of the same colour."""
    lines = [line for line in drawn.axes[0].lines if line.get_color() == SHOWN.style("t1-segmentation").color]
    path, end = (line for line in lines if len(line.get_xdata()) > 0 and line.get_marker() in (".", "X"))
    assert path.get_xydata()[-1].tolist() == end.get_xydata()[0].tolist()
    assert path.get_xydata()[0].tolist() == [1 / 8, 1 / 4]


def test_where_nothing_was_predicted_precision_is_not_known(drawn):
    """natural-segmentation predicts nothing at the largest size: its score at a smaller size does not stand for it."""
    for axis in drawn.axes:
        assert "precision not known:" in texts(axis)
        diamonds = [line for line in axis.lines if line.get_marker() == SHOWN.style("natural-segmentation").marker]
        assert len(diamonds) == 1
        assert diamonds[0].get_transform() == axis.transAxes


def test_without_unknown_precision_nothing_is_listed_and_the_axes_begin_near_the_points():
    table = table_of(counted("scratch", 1, [(5, 0, 4, 1)] * 9), counted("t1-segmentation", 1, [(5, 0, 5, 0)] * 9))
    figure = detection_figure.figure(detection_figure.numbers(table), "t", SHOWN)
    assert all("precision not known:" not in texts(axis) for axis in figure.axes)
    assert [axis.get_xlim()[0] for axis in figure.axes] == pytest.approx([0.6 - 0.04 * 0.4] * 4)
    plt.close(figure)


def test_curves_have_equal_f1(drawn):
    found = {}
    for axis in drawn.axes:
        for line in axis.lines:
            if line.get_color() == "0.85":
                recall, precision = line.get_xydata().T
                scores = 2 * recall * precision / (recall + precision)
                assert np.ptp(scores) < 1e-9
                found[round(scores[0], 6)] = precision[-1]
    labels = {
        float(text.get_text()[3:]): text.get_position()[1] for text in drawn.axes[0].texts if "F1" in text.get_text()
    }
    assert labels == pytest.approx(found)


def test_markers_in_one_place_stand_side_by_side_within_the_axes():
    names = list(SHOWN.known)
    table = table_of(*(counted(name, 1, [(4, 0, 0, 2), (2, 0, 0, 0)]) for name in names))
    figure = detection_figure.figure(detection_figure.numbers(table), "t", SHOWN)
    axis = figure.axes[0]
    at = sorted(
        line.get_xdata()[0]
        for line in axis.lines
        if line.get_marker() in "Xv" + "PDos*^" and len(line.get_xdata()) == 1
    )
    assert len(at) == len(names)
    assert np.diff(at).min() > 0.03
    assert at[0] >= 0
    plt.close(figure)


@pytest.mark.parametrize(("ends", "filled"), [((0.1, 0.9), True), ((0.0, 1.0), False), ((np.nan, np.nan), False)])
def test_a_marker_is_open_where_the_interval_says_nothing(table, ends, filled):
    shown = detection_figure.numbers(table)
    shown = shown[shown["source"] == "t1-segmentation"].assign(precision_low=ends[0], precision_high=ends[1])
    figure = detection_figure.figure(shown, "t", SHOWN)
    (marker,) = (line for line in figure.axes[0].lines if line.get_marker() == "X")
    assert (marker.get_markerfacecolor() != "white") == filled
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert ("95 % CI" in labels) == filled
    assert ("95 % CI not determined, or 0 to 1" in labels) != filled
    plt.close(figure)


def test_cutoffs_that_no_lesion_reaches_are_said_and_not_drawn(table):
    nothing = counted("scratch", 4, [(0, 0, 0, 1), (0, 0, 0, 0)], [(0.0, 9.0), (0.2, 9.0)])
    shown = pd.concat([detection_figure.numbers(table), detection_figure.numbers(table_of(nothing))])
    figure = detection_figure.figure(shown, "t", SHOWN)
    assert len(figure.axes) == 4
    assert figure._suptitle.get_text().endswith("\nno lesion of 9 mL or more")
    plt.close(figure)
    alone = detection_figure.figure(detection_figure.numbers(table_of(nothing)), "t", SHOWN)
    assert "not known: no test scan has a lesion" in alone.texts[0].get_text()
    plt.close(alone)


def test_the_script_draws_one_target_from_the_table_alone(tmp_path, table):
    job.write_table(tmp_path / "detection.tsv", pd.concat([table, table.assign(target="other", source="unknown")]))
    for name in ("a", "b"):
        written = SimpleNamespace(figure=[tmp_path / f"{name}.svg"], numbers=tmp_path / f"{name}.tsv")
        paths = SimpleNamespace(detection=tmp_path / "detection.tsv")
        params, of_target = SimpleNamespace(sources=SHOWN.known), SimpleNamespace(target="t")
        found = {"input": paths, "output": written, "params": params, "wildcards": of_target}
        ran = SimpleNamespace(rule="draw_detection", log=[tmp_path / "log"], threads=1, **found)
        debug.run_script(SCRIPTS / "draw_detection.py", ran)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert set(job.read_table(tmp_path / "a.tsv")["source"]) == set(table["source"])
