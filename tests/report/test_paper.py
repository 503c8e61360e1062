import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from settings_of import over_tour
from shown import SHOWN

from headstart.report import paper, scan_pictures
from headstart.report.sources import GROUPS, Shown

ALL = [
    "t1-segmentation", "t1-autoencoding", "t1-classification", "natural-segmentation", "natural-autoencoding",
    "natural-classification", "imagenet-classification", "scratch",
]  # fmt: skip


def summary_of(scores, sizes=(10,), metric="dice"):
    """Scores by source over slices, and over volumes, which are 0.1 higher."""
    return pd.DataFrame(
        {"target": "t", "size": size, "metric": metric, "level": level, "source": source,
         "score": score + lift, "low": score + lift - 0.05, "high": score + lift + 0.05}
        for source, score in scores.items() for size in sizes for level, lift in (("slice", 0), ("volume", 0.1))
    )  # fmt: skip


def detection_of(names, sizes=(5, 10)):
    return pd.DataFrame(
        {"target": "t", "source": source, "size": size, "connectivity": connectivity, "overlap": overlap,
         "volume_ml": volume, "sensitivity": 0.5, "sensitivity_low": 0.4, "sensitivity_high": 0.6}
        for source in names for size in sizes for connectivity in ("slice8", "volume26")
        for overlap in (0, 0.2) for volume in (0, 1, 2)
    )  # fmt: skip


def test_panels_are_those_of_the_paper_with_scratch_in_each():
    scores = summary_of(dict(zip(ALL, [0.3, 0.2, 0.4, 0.2, 0.2, 0.2, 0.35, 0.1], strict=True)))
    equal, unequal, reference = paper.panels(scores, SHOWN).values()
    assert equal == [*ALL[:3], "scratch"]
    assert unequal == [*ALL[3:6], "scratch"]
    assert reference == ["t1-classification", "imagenet-classification", "scratch"]


def test_scores_without_a_labelled_scan_are_drawn_and_choose_no_source():
    """The best source of the equal domain is that of the sets of scans, which all sources have."""
    scores = summary_of(
        {"scratch": 0.1, "t1-autoencoding": 0.5, "t1-segmentation": 0.4, "imagenet-classification": 0.3}
    )
    scores = pd.concat([scores, summary_of({"t1-segmentation": 0.9}, (0,))])
    *_, reference = paper.panels(scores, SHOWN).values()
    assert reference == ["t1-autoencoding", "imagenet-classification", "scratch"]
    shown = paper.numbers(scores, None, SHOWN)
    assert shown.loc[shown["size"] == 0, ["source", "value"]].drop_duplicates().to_numpy().tolist() == [
        ["t1-segmentation", 0.9]
    ]
    drawn = paper.figure(shown, "t", SHOWN)
    assert [label.get_text() for label in drawn.axes[0].get_xticklabels()] == ["0", "10"]
    plt.close(drawn)


def test_a_panel_with_the_baseline_alone_is_omitted():
    assert list(paper.panels(summary_of({"scratch": 0.1, "t1-segmentation": 0.2}), SHOWN)) == [GROUPS["equal"]]
    assert paper.panels(summary_of({"scratch": 0.1}), SHOWN) == {}


def test_curves_are_over_slices_and_sensitivity_is_at_the_largest_size():
    shown = paper.numbers(
        summary_of({"scratch": 0.1, "t1-segmentation": 0.2}, (5, 10)), detection_of(["scratch"]), SHOWN
    )
    scores = shown[shown["measure"] == "dice"]
    assert scores["value"].tolist() == [0.1, 0.1, 0.2, 0.2]
    assert scores["size"].tolist() == [5, 10, 5, 10]
    found = shown[shown["measure"] == "sensitivity"]
    assert len(found) == 6
    assert set(found["size"]) == {10}
    assert set(found["domain"]) == {"baseline"}
    assert not found.duplicated(["source", "overlap", "volume_ml"]).any()


@pytest.mark.parametrize(("sizes", "lesions", "rows"), [((5, 10), True, 2), ((10,), True, 1), ((5, 10), False, 1)])
def test_a_figure_has_one_row_per_measure_and_one_column_per_panel(sizes, lesions, rows, tmp_path):
    shown = paper.numbers(summary_of(dict.fromkeys(ALL, 0.3), sizes), detection_of(ALL) if lesions else None, SHOWN)
    figure = paper.figure(shown, "t", SHOWN)
    assert len(figure.axes) == 3 * rows
    assert all(axis.lines for axis in figure.axes)
    drawn = {round(float(y), 6) for line in figure.axes[0].lines for y in line.get_ydata()}
    assert (0.3 if len(sizes) > 1 else 0.5) in drawn
    scan_pictures.save_all(figure, [tmp_path / "a.png", tmp_path / "a.svg"])


def test_lines_of_different_overlaps_do_not_cover_each_other():
    shown = paper.numbers(summary_of(dict.fromkeys(ALL, 0.3)), detection_of(ALL), SHOWN)
    axis = paper.figure(shown, "t", SHOWN).axes[0]
    starts = [bars[0].get_xdata()[0] for bars in axis.containers]
    assert len(starts) == 4 * 2
    assert np.diff(np.sort(starts)).min() > 0.05
    plt.close("all")


def test_volume_cutoffs_above_all_lesions_are_said_and_not_drawn():
    detection = detection_of(ALL)
    detection.loc[detection["volume_ml"] > 0, ["sensitivity", "sensitivity_low", "sensitivity_high"]] = np.nan
    shown = paper.numbers(summary_of(dict.fromkeys(ALL, 0.3)), detection, SHOWN)
    axis = paper.figure(shown, "t", SHOWN).axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0"]
    assert axis.get_xlabel() == "volume cutoff (mL); no lesions of 1 mL or more"
    plt.close("all")


def test_without_a_panel_the_figure_says_so(tmp_path):
    figure = paper.figure(paper.numbers(summary_of({"scratch": 0.1}, (5, 10)), None, SHOWN), "t", SHOWN)
    assert [text.get_text() for text in figure.texts] == ["t: no source of any domain has a score"]
    assert not figure.axes
    scan_pictures.save_all(figure, [tmp_path / "a.png"])
    assert (tmp_path / "a.png").exists()
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("target", "printed"),
    [("anatomy", [0.62, 0.58, 0.59, 0.56, 0.57, 0.55, 0.52]), ("ms", [0.16, 0.12, 0.14, 0.14, 0.16, 0.13, 0.17])],
)
def test_the_table_is_laid_out_as_in_the_paper_with_its_results(target, printed):
    made = paper.table(summary_of({"scratch": 0.1, "t1-segmentation": 0.2}), target, Shown({}))
    assert made["source"].tolist() == ALL
    assert made["paper"].tolist()[:7] == printed
    assert np.isnan(made["paper"].iloc[7])
    assert made["paper_place"].str.contains("Table").sum() == 7
    first = made.iloc[0]
    assert first[["slice", "slice_low", "slice_high", "volume"]].tolist() == pytest.approx([0.2, 0.15, 0.25, 0.3])
    assert made["best"].tolist() == [True] + [False] * 7
    assert made["slice"].notna().tolist() == [True] + [False] * 6 + [True]


def test_without_the_paper_the_table_has_the_sources_of_the_study_alone():
    made = paper.table(summary_of({"scratch": 0.1, "t1-segmentation": 0.2}), None, SHOWN)
    assert made["source"].tolist() == ["t1-segmentation", "scratch"]
    assert made["paper"].isna().all()
    page = paper.page(made, "my_target")
    assert "my_target" in page
    assert "Zoetmulder" not in page.partition("<body")[2]
    assert "0.200 [0.150, 0.250]" in page


def test_the_targets_of_the_paper_are_those_that_a_study_may_name():
    config = over_tour()
    assert {target["paper"] for target in config["targets"].values()} == {None, "ms", "anatomy"}
    assert set(pd.read_csv(paper.RESULTS, sep="\t")["target"]) == {"ms", "anatomy"}


def test_phantoms_are_of_the_equal_domain_and_rows_of_one_task_have_their_names():
    """Two sources of one task on two datasets, one of them of phantoms, and weights from a file."""
    known = {
        "scratch": {"domain": "baseline", "task": None},
        "ours": {"domain": "t1", "task": "segmentation"},
        "heads": {"domain": "synthetic", "task": "segmentation"},
        "theirs": {"domain": "t1", "task": "autoencoding"},
        "rad": {"domain": "other", "task": None},
    }
    scores, sources = summary_of(dict.fromkeys(known, 0.3)), Shown(known)
    equal, reference = paper.panels(scores, sources).values()
    assert equal == ["ours", "theirs", "heads", "scratch"]
    assert reference[1:] == ["rad", "scratch"]
    made = paper.table(scores, None, sources)
    assert made["domain"].tolist() == ["equal"] * 3 + ["reference", "baseline"]
    page = paper.page(made, "t")
    for row in ("Segmentation (ours)", "Segmentation (heads)", "Self-supervised (auto-encoding)<", "file (rad)"):
        assert row in page
