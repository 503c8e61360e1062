import math

import numpy as np
import pandas as pd
import pytest

from headstart.evaluate.scores import check_complete, read_run, scan_scores, score_scan
from headstart.job import UserError
from headstart.metrics import overlap

# Four slices of four voxels with the lesion in both, in neither, in the prediction only, in the ground truth only.
TRUTH = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]], np.uint8).reshape(4, 2, 2)
PREDICTION = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]], np.uint8).reshape(4, 2, 2)
NAMES = ["background", "lesion"]


@pytest.fixture
def table():
    return score_scan(PREDICTION, TRUTH, NAMES, "sub-01", 1, 1)


def rows(table, **wanted):
    return table[np.logical_and.reduce([table[column] == value for column, value in wanted.items()])]


def means(table, metric, empty="skip"):
    sums = scan_scores(table, metric, empty).groupby("level")[["total", "count"]].sum()
    return (sums["total"] / sums["count"]).to_dict()


def test_one_row_per_slice_and_class_and_for_the_volume(table):
    assert list(table.columns) == [
        "scan", "level", "slice", "label", "class_name", "true_voxels", "predicted_voxels", "common_voxels",
        "dice", "iou", "hd95_mm", "status", "surface_dice",
    ]  # fmt: skip
    assert len(table) == (4 + 1) * 2
    assert set(table["scan"]) == {"sub-01"}
    assert not table.duplicated(["level", "slice", "class_name"]).any()
    assert rows(table, level="volume")["slice"].tolist() == [-1, -1]


def test_lesion_rows_worked_by_hand(table):
    lesion = rows(table, level="slice", class_name="lesion")
    assert lesion["status"].tolist() == ["defined", "true-negative", "false-positive", "missed"]
    assert lesion["true_voxels"].tolist() == [2, 0, 0, 1]
    assert lesion["predicted_voxels"].tolist() == [1, 0, 2, 0]
    assert lesion["common_voxels"].tolist() == [1, 0, 0, 0]
    assert lesion["dice"].tolist() == pytest.approx([2 / 3, math.nan, 0, 0], nan_ok=True)
    assert lesion["iou"].tolist() == pytest.approx([1 / 2, math.nan, 0, 0], nan_ok=True)
    volume = rows(table, level="volume", class_name="lesion").iloc[0]
    assert (volume["true_voxels"], volume["predicted_voxels"], volume["common_voxels"]) == (3, 3, 1)
    assert volume["dice"] == pytest.approx(1 / 3)


def test_background_is_scored_too(table):
    background = rows(table, level="slice", class_name="background")
    assert background["iou"].tolist() == pytest.approx([2 / 3, 1, 2 / 4, 3 / 4])


def test_dice_summary_worked_by_hand(table):
    assert means(table, "dice") == pytest.approx({"slice": (2 / 3 + 0 + 0) / 3, "volume": 1 / 3})
    assert means(table, "dice", empty="one") == pytest.approx({"slice": (2 / 3 + 1 + 0 + 0) / 4, "volume": 1 / 3})


def test_miou_summary_worked_by_hand(table):
    by_slice = [(2 / 3 + 1 / 2) / 2, 1, (1 / 2 + 0) / 2, (3 / 4 + 0) / 2]
    found = means(table, "miou")
    assert found["slice"] == pytest.approx(np.mean(by_slice))
    assert found["volume"] == pytest.approx(overlap.volume_score(PREDICTION, TRUTH, 2, "miou", "skip"))


def test_distances_of_volumes_and_of_empty_masks():
    names = [*NAMES, "missed", "false", "absent"]
    truth, prediction = np.zeros((2, 3, 4, 4), np.uint8)
    truth[0, 0, 0], prediction[0, 0, 2] = 1, 1
    truth[1], prediction[2] = 2, 3
    found = score_scan(prediction, truth, names, "sub-01", voxel_mm=1.5, tolerance_mm=2)
    volume = rows(found, level="volume").set_index("class_name")
    assert math.isnan(volume["hd95_mm"]["background"])
    assert math.isnan(volume["hd95_mm"]["absent"])
    assert volume["hd95_mm"][["lesion", "missed", "false"]].tolist() == [3.0, math.inf, math.inf]
    assert volume["status"].tolist()[1:] == ["defined", "missed", "false-positive", "true-negative"]
    # Two voxels apart: 3 mm, or 2 mm where voxels are smaller.
    assert volume["surface_dice"].tolist()[1:] == pytest.approx([0, 0, 0, math.nan], nan_ok=True)
    nearer = score_scan(prediction, truth, names, "sub-01", voxel_mm=1.0, tolerance_mm=2)
    assert rows(nearer, level="volume", class_name="lesion")["surface_dice"].tolist() == [1]
    assert rows(found, level="slice")[["hd95_mm", "surface_dice"]].isna().all(axis=None)


def test_slices_of_all_scans_have_equal_weights():
    right = np.ones((1, 2, 2), np.uint8)
    table = pd.concat(
        [score_scan(right, right, NAMES, "a", 1, 1), score_scan(np.zeros_like(TRUTH), TRUTH, NAMES, "b", 1, 1)]
    )
    # lesion slices: a's scores 1; b's first and last score 0; b's other two are undefined
    assert means(table, "dice") == pytest.approx({"slice": 1 / 3, "volume": 1 / 2})


def test_a_test_set_without_the_class_has_no_score():
    empty = np.zeros((2, 2, 2), np.uint8)
    table = score_scan(empty, empty, NAMES, "a", 1, 1)
    found = means(table, "dice")
    assert math.isnan(found["slice"])
    assert math.isnan(found["volume"])
    assert means(table, "dice", empty="one") == {"slice": 1, "volume": 1}


def test_slices_are_scored_independently():
    rng = np.random.default_rng(0)
    prediction, truth = rng.integers(0, 4, (2, 6, 3, 3)).astype(np.uint8)
    table = score_scan(prediction, truth, ["background", "a", "b", "c"], "s", 1, 1)
    expected = np.mean([overlap.volume_score(p, t, 4, "miou", "skip") for p, t in zip(prediction, truth, strict=True)])
    assert means(table, "miou")["slice"] == pytest.approx(expected)
    for row in rows(table, level="slice").itertuples():
        p, t = prediction[row.slice] == row.label, truth[row.slice] == row.label
        assert row.dice == pytest.approx(overlap.dice(p, t, "skip"), nan_ok=True)
        assert row.class_name == ["background", "a", "b", "c"][row.label]


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="shape"):
        score_scan(PREDICTION[:3], TRUTH, NAMES, "sub-01", 1, 1)


def test_missing_and_additional_scans_are_errors(table):
    check_complete(table, ["sub-01"])
    with pytest.raises(UserError, match="lacks sub-02, sub-03"):
        check_complete(table, ["sub-03", "sub-01", "sub-02"])
    with pytest.raises(UserError, match="beyond the split, sub-01"):
        check_complete(table, [])


def test_a_run_is_read_with_its_name_if_it_is_complete(table, tmp_path):
    path = tmp_path / "metrics.parquet"
    table.to_parquet(path)
    run = "stroke/t1-segmentation/size-20_resample-3"
    read, metadata = read_run(path, run, {"stroke/size-20_resample-3": ["sub-01"]})
    pd.testing.assert_frame_equal(read, table)
    assert metadata == {"target": "stroke", "source": "t1-segmentation", "size": 20, "resample": 3}
    with pytest.raises(UserError, match=r"metrics\.parquet: the table lacks sub-02;"):
        read_run(path, run, {"stroke/size-20_resample-3": ["sub-01", "sub-02"]})
    table[:0].to_parquet(path)
    with pytest.raises(UserError, match=r"metrics\.parquet: the table lacks sub-01;"):
        read_run(path, run, {"stroke/size-20_resample-3": ["sub-01"]})
