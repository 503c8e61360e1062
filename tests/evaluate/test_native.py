from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.io import savemat

from headstart import images, job
from headstart.evaluate import native
from headstart.images import Grid, Volume
from headstart.slices import cut
from headstart.template import template

NOTHING = {"top": 0, "bottom": 0}
COARSE = Grid((8, 8, 8), np.diag([2.0, 2.0, 2.0, 1.0]))
# The scan is 10 mm further to the right, and its first axis runs from right to left.
TO_SCAN = np.eye(4)
TO_SCAN[0, 3] = 10.0
OWN = np.diag([-2.0, 2.0, 2.0, 1.0])
OWN[0, 3] = 14.0 + 10.0


def place(discard_mm=NOTHING):
    return native.Place(COARSE, TO_SCAN, 8, discard_mm)


def in_scan(labels):
    return Volume(labels[::-1].copy(), OWN)


def scored(slices, own, moved, where, classes, metric="dice", empty="skip"):
    """The scores of one prediction of the study, carried back."""
    truth = native.Truth(own, moved, where, classes, metric, empty)
    return truth.score(slices, where.carried_back(slices, own.grid))


@pytest.fixture
def labels():
    """Two classes of 64 voxels each."""
    made = np.zeros(COARSE.shape, np.uint8)
    made[1:5, 2:6, 1:5], made[5:7, 2:6, 0:8] = 1, 2
    return made


def test_what_the_grid_holds_exactly_has_the_same_dice_on_both(labels):
    """Prediction: class 1 without the half with z of 3 and 4, class 2 right. Dice 2 * 32 / (32 + 64) and 1."""
    moved = Volume(labels, COARSE.affine)
    found = labels.copy()
    found[1:5, 2:6, 3:5] = 0
    made = scored(cut.whole(Volume(found, COARSE.affine), 8), in_scan(labels), moved, place(), 3)
    dice = pytest.approx(5 / 6)
    assert made == {"dice": dice, "dice_native": dice, "ceiling_dice": 1, "score": dice}


def test_what_the_grid_has_lost_bounds_the_dice_on_the_scans_own(labels):
    """A voxel of class 1 that the study's grid lacks: the best prediction misses it."""
    own = in_scan(labels)
    own.data[0, 0, 0] = 1
    moved = Volume(labels, COARSE.affine)
    made = scored(cut.whole(moved, 8), own, moved, place(), 3)
    best = pytest.approx((2 * 64 / (64 + 65) + 1) / 2)
    assert made == {"dice": 1, "dice_native": best, "ceiling_dice": best, "score": best}


def test_the_score_is_the_metric_of_the_target(labels):
    """Class 2 is missed, class 1 right: IoU 1 and 0, and of the background 384 of 448 voxels (all 512 less 128)."""
    moved, own = Volume(labels, COARSE.affine), in_scan(labels)
    found = cut.whole(Volume(np.where(labels == 1, 1, 0), COARSE.affine), 8)
    made = scored(found, own, moved, place(), 3, metric="miou")
    assert made["score"] == pytest.approx((384 / 448 + 1 + 0) / 3)
    third = scored(found, own, moved, place(), 4, metric="dice", empty="one")
    assert third["score"] == pytest.approx((1 + 0 + 1) / 3)
    assert third["dice_native"] == pytest.approx((1 + 0) / 2)


def test_a_mask_that_was_made_elsewhere_is_scored_as_it_is_on_the_scans_grid(labels):
    """A mask that knows a voxel which the study's grid lacks is better than the ceiling."""
    own = in_scan(labels)
    own.data[0, 0, 0] = 1
    moved = Volume(labels, COARSE.affine)
    truth = native.Truth(own, moved, place(), 3, "dice", "skip")
    made = truth.score(cut.whole(moved, 8), own.data.copy())
    assert made["score"] == made["dice_native"] == 1 > made["ceiling_dice"]


def test_scores_of_whole_volumes_are_replaced_where_they_are_known_on_the_scans_grids():
    run = {"target": "a", "source": "scratch", "size": 1, "resample": 1, "metric": "dice"}
    collected = pd.DataFrame(
        {**run, "target": target, "scan": scan, "level": level, "total": total, "count": count}
        for target, scan, level, total, count in [
            ("b", "1", "volume", 0.1, 1), ("a", "1", "slice", 3.0, 4), ("a", "1", "volume", 0.2, 1),
            ("a", "2", "volume", 0.0, 0), ("a", "3", "volume", 0.4, 1),
        ]
    )  # fmt: skip
    scores = pd.DataFrame({**run, "scan": ["3", "2", "1"], "score": [np.nan, 0.7, 0.5]})
    made = native.replaced(collected, scores)
    assert made[["total", "count"]].to_numpy().tolist() == [[0.1, 1], [3.0, 4], [0.5, 1], [0.7, 1], [0.0, 0]]
    assert collected["total"].tolist() == [0.1, 3.0, 0.2, 0.0, 0.4]
    assert made.dtypes.equals(collected.dtypes)


def test_slices_that_training_discarded_are_background(labels):
    """The lowest of the class's four slices: nothing can be found there, nor is it part of the score on the grid."""
    moved, discarding = Volume(np.where(labels == 1, labels, 0), COARSE.affine), {"top": 2.0, "bottom": 4.0}
    slices = cut.cut(moved, 8, discarding)
    made = scored(slices, in_scan(moved.data), moved, place(discarding), 2)
    expected = pytest.approx(2 * 48 / (48 + 64))
    assert made == {"dice": 1, "dice_native": expected, "ceiling_dice": expected, "score": expected}


def test_a_prediction_is_carried_back_by_the_scans_affine():
    """Against an independent interpolation: the share of a ball at each voxel of a turned and shrunk scan."""
    turn = np.deg2rad(20)
    transform = np.eye(4)
    transform[:2, :2] = 0.8 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    transform[:3, 3] = 1.0, -2.0, 0.5
    grid = Grid((16, 16, 16), np.diag([2.0, 2.0, 2.0, 1.0]))
    ball = (np.linalg.norm(np.indices(grid.shape) - 8.0, axis=0) < 5).astype(np.uint8)
    own = Grid((30, 32, 34), nib.affines.from_matvec(np.eye(3), [-2, 0, 0]))
    back = native.Place(grid, transform, 16, NOTHING).carried_back(cut.whole(Volume(ball, grid.affine), 16), own)
    matrix = np.linalg.inv(grid.affine) @ np.linalg.inv(transform) @ own.affine
    share = ndimage.affine_transform(ball.astype(float), matrix[:3, :3], matrix[:3, 3], own.shape, order=1)
    assert (back != (share > 0.5)).mean() < 1e-3
    assert back.sum() > 1000


def test_the_table_has_the_means_over_scans_and_resamples():
    scored = pd.DataFrame(
        {"target": "t", "source": source, "size": 4, "resample": resample, "scan": scan, "dice": 0.9,
         "dice_native": score, "ceiling_dice": ceiling}
        for source, lift in (("scratch", 0.0), ("better", 0.1))
        for (resample, scan), score, ceiling in zip(
            [(1, "a"), (1, "b"), (2, "a"), (2, "b")], np.array([0.3, 0.5, 0.4, 0.6]) + lift, (0.9, 0.7, 0.9, 0.7),
            strict=True,
        )
    )  # fmt: skip
    table = native.summary(scored, 100, 1, {}).set_index("source")
    assert list(table.index) == ["better", "scratch"]
    assert table["dice_native"].tolist() == pytest.approx([0.55, 0.45])
    assert table["ceiling_dice"].tolist() == pytest.approx([0.8, 0.8])
    assert table[["size", "resamples", "scans"]].to_numpy().tolist() == [[4, 2, 2]] * 2
    assert (table["dice_native_low"] <= table["dice_native"]).all()
    assert (table["dice_native"] <= table["dice_native_high"]).all()


def test_a_scan_without_a_score_is_left_out():
    rows = [{"target": "t", "source": "scratch", "size": 1, "resample": 1, "scan": scan, "dice": score,
             "dice_native": score, "ceiling_dice": np.nan} for scan, score in (("a", 0.4), ("b", np.nan))]  # fmt: skip
    (row,) = native.summary(pd.DataFrame(rows), 100, 1, {}).to_dict("records")
    assert row["dice_native"] == pytest.approx(0.4)


def test_the_script_scores_each_run_on_the_scans_that_it_tests(run_script, tmp_path):
    """Scan a has two masks, b a label map, both on the study's grid; a run that tests b alone predicts it perfectly."""
    grid = template.grid(8)
    boxes = [np.zeros(grid.shape, np.uint8) for _ in range(3)]
    boxes[0][5:9, 5:9, 5:9], boxes[1][12:16, 5:9, 5:9], boxes[2][8:12, 10:14, 8:12] = 1, 1, 7
    labels = [tmp_path / f"{name}.nii.gz" for name in ("a_left", "a_right", "b")]
    for path, box in zip(labels, boxes, strict=True):
        images.write(path, Volume(box, grid.affine), np.uint8)
    images.write(tmp_path / "t1.nii.gz", Volume(np.ones(grid.shape, np.float32), grid.affine), np.float32)
    identity = {
        "AffineTransform_double_3_3": np.array([*np.eye(3).ravel(), 0, 0, 0])[:, None],
        "fixed": np.zeros((3, 1)),
    }
    savemat(tmp_path / "affine.mat", identity, format="4")
    left, whole = (cut.whole(Volume(np.uint8(box > 0), grid.affine), 32) for box in (boxes[0], boxes[2]))
    np.savez_compressed(tmp_path / "1.npz", a=left, b=np.zeros_like(whole))
    np.savez_compressed(tmp_path / "2.npz", b=whole)
    files = SimpleNamespace(
        predictions=[tmp_path / "1.npz", tmp_path / "2.npz", tmp_path / "1.npz"],
        first=[tmp_path / "t1.nii.gz"] * 2,
        labels=labels,
        transforms=[tmp_path / "affine.mat"] * 2,
    )
    params = {
        "about": {"target": "t", "size": 4},
        "runs": [("scratch", 1, ["a", "b"]), ("scratch", 2, ["b"]), ("rater", 1, ["a"])],
        "tested": ["a", "b"],
        "label_files": [(2, {"masks": True, "mask_above": None}), (1, {"masks": False, "mask_above": None})],
        "classes": {"lesion": [1, 7]},
        "discard_mm": NOTHING,
        "size": 32,
        "voxel_mm": 8,
        "external": {"rater": {"masks": {1: {"a": str(labels[0])}}, "values": [[1]]}},
        "metric": "dice",
        "empty": "skip",
    }
    written = SimpleNamespace(scores=tmp_path / "native.tsv", lesions=tmp_path / "lesions.parquet")
    run_script("score_native", files, params, written)
    made = job.read_table(tmp_path / "native.tsv")
    assert made[["target", "size"]].drop_duplicates().to_numpy().tolist() == [["t", 4]]
    runs = [["scratch", 1, "a"], ["rater", 1, "a"], ["scratch", 1, "b"], ["scratch", 2, "b"]]
    assert made[["source", "resample", "scan"]].to_numpy().tolist() == runs
    assert made["dice_native"].tolist() == pytest.approx([2 / 3, 2 / 3, 0, 1])
    assert made["score"].tolist() == made["dice_native"].tolist()
    assert made["ceiling_dice"].tolist() == [1, 1, 1, 1]
    lesions = pd.read_parquet(tmp_path / "lesions.parquet")
    assert set(lesions["connectivity"]) == {"volume26"}
    found = lesions.query("kind == 'true'")
    rows = [
        (run, overlap) for run, overlaps in zip(runs, [(1, 0), (1, 0), (0,), (1,)], strict=True) for overlap in overlaps
    ]
    assert found[["source", "resample", "scan"]].to_numpy().tolist() == [run for run, _ in rows]
    assert found["overlap"].tolist() == [overlap for _, overlap in rows]
    assert found["volume_ml"].tolist() == pytest.approx([64 * 8**3 / 1000] * 6)
    table = tmp_path / "table.tsv"
    params = {"draws": 100, "seed": 1, "population": {}}
    run_script(
        "tabulate_native", SimpleNamespace(scored=[tmp_path / "native.tsv"]), params, SimpleNamespace(table=table)
    )
    means = job.read_table(table).set_index("source")["dice_native"]
    assert means["scratch"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert means["rater"] == pytest.approx(2 / 3)
