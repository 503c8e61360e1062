import numpy as np
import pandas as pd
import pytest
from shown import SHOWN

from headstart.report import scan_pictures, verdict_figure


def pairs_of(target, gains, sizes=("all", "2"), level="volume"):
    """Comparisons with scratch; gains above 0.1 are significant."""
    return [
        {"target": target, "size": size, "metric": "dice", "level": level, "source": source, "against": "scratch",
         "difference": gain, "low": gain - 0.1, "high": gain + 0.1, "p_adjusted": 0.01 if gain > 0.1 else 0.5,
         "significant": gain > 0.1}
        for source, gain in gains.items() for size in sizes
    ]  # fmt: skip


def saved_of(target, found, sizes, level="volume", low_is="="):
    """Scans saved by each source, as number and sign, at each size."""
    return [
        {"target": target, "size": size, "metric": "dice", "level": level, "source": source, "baseline": "scratch",
         "saved": scans, "saved_is": sign, "low": 0, "low_is": low_is, "high": 2, "high_is": ">"}
        for source, (scans, sign) in found.items() for size in sizes
    ]  # fmt: skip


FOUND = {"natural-segmentation": (np.nan, "n/a"), "t1-segmentation": (2.0, ">")}


@pytest.fixture
def tables():
    gains = {"natural-segmentation": 0.05, "t1-segmentation": 0.2}
    verdict = pd.DataFrame(
        [{"target": name, "metric": "dice", "highest": best, "margin": 0.02, "sentence": f"{name}: said."}
         for name, best in (("one", "t1-segmentation"), ("many", "t1-segmentation"), ("none", None))]
    )  # fmt: skip
    comparisons = pairs_of("one", gains, ("3",)) + pairs_of("many", gains, ("all", "2", "4"))
    comparisons += pairs_of("many", gains, level="slice")
    saved = saved_of("one", FOUND, (3,)) + saved_of("many", FOUND, (2, 4)) + saved_of("many", FOUND, (2,), "slice")
    return verdict, pd.DataFrame(comparisons), pd.DataFrame(saved)


def test_one_row_per_target_and_source_over_all_sizes_and_volumes(tables):
    shown = verdict_figure.numbers(*tables, SHOWN)
    assert shown["target"].tolist() == ["one"] * 2 + ["many"] * 2
    assert shown["source"].tolist() == ["t1-segmentation", "natural-segmentation"] * 2
    assert shown["highest"].tolist() == shown["significant"].tolist() == [True, False] * 2
    many = shown[shown["target"] == "many"].iloc[0]
    assert many[["gain", "sizes", "size", "largest"]].tolist() == [0.2, 2, 2, 4]
    assert many[["scans_saved", "scans_saved_is"]].tolist() == [2, ">"]


def test_each_band_has_its_sentence_and_filled_markers_for_significant_gains(tables, tmp_path):
    verdict, *rest = tables
    sentences = dict(zip(verdict["target"], verdict["sentence"], strict=True))
    figure = verdict_figure.figure(verdict_figure.numbers(verdict, *rest, SHOWN), sentences, SHOWN)
    assert [band._suptitle.get_text() for band in figure.subfigs[:3]] == list(sentences.values())
    gains = figure.subfigs[1].axes[0]
    assert [label.get_text() for label in gains.get_yticklabels()] == ["t1-segmentation", "natural-segmentation"]
    filled = [container[0].get_markerfacecolor() for container in gains.containers]
    assert filled[0] != "white"
    assert filled[1] == "white"
    assert "one set size" in figure.subfigs[0].axes[1].texts[0].get_text()
    assert [text.get_text() for text in figure.subfigs[1].axes[1].texts] == ["> 2"]
    assert not figure.subfigs[2].axes
    scan_pictures.save_all(figure, [tmp_path / "a.png", tmp_path / "a.svg"])


def test_the_key_names_the_criterion_and_that_intervals_are_simultaneous(tables):
    verdict, *rest = tables
    figure = verdict_figure.figure(verdict_figure.numbers(verdict, *rest, SHOWN), {"one": "one: said."}, SHOWN)
    (legend,) = figure.subfigs[-1].legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "significantly different (adjusted p < 0.05)",
        "no significant difference",
        "simultaneous 95 % CI",
        "margin of equivalence",
    ]


def test_scans_saved_are_not_drawn_if_no_interval_is_bounded(tables):
    verdict, comparisons, _ = tables
    saved = pd.DataFrame(saved_of("many", FOUND, (2, 4), low_is="<"))
    shown = verdict_figure.numbers(verdict[verdict["target"] == "many"], comparisons, saved, SHOWN)
    figure = verdict_figure.figure(shown, {"many": "many: said."}, SHOWN)
    axis = figure.subfigs[0].axes[1]
    assert not axis.axison
    assert axis.texts[0].get_text().endswith("every 95 % CI extends\nbeyond 2 to 4 labelled scans")


def test_a_source_whose_interval_has_all_that_was_measured_has_no_number_of_scans_saved(tables):
    verdict, comparisons, _ = tables
    saved = pd.DataFrame(saved_of("many", {name: (2.0, ">") for name in FOUND}, (2, 4)))
    saved.loc[saved["source"] == "natural-segmentation", "low_is"] = "<"
    shown = verdict_figure.numbers(verdict[verdict["target"] == "many"], comparisons, saved, SHOWN)
    axis = verdict_figure.figure(shown, {"many": "many: said."}, SHOWN).subfigs[0].axes[1]
    names = shown["source"].tolist()
    said = {names[round(text.xy[1])]: text.get_text() for text in axis.texts}
    assert said == {"natural-segmentation": "not known", "t1-segmentation": "> 2"}
    drawn = {
        names[round(line.get_ydata()[0])]
        for line in axis.lines
        if len(line.get_ydata()) == 2 and line.get_ydata()[0] == line.get_ydata()[1]
    }
    assert drawn == {"t1-segmentation"}


def test_without_a_baseline_the_sentences_are_shown_alone(tables, tmp_path):
    verdict, comparisons, saved = tables
    shown = verdict_figure.numbers(verdict, comparisons.head(0), saved.head(0), SHOWN)
    assert shown.empty
    scan_pictures.save_all(verdict_figure.figure(shown, {"one": "one: said."}, SHOWN), [tmp_path / "a.png"])


def test_without_rows_of_scans_saved_the_diagram_says_why(tables):
    verdict, comparisons, saved = tables
    shown = verdict_figure.numbers(verdict, comparisons, saved.iloc[:0], SHOWN)
    assert shown["sizes"].tolist() == [1, 1, 2, 2]
    figure = verdict_figure.figure(shown, {"one": "one: said.", "many": "many: said."}, SHOWN)
    one, many = (band.axes[1].texts[0].get_text() for band in figure.subfigs[:2])
    assert one.endswith("not defined for one set size")
    assert many.endswith("not defined without two trained sources")
