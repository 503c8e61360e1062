"""Quality control: its measures, which scans are marked for review, and which stop the study."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from settings_of import CONFIG

from headstart import images
from headstart.images import Volume
from headstart.job import UserError, write_json, write_table
from headstart.register import quality, quality_table
from headstart.template.template import grid

SETTINGS = CONFIG["quality"]
SCAN = {"axes": "RAS", "placed_by": "sform", "repairs": [], "warnings": []}
LABELS = {"repairs": [], "warnings": [], "other_labels": {}}
GOOD = {
    "template_correlation": 0.97,
    "brain_dice": 0.96,
    "brain_native_ml": 1400.0,
    "brain_ml": 1398.0,
    "determinant": 0.7,
    "stripped": False,
    "wm_minus_gm": 0.2,
    "wm_minus_csf": 0.5,
}


def row(subject, dataset="cohort", losses=None, scan=None, **changed):
    records = [{**GOOD, **changed}, {**SCAN, **(scan or {})}]
    if losses:
        records += [LABELS, losses]
    return {"dataset": dataset, "subject": subject, **quality_table.make_row(*records)}


def cohort(*others):
    """Ten scans with ordinary differences, and others."""
    rng = np.random.default_rng(0)
    usual = [
        row(f"{n:02d}", brain_dice=0.96 + rng.normal(0, 0.003), determinant=0.7 + rng.normal(0, 0.05))
        for n in range(10)
    ]
    return quality_table.tabulate([*usual, *others], SETTINGS["stop"], SETTINGS["outlier"]).set_index("subject")


def test_similar_scans_pass():
    table = cohort()
    assert (table["status"] == "passed").all()
    assert (table[["failed", "outliers", "warnings"]] == "").all(axis=None)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"template_correlation": 0.3}, "template_correlation 0.3, below 0.6"),
        ({"template_correlation": None}, "template_correlation unknown"),
        ({"brain_dice": 0.5}, "brain_dice 0.5, below 0.8"),
        ({"brain_native_ml": 3000.0}, "brain_native_ml 3e+03, above 2600"),
        ({"determinant": -0.7}, "determinant -0.7, below 0.4"),  # a mirror image
    ],
)
def test_a_failed_registration_stops_the_study_until_it_is_excluded(changed, reason, tmp_path, run_script):
    table = cohort(row("bad", **changed)).reset_index()
    assert table.set_index("subject")["status"].to_dict()["bad"] == "failed"
    bad, good = (SimpleNamespace(quality=tmp_path / name, aligned=[]) for name in ("bad.tsv", "good.tsv"))
    write_table(bad.quality, table)
    write_table(good.quality, table[table["subject"] != "bad"])
    with pytest.raises(SystemExit) as ended:
        run_script("gate_quality", bad, {}, [tmp_path / "passed"])
    sentence = ended.value.code
    assert f"cohort bad ({reason})" in sentence
    assert "datasets.cohort.exclude" in sentence
    assert "\n" not in sentence
    assert not (tmp_path / "passed").exists()
    run_script("gate_quality", good, {}, [tmp_path / "passed"])
    assert (tmp_path / "passed").exists()


@pytest.mark.parametrize(
    ("unusual", "column", "words"),
    [
        ({"brain_dice": 0.85}, "outliers", "brain_dice (z -"),
        ({"wm_minus_gm": -0.1}, "warnings", "not a T1?"),
        ({"stripped": True}, "warnings", "has no skull, unlike most"),
        ({"brain_ml": 1200.0}, "warnings", "outside the template's box"),
        ({"scan": {"warnings": ["sform and qform differ"]}}, "warnings", "sform and qform differ"),
        (
            {"losses": {"parts_lost": 2, "parts_native": 7, "classes_lost": []}},
            "warnings",
            "2 of 7 labelled parts lost",
        ),
        ({"losses": {"classes_lost": ["brain stem"]}}, "warnings", "lost by resampling: brain stem"),
    ],
)
def test_unusual_scans_are_marked_for_review_and_do_not_stop_the_study(unusual, column, words):
    table = cohort(row("unusual", **unusual))
    assert table["status"].value_counts().to_dict() == {"passed": 10, "review": 1}
    assert words in table.loc["unusual", column]
    quality_table.check_passed(table.reset_index(), "quality.tsv")


def test_a_repair_is_listed_and_needs_no_review():
    table = cohort(row("repaired", scan={"repairs": ["voxels that were NaN or infinite set to 0: 3"]}))
    assert table.loc["repaired", "status"] == "passed"
    assert "set to 0: 3" in table.loc["repaired", "repairs"]


def test_scans_are_compared_within_their_dataset():
    small = [row(f"s{n}", "children", determinant=0.45 + 0.01 * n) for n in range(6)]
    assert (cohort(*small)["outliers"] == "").all()


def test_robust_z_scores_by_hand():
    values = pd.Series([1.0, 2, 3, 4, 100])
    np.testing.assert_allclose(quality_table.robust_z(values), 0.6745 * (values - 3))
    assert (quality_table.robust_z(values[:4]) == 0).all()  # too few
    assert (quality_table.robust_z(pd.Series([5.0] * 5 + [5.001])).abs() < 1).all()
    assert quality_table.robust_z(pd.Series([1.0, 2, 3, 4, 5, None]))[5] == 0


def test_the_message_about_many_failures_is_short():
    rows = [row(f"{n:02d}", brain_dice=0.1) for n in range(14)]
    with pytest.raises(UserError) as caught:
        quality_table.check_passed(quality_table.tabulate(rows, SETTINGS["stop"], 3.5), "quality.tsv")
    sentence = str(caught.value)
    assert "and 4 more; see quality.tsv" in sentence
    assert sentence.count("brain_dice") == 10


def test_the_table_is_made_from_the_files_of_the_stages(tmp_path, run_script):
    written = {
        "registered": GOOD,
        "checked": [
            {"dataset": "cohort", "subject": "01", "scan": {**SCAN, "repairs": ["set to 0"]}},
            {
                "dataset": "stroke",
                "subject": "01",
                "scan": {**SCAN, "repairs": ["set to 0"]},
                "labels": {"repairs": ["rounded"], "warnings": [], "other_labels": {"7": 3, "9": 4}},
            },
        ],
        "losses": {"parts_lost": 0, "parts_native": 2, "classes_lost": []},
    }
    for name, content in written.items():
        write_json(tmp_path / f"{name}.json", content)
    counts = {"registered": 2, "checked": 1, "losses": 1}
    inputs = SimpleNamespace(**{name: [tmp_path / f"{name}.json"] * count for name, count in counts.items()})
    output = SimpleNamespace(table=tmp_path / "quality.tsv")
    scans = [("cohort", "01"), ("stroke", "01")]
    run_script(
        "tabulate_quality", inputs, {"scans": scans, "labelled": scans[1:], "first_images": {}, **SETTINGS}, output
    )
    table = pd.read_csv(tmp_path / "quality.tsv", sep="\t").set_index("dataset")
    assert (table["status"] == "passed").all()
    assert table.loc["stroke", "other_label_voxels"] == 7
    assert table["repairs"].to_dict() == {"cohort": "set to 0", "stroke": "set to 0; rounded"}
    assert np.isnan(table.loc["cohort", "parts_native"])
    assert table.loc["stroke", "parts_native"] == 2


def labelled(*boxes, shape=(40, 40, 40)):
    """A label map at 1 mm with boxes, each given by label, first voxel and size."""
    data = np.zeros(shape, np.uint8)
    for label, start, size in boxes:
        data[tuple(slice(s, s + size) for s in start)] = label
    return Volume(data, np.eye(4))


def losses(native, voxel_mm, names, transform=None):
    transform = np.eye(4) if transform is None else transform
    moved = images.resample_labels(native, native.grid.coarsened(voxel_mm), transform)
    return quality.label_losses(native, moved, transform, names)


def test_a_lesion_of_one_voxel_is_lost():
    native = labelled((1, (4, 4, 4), 8), (1, (30, 30, 30), 1))
    found = losses(native, 4, ["lesion"])
    assert found["parts_native"] == 2
    assert found["parts"] == 1
    assert found["parts_lost"] == 1
    assert found["label_native_voxels"] == 513
    assert found["label_native_ml"] == pytest.approx(0.513)
    assert found["label_ml"] == pytest.approx(0.512)
    assert found["label_voxels"] == 8
    assert found["classes_lost"] == []
    assert found["parts_lost_ml"] == pytest.approx([0.001])
    assert losses(native, 1, ["lesion"])["parts_lost"] == 0
    assert losses(native, 1, ["lesion"])["parts_lost_ml"] == []


def test_the_ceiling_is_what_is_left_of_labels_that_go_to_the_grid_and_back():
    """A cube on the grid of 4 mm, interpolated linearly at the voxels of the scan, whose centres are 1.5 mm off."""
    native = labelled((1, (4, 4, 4), 8))
    assert losses(native, 1, ["lesion"])["ceiling_dice"] == 1
    coarse = native.data[2::4, 2::4, 2::4].astype(float)
    centres = (np.indices(native.data.shape) - 1.5) / 4
    back = ndimage.map_coordinates(coarse, centres, order=1) > 0.5
    expected = 2 * (back & (native.data > 0)).sum() / (back.sum() + native.data.sum())
    assert 0.8 < expected < 0.95
    assert losses(native, 4, ["lesion"])["ceiling_dice"] == pytest.approx(expected)


def test_a_lost_class_halves_the_ceiling_of_two():
    one, two = labelled((1, (4, 4, 4), 8)), labelled((1, (4, 4, 4), 8), (2, (30, 30, 30), 1))
    alone = losses(one, 4, ["grey"])["ceiling_dice"]
    assert losses(two, 4, ["grey", "nucleus"])["ceiling_dice"] == pytest.approx(alone / 2)


def test_a_lost_class_is_named():
    native = labelled((1, (4, 4, 4), 12), (2, (30, 30, 30), 1))
    found = losses(native, 4, ["grey", "nucleus", "absent"])
    assert found["classes_lost"] == ["nucleus"]


def test_volumes_and_parts_under_a_transform():
    """The scan is 1.25 times as large as the template along each axis, and shifted."""
    transform = np.diag([1.25, 1.25, 1.25, 1])
    transform[:3, 3] = (1, 2, -1)
    native = labelled((1, (10, 10, 10), 10), (1, (26, 26, 26), 6))
    found = losses(native, 1, ["lesion"], transform)
    assert found["parts_native"] == found["parts"] == 2
    assert found["parts_lost"] == 0
    assert found["label_ml"] == pytest.approx(found["label_native_ml"], rel=0.15)


def test_white_matter_is_the_brightest_tissue_only_in_a_t1():
    space = grid(8)
    place = np.linalg.norm(np.moveaxis(np.indices(space.shape), 0, -1) - np.array(space.shape) / 2, axis=-1)
    tissues = {
        "wm": Volume((place < 5).astype(np.float32), space.affine),
        "gm": Volume(((place >= 5) & (place < 7)).astype(np.float32), space.affine),
        "csf": Volume(((place >= 7) & (place < 8)).astype(np.float32), space.affine),
    }
    t1 = Volume(0.9 * tissues["wm"].data + 0.6 * tissues["gm"].data + 0.2 * tissues["csf"].data, space.affine)
    found = quality.contrast(t1, tissues)
    assert found == pytest.approx({"wm_minus_gm": 0.3, "wm_minus_csf": 0.7}, abs=1e-5)
    assert quality.contrast(Volume(1 - t1.data, space.affine), tissues)["wm_minus_gm"] < 0


@pytest.mark.parametrize(
    ("first", "differences", "warned"),
    [
        ("T1w", (0.2, 0.5), ""),
        ("FLAIR", (-0.02, 0.25), ""),
        ("FLAIR", (0.3, -0.1), "CSF is not the darkest tissue: not a FLAIR?"),
        ("T2w", (-0.2, -0.5), ""),
        ("T2w", (0.2, 0.5), "CSF is not the brightest tissue, or white matter"),
        ("PDw", (-0.2, 0.5), ""),
    ],
)
def test_the_order_of_tissues_is_that_of_the_first_image(first, differences, warned):
    wm_minus_gm, wm_minus_csf = differences
    rows = [row("1", wm_minus_gm=wm_minus_gm, wm_minus_csf=wm_minus_csf), row("2", dataset="t1")]
    table = quality_table.tabulate(rows, SETTINGS["stop"], SETTINGS["outlier"], first_images={"cohort": first})
    assert table["warnings"][0].startswith(warned)
    assert bool(table["warnings"][0]) == bool(warned)
    assert table["warnings"][1] == ""
