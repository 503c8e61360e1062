import base64
from html.parser import HTMLParser
from xml.etree import ElementTree

import browser
import numpy as np
import pandas as pd
import pytest
from shown import SHOWN

from headstart.evaluate.needed import BACKTEST, NEEDED
from headstart.report import answer_page

VOID = {"meta", "br", "img", "link", "hr", "input"}
HOSTILE = "a<script>alert('x')</script>&\"quoted\""


class Page(HTMLParser):
    """A page read tag by tag: ``tags`` with their attributes, ``text`` without its style; unbalanced tags raise."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(page)
        self.close()
        self.text = " ".join(self.text.split())
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data

    def attributes(self, name):
        return [attributes[name] for _, attributes in self.tags if name in attributes]


def of_paper(*names):
    """Domain and task of these sources of the paper."""
    return {name: SHOWN.known[name] for name in names}


def shown_of(target, gains=None):
    return [
        {"target": target, "metric": "dice", "source": source, "highest": source == "t1-segmentation",
         "gain": gain, "margin": 0.02,
         "low": gain - 0.1, "high": gain + 0.1, "p_adjusted": 0.01, "significant": True,
         "sizes": 2, "size": 2, "largest": 10, "scans_saved": 1.0, "scans_saved_is": "=",
         "scans_saved_low": 0, "scans_saved_low_is": "=",
         "scans_saved_high": 2, "scans_saved_high_is": ">"}
        for source, gain in (gains or {"t1-segmentation": 0.2, "natural-segmentation": 0.05}).items()
    ]  # fmt: skip


def summary_of(target):
    scores = {"scratch": (0.4, 0.6), "t1-segmentation": (0.65, 0.7), "natural-segmentation": (0.5, np.nan)}
    return [
        {"target": target, "size": size, "metric": "dice", "level": level, "source": source,
         "score": score + (0.1 if level == "slice" else 0), "low": low, "high": score + 0.05}
        for source, values in scores.items() for size, score in zip((2, 10), values, strict=True)
        for level in ("slice", "volume") for low in [np.nan if source == "scratch" and size == 10 else score - 0.05]
    ]  # fmt: skip


def needed_of(target):
    """Scans needed for the score that the user of a target wants."""
    numbers = dict(zip(NEEDED, (38, "=", 29, "=", 61, "="), strict=True))
    return [
        {"target": target, "metric": "dice", "source": source, "wanted": 0.6, "of_best": np.nan, "have": np.nan,
         "highest_mean": source == "t1-segmentation", **numbers}
        for source in ("t1-segmentation", "scratch")
    ]  # fmt: skip


def native_of(target):
    """The Dice of each source on the scans' own grids."""
    return [
        {"target": target, "source": source, "size": 10, "dice": score + 0.1, "dice_native": score,
         "dice_native_low": score - 0.1, "dice_native_high": score + 0.1, "ceiling_dice": 0.9}
        for source, score in (("scratch", 0.4), ("t1-segmentation", 0.5), ("natural-segmentation", np.nan))
    ]  # fmt: skip


def page_of(*targets, sentences=None, shown=None, study=None, learning=0, unjudged=0):
    """The page of a study with these targets."""
    about = {
        "name": "tiny",
        "sources": of_paper("scratch", "t1-segmentation", "natural-segmentation"),
        "datasets": {"cohort": {"synthetic": False, "scans": 9, "subjects": 8},
                     "photos": {"synthetic": False, "images": 20000},
                     "patients": {"synthetic": False, "scans": 1, "subjects": 1}},
        "pretraining": ["cohort", "photos"],
        "overlaps": [],
        "targets": {name: {"dataset": "patients", "sizes": [10, 2], "resamples": 3, "tested": 4} for name in targets},
        "files": {"Methods": ["methods/methods.html"], "Tables": ["tables/verdict.tsv"],
                  "Figures": ["figures/a b#1?.png"]},
    } | (study or {})  # fmt: skip
    sentences = sentences or [f"{name}: t1-segmentation is better than {name}." for name in targets]
    verdict = pd.DataFrame({"target": targets, "metric": "dice", "sentence": sentences})
    summary = pd.DataFrame([row for name in targets for row in summary_of(name)])
    rows = [row for name in targets for row in shown_of(name)]
    trainings = pd.DataFrame({"target": targets, "judged": 6, "unjudged": unjudged, "still_learning": learning})
    needed = pd.DataFrame([row for name in targets for row in needed_of(name)])
    backtest = pd.DataFrame([], columns=BACKTEST)
    drawn = pd.DataFrame(rows) if shown is None else shown
    native = pd.DataFrame([row for name in targets for row in native_of(name)])
    return answer_page.page(about, verdict, summary, drawn, trainings, needed, backtest, native)


def test_what_pre_training_and_test_may_have_in_common_is_said_before_the_verdict():
    sentence = "source a<b, target stroke: one generator made both."
    page = page_of("stroke", study={"overlaps": [sentence, "source c, target stroke: the same set."]})
    text = Page(page).text
    assert text.index(f"{sentence} source c, target stroke: the same set.") < text.index(
        "stroke: t1-segmentation is better"
    )
    assert "Pre-training and test." not in page_of("stroke")


def test_the_dice_on_the_scans_own_grids_is_said_of_the_highest_mean():
    text = Page(page_of("stroke", "ms")).text
    for target in ("stroke", "ms"):
        assert (
            f"{target}: on the scans' own grids, against the labels as they were drawn, the highest mean is Dice 0.500 "
            "[0.400, 0.600], of t1-segmentation with 10 labelled scans; the study's grid allows 0.900"
        ) in text
    nothing = pd.DataFrame(native_of("ms")).assign(dice_native=np.nan)
    assert answer_page.native_sentence(nothing, "ms", SHOWN) == "ms: the Dice on the scans' own grids is not known."


def test_fine_tunings_that_were_still_learning_are_counted_on_the_page():
    page = page_of("stroke", "ms", "anatomy", learning=2)
    assert "6 of 18 judged fine-tunings were still learning at the end: the loss fell by more than 5 %" in page
    assert "does not prove that longer trainings would gain nothing" in page
    assert "not judged" not in page
    assert "Short trainings" not in page_of("stroke")


def test_fine_tunings_that_were_not_judged_are_counted_on_the_page():
    page = page_of("stroke", "ms", unjudged=[3, 0])
    assert "3 fine-tunings were not judged, for having fewer than 8 epochs" in page
    assert "still learning" not in page
    assert "1 fine-tuning was not judged" in page_of("stroke", learning=1, unjudged=1)


def test_the_page_speaks_of_the_others_only_where_there_are_any():
    assert "In the others" not in page_of("stroke", learning=6)


def test_where_nothing_was_judged_the_page_counts_that_alone():
    trainings = pd.DataFrame({"judged": [0, 0], "unjudged": [2, 3], "still_learning": [np.nan, np.nan]})
    assert answer_page.learning_note(trainings).startswith("5 fine-tunings were not judged")


def test_every_target_has_its_sentence_its_figure_and_its_design():
    page = Page(page_of("stroke", "ms", "anatomy"))
    figures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(figures) == 3
    for name, figure in zip(("stroke", "ms", "anatomy"), figures, strict=True):
        assert f"{name}: t1-segmentation is better than {name}." in page.text
        assert f"target {name}" in figure["alt"]
        assert "t1-segmentation +0.200 [+0.100, +0.300]" in figure["alt"]
        svg = base64.b64decode(figure["src"].removeprefix("data:image/svg+xml;base64,"))
        assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    design = "Dataset patients (1 subject): fine-tuned on 2 and 10 labelled scans, 3 resamples each; tested on 4."
    assert page.text.count(design) == 3
    assert page.text.count("For Dice 0.60, you need 38 [95 % CI 29, 61] labelled scans with t1-segmentation, 38") == 3
    assert "2 sources, pre-trained on cohort (8 subjects, 9 scans) and photos (20,000 natural images)." in page.text
    assert page.text.count("Research use only, not a medical device.") == 2


def test_the_same_study_makes_the_same_bytes():
    assert page_of("stroke") == page_of("stroke")


def test_nothing_is_requested_and_no_script_runs():
    text = page_of("stroke", "ms")
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert "url(" not in text
    assert "@import" not in text
    assert "://" not in text
    assert all(source.startswith("data:") for source in page.attributes("src"))
    svg = base64.b64decode(page.attributes("src")[0].partition(",")[2]).decode()
    referred = {value for part in ElementTree.fromstring(svg).iter() for name, value in part.items() if "href" in name}
    assert all(value.startswith("#") for value in referred)


def test_the_page_is_well_formed_and_its_links_are_relative_or_lead_to_its_parts():
    page = Page(page_of("stroke"))
    ids, links = page.attributes("id"), page.attributes("href")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    files = [link for link in links if not link.startswith("#")]
    assert {"report.html", "provenance.json", "methods/methods.html", "figures/a%20b%231%3F.png"} <= set(files)
    assert set(page.attributes("aria-labelledby")) <= set(ids)
    assert page.tags[0] == ("html", {"lang": "en"})
    headings = [tag for tag, _ in page.tags if tag in ("h1", "h2")]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1


def test_hostile_names_are_shown_and_not_run():
    datasets = {HOSTILE: {"synthetic": True, "scans": 5, "subjects": 5}}
    targets = {HOSTILE: {"dataset": HOSTILE, "sizes": [2], "resamples": 1, "tested": 4}}
    files = {"Methods": [], "Tables": [f"tables/{HOSTILE}.tsv"], "Figures": []}
    study = {"name": HOSTILE, "datasets": datasets, "pretraining": [], "targets": targets, "files": files}
    page = Page(page_of(HOSTILE, sentences=[f"{HOSTILE}: said of {HOSTILE}."], study=study))
    assert "script" not in {tag for tag, _ in page.tags}
    assert f"{HOSTILE}: said of {HOSTILE}." in page.text
    assert HOSTILE in next(attributes["alt"] for tag, attributes in page.tags if tag == "img")


@pytest.mark.parametrize(
    ("synthetic", "note"),
    [
        ([], None),
        (["a", "b"], "All scans and images of this study are synthetic. Its results say nothing about real scans."),
        (["a"], "a is synthetic. Results that depend on synthetic data say nothing about real scans."),
        (["b"], "b is synthetic, and used only for pre-training. All scores are on real scans."),
    ],
)
def test_a_study_on_synthetic_data_says_what_it_cannot_show(synthetic, note):
    datasets = {name: {"synthetic": name in synthetic, "scans": 1, "subjects": 1} for name in ("a", "b")}
    assert answer_page.synthetic_note(datasets, ["a"]) == note
    study = {"datasets": {"patients": {"synthetic": True, "scans": 2, "subjects": 2}}, "pretraining": []}
    assert "All scans and images of this study are synthetic." in Page(page_of("stroke", study=study)).text
    assert "Synthetic data." not in Page(page_of("stroke")).text


def test_weights_trained_elsewhere_are_named_among_the_pre_training_data():
    files = of_paper("imagenet-classification") | {"rad": {"domain": "other", "task": None}}
    text = answer_page._compared({"sources": files, "pretraining": [], "datasets": {}})
    given = "data of others (weights from files: imagenet-classification, rad)"
    assert text == f"Compared: 2 sources, pre-trained on {given}."
    alone = answer_page._compared({"sources": of_paper("scratch"), "pretraining": [], "datasets": {}})
    assert alone == "Compared: scratch (random initialisation)."


def test_the_table_holds_scores_of_whole_volumes_with_their_intervals():
    table = answer_page.score_table(pd.DataFrame(summary_of("stroke") + summary_of("ms")), "stroke", SHOWN)
    assert table["metric"] == "Dice"
    assert table["sizes"] == [2, 10]
    assert list(table["rows"]) == ["t1-segmentation", "natural-segmentation", "scratch"]
    assert table["rows"]["t1-segmentation"][0] == {"score": "0.650", "interval": " [0.600, 0.700]", "best": True}
    assert table["rows"]["scratch"][1] == {"score": "0.600", "interval": "", "best": False}
    assert table["rows"]["natural-segmentation"][1] is None


def test_without_a_comparison_the_sentence_stands_alone():
    empty = pd.DataFrame(shown_of("other")).head(0)
    page = Page(page_of("stroke", sentences=["No score."], shown=empty))
    assert "No score." in page.text
    assert "No figure: no source is compared with scratch." in page.text
    assert "img" not in {tag for tag, _ in page.tags}


@pytest.mark.skipif(browser.CHROMIUM is None, reason="chromium is not installed (Debian: apt-get install chromium)")
def test_the_answers_for_three_targets_fit_on_the_first_screen(tmp_path):
    targets = ("stroke", "ms", "anatomy")
    long = (
        "t1-segmentation is significantly better than scratch: mean gain +0.123 Dice [95 % CI +0.051, +0.201], "
        "averaged over 2 and 10 labelled scans (adjusted p = 0.0031); trained on 2 labelled scans it saves 3 labelled "
        "scans [95 % CI 1, > 8]; it shows no significant difference from t1-classification, natural-segmentation; also "
        "significantly better than scratch (adjusted p < 0.05): t1-classification, natural-segmentation."
    )
    sentences = [f"{name}: {long}" for name in targets]
    gains = {f"{domain}-{task}": 0.1 for domain in ("t1", "natural")
             for task in ("segmentation", "autoencoding", "classification")}  # fmt: skip
    shown = pd.DataFrame([row for name in targets for row in shown_of(name, gains)])
    study = {
        "sources": of_paper("scratch", *gains),
        "datasets": {name: {"synthetic": True, "scans": 9, "subjects": 9} for name in ("patients", "cohort")},
    }
    page = page_of(*targets, sentences=sentences, shown=shown, study=study | {"pretraining": ["cohort"]})
    seen = browser.look(page, browser.FIRST_SCREEN, tmp_path)
    assert seen["refused"] == []
    assert seen["faults"] == []
    assert set(sentences) <= set(seen["found"]["texts"])
    assert len(seen["found"]["figures"]) == 3


def test_one_labelled_scan_is_singular():
    study = {"targets": {"stroke": {"dataset": "patients", "sizes": [1], "resamples": 1, "tested": 4}}}
    assert "fine-tuned on 1 labelled scan, 1 resample; tested on 4." in Page(page_of("stroke", study=study)).text


def test_scores_without_a_labelled_scan_are_a_column_that_the_page_explains():
    zero = {"target": "stroke", "size": 0, "metric": "dice", "level": "volume", "source": "t1-segmentation",
            "score": 0.25, "low": 0.2, "high": 0.3}  # fmt: skip
    table = answer_page.score_table(pd.DataFrame([*summary_of("stroke"), zero]), "stroke", SHOWN)
    assert table["sizes"] == [0, 2, 10]
    assert table["rows"]["scratch"][0] is None
    assert table["rows"]["t1-segmentation"][0] == {"score": "0.250", "interval": " [0.200, 0.300]", "best": True}
    target = {"dataset": "patients", "sizes": [0, 2], "resamples": 3, "tested": 4}
    text = Page(page_of("stroke", study={"targets": {"stroke": target}})).text
    assert "fine-tuned on 2 labelled scans, 3 resamples; tested on 4. At 0 labelled scans: sources as they are" in text
    assert "At 0 labelled scans" not in page_of("stroke")


def test_a_cross_validation_is_named():
    target = {"dataset": "patients", "sizes": [4], "resamples": 10, "tested": 15, "folds": 5}
    text = Page(page_of("stroke", study={"targets": {"stroke": target}})).text
    assert "fine-tuned on 4 labelled scans, 10 resamples; tested on all 15 by 5-fold cross-validation." in text
