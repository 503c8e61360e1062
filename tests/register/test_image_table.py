"""Quality control of further images: which are marked for review, and which stop the study."""

from types import SimpleNamespace

import pandas as pd
import pytest
from settings_of import CONFIG

from headstart.job import write_json, write_table
from headstart.register import image_table

LIMITS = CONFIG["quality"]["stop_images"]
CHECKED = {"axes": "RAS", "placed_by": "sform", "repairs": [], "warnings": []}
GOOD = {
    "rotation_deg": 1.2,
    "shift_mm": 2.0,
    "similarity": 1.09,
    "mirrored": 0.3,
    "covered": 1.0,
    "starts_apart_mm": 0.02,
    "wm_minus_gm": -0.03,
    "wm_minus_csf": 0.3,
}


def tabulate(image="FLAIR", checked=None, **changed):
    """The only row of the table of one image."""
    row = image_table.make_row({**GOOD, **changed}, {**CHECKED, **(checked or {})})
    return image_table.tabulate([{"dataset": "ms", "subject": "07", "image": image, **row}], LIMITS)


def test_an_image_that_lies_on_its_t1_passes():
    table = tabulate()
    assert table.iloc[0][["status", "failed", "warnings", "repairs"]].tolist() == ["passed", "", "", ""]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"similarity": 1.02}, "similarity 1.02, below 1.03"),
        ({"similarity": 1.9}, "similarity 1.9, above 1.5"),
        ({"mirrored": 2.9}, "mirrored 2.9, above 0.7"),
        ({"covered": 0.6}, "covered 0.6, below 0.9"),
    ],
)
def test_an_image_that_does_not_stops_the_study_in_one_sentence(changed, reason, tmp_path, run_script):
    bad, good = tmp_path / "bad.tsv", tmp_path / "good.tsv"
    write_table(tmp_path / "quality.tsv", pd.DataFrame([{"dataset": "ms", "subject": "07", "status": "passed"}]))
    write_table(bad, tabulate(**changed))
    write_table(good, tabulate())
    with pytest.raises(SystemExit) as ended:
        run_script(
            "gate_quality", SimpleNamespace(quality=tmp_path / "quality.tsv", aligned=bad), {}, [tmp_path / "passed"]
        )
    sentence = ended.value.code
    assert f"FLAIR of ms 07 ({reason})" in sentence
    for remedy in ("datasets.ms.exclude", "datasets.ms.images", "quality.stop_images", "bad.tsv"):
        assert remedy in sentence
    assert "\n" not in sentence
    assert not (tmp_path / "passed").exists()
    run_script(
        "gate_quality", SimpleNamespace(quality=tmp_path / "quality.tsv", aligned=good), {}, [tmp_path / "passed"]
    )
    assert (tmp_path / "passed").exists()


@pytest.mark.parametrize(
    ("image", "changed", "words"),
    [
        ("FLAIR", {"wm_minus_csf": -0.3}, "CSF is not the darkest tissue: not a FLAIR?"),
        ("FLAIR", {"wm_minus_gm": 0.4}, "CSF is not the darkest tissue: not a FLAIR?"),
        ("T2w", {}, "CSF is not the brightest tissue"),
        ("T2w", {"wm_minus_gm": 0.1, "wm_minus_csf": -0.4}, "white matter is brighter than grey matter: not a T2w?"),
        ("FLAIR", {"starts_apart_mm": 43.0}, "two starts ended 43 mm apart"),
        ("FLAIR", {"starts_apart_mm": None}, "from one start alone"),
        ("FLAIR", {"checked": {"warnings": ["sform and qform differ"]}}, "sform and qform differ"),
    ],
)
def test_an_unusual_image_is_marked_for_review(image, changed, words):
    table = tabulate(image, **changed)
    assert table.loc[0, "status"] == "review"
    assert words in table.loc[0, "warnings"]
    image_table.check_passed(table, "images_aligned.tsv")


@pytest.mark.parametrize(
    ("image", "contrast"),
    [
        ("FLAIR", {"wm_minus_gm": 0.07}),  # white and grey matter are nearly equal, in either order
        ("T2w", {"wm_minus_gm": -0.2, "wm_minus_csf": -0.6}),
        ("PDw", {"wm_minus_gm": -0.2, "wm_minus_csf": -0.6}),
    ],
)
def test_a_usual_contrast_passes(image, contrast):
    assert tabulate(image, **contrast).loc[0, "status"] == "passed"


def test_the_table_is_made_from_the_files_of_the_stages(tmp_path, run_script):
    write_json(tmp_path / "qc.json", GOOD)
    record = {"dataset": "ms", "subject": "07", "scan": CHECKED}
    record["images"] = {"FLAIR": {**CHECKED, "repairs": ["set to 0"]}}
    write_json(tmp_path / "checked.json", [record])
    inputs = SimpleNamespace(registered=[tmp_path / "qc.json"], checked=[tmp_path / "checked.json"])
    params = {"images": [("ms", "07", "FLAIR")], "stop": LIMITS}
    run_script("tabulate_images", inputs, params, SimpleNamespace(table=tmp_path / "images.tsv"))
    found = pd.read_csv(tmp_path / "images.tsv", sep="\t", dtype={"subject": str}).loc[0]
    assert found[["dataset", "subject", "image", "status", "repairs"]].tolist() == [
        "ms", "07", "FLAIR", "passed", "set to 0",
    ]  # fmt: skip
