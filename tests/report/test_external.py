"""Competitors from elsewhere in the report: in methods, on the first page, and in figures."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from methods_of import configured, text_of

from headstart.report import answer_page, figures, paper
from headstart.report.sources import Shown

TRAINED = {"folder": "x", "pattern": r"(?P<size>\d+)/(?P<resample>\d+)/(?P<subject>\w+)\.nii"}
FIXED = {"folder": "y", "pattern": r"(?P<subject>\w+)\.nii"}
SHOWN = Shown(
    {
        "scratch": {"domain": "baseline", "task": None},
        "nnunet": {"domain": "external", "task": "trained-elsewhere"},
        "rater-2": {"domain": "external", "task": "untrained"},
    }
)


def summary(sizes):
    rows = [
        {"target": "ms", "metric": "dice", "level": level, "size": size, "source": source, "score": score,
         "low": score - 0.1, "high": score + 0.1, "resamples": 3, "scans": 5}
        for source, at in (("scratch", 0.3), ("nnunet", 0.4), ("rater-2", 0.7))
        for size in sizes
        for level in ("slice", "volume")
        for score in (at if source == "rater-2" else at + 0.01 * size,)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_methods_say_who_was_compared_and_on_which_grids():
    config = configured()
    assert "native grids of the scans. Limitations" not in text_of(config)
    everywhere = "Scores referred to the labels resampled to the grid of the template (3 mm), not to the native grids"
    voxel = config["template"]["voxel_mm"]
    everywhere = everywhere.replace("(3 mm)", f"({voxel:g} mm)")
    assert everywhere in text_of(config)
    config["targets"]["ms"] = {**config["targets"]["ms"], "external": {"nnunet": TRAINED, "rater-2": FIXED}}
    text = text_of(config)
    assert (
        "For *ms*, masks that were made outside this study were compared with the sources: nnunet (trained on the same "
        "training sets) and rater-2 (not trained on these training sets). Whole volumes of this target were scored on "
        "the native grids of the scans"
    ) in text
    others = everywhere.replace("Scores", "Scores of *stroke* and *anatomy*")
    assert others in text
    for target in config["targets"].values():
        target["external"] = {"nnunet": TRAINED}
    assert "referred to the labels resampled" not in text_of(config)


def test_the_first_page_names_the_competitors_and_counts_them_as_no_source():
    study = {"sources": SHOWN.known, "pretraining": [], "datasets": {}}
    assert answer_page._compared(study) == (
        "Compared: scratch (random initialisation) and masks that were made elsewhere (nnunet and rater-2)."
    )
    target = {"dataset": "d", "sizes": [2], "resamples": 3, "tested": 5}
    datasets = {"d": {"synthetic": False, "scans": 9, "subjects": 9}}
    alone = answer_page._design({"targets": {"ms": target}, "datasets": datasets}, "ms")
    beside = {"targets": {"ms": {**target, "external": ["nnunet"]}}, "datasets": datasets}
    said = " Compared on the scans' own grids, with masks that were made elsewhere (nnunet)."
    assert answer_page._design(beside, "ms") == alone + said


@pytest.mark.parametrize(("best", "of"), [("nnunet", "of nnunet with 4 labelled scans;"), ("rater-2", "of rater-2;")])
def test_what_was_not_trained_has_no_labelled_scans(best, of):
    native = pd.DataFrame(
        {"target": "ms", "source": ["nnunet", "rater-2"], "size": 4, "dice_native": [0.5, 0.5], "dice_native_low": 0.4,
         "dice_native_high": 0.6, "ceiling_dice": 0.9}
    )  # fmt: skip
    native.loc[native["source"] == best, "dice_native"] = 0.55
    assert of in answer_page.native_sentence(native, "ms", SHOWN)


@pytest.mark.parametrize("sizes", [(2, 4, 8), (4,)])
def test_what_was_not_trained_is_a_level_across_the_learning_curves(sizes):
    table = summary(sizes)
    scores = table.assign(resample=1)
    drawn = figures.learning_curves(scores, table, {"ms": "verdict"}, SHOWN)
    lines = {line.get_label(): line for line in drawn.axes[0].lines}
    assert lines["rater-2"].get_linestyle() == "--"
    assert lines["rater-2"].get_ydata() == pytest.approx(np.full(len(sizes) + 2, 0.7))
    assert list(lines["rater-2"].get_xdata()[[0, -1]]) == [-0.5, len(sizes) - 0.5]
    assert {container.get_label() for container in drawn.axes[0].containers} == {"nnunet", "scratch"}
    plt.close(drawn)


def test_the_figure_by_domain_has_a_panel_for_masks_that_were_made_elsewhere():
    of_slices = summary((2, 4)).query("level == 'slice'")
    assert paper.panels(of_slices, SHOWN) == {"Masks made elsewhere": ["nnunet", "rater-2", "scratch"]}
    assert SHOWN.task("nnunet") == "Trained elsewhere on the same training sets"
    assert SHOWN.task("rater-2") == "Not trained on the training sets"
