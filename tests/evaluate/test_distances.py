import numpy as np
import pandas as pd
import pytest

from headstart.evaluate import distances
from headstart.evaluate.scores import score_scan

TESTS = {"t/size-1_resample-1": ["a", "b", "c"], "t/size-1_resample-2": ["a", "b", "c"]}
# In template space, of two voxels: as long in the scans.
TOLERANCE_MM = 6.0
ONES = {"t": {"a": 1.0, "b": 1.0, "c": 1.0}}


def mask(*voxels):
    """A volume of 1 x 12 x 12 voxels in which these columns of row 3 are set."""
    found = np.zeros((1, 12, 12), np.uint8)
    found[0, 3, list(voxels)] = 1
    return found


@pytest.fixture
def study(tmp_path):
    """Two resamples of one source: a is 2 and 4 voxels off, b is missed once, c has no lesion and is given one once."""
    drawn = [
        {"a": (mask(2), mask(4)), "b": (mask(), mask(5)), "c": (mask(), mask())},
        {"a": (mask(2), mask(6)), "b": (mask(5), mask(5)), "c": (mask(1), mask())},
    ]
    paths, runs = [], []
    for resample, scans in enumerate(drawn, 1):
        paths.append(tmp_path / f"{resample}.parquet")
        parts = [score_scan(*masks, ["background", "lesion"], scan, 3.0, TOLERANCE_MM) for scan, masks in scans.items()]
        pd.concat(parts).to_parquet(paths[-1])
        runs.append(f"t/scratch/size-1_resample-{resample}")
    return paths, runs, TESTS


def test_medians_and_shares_worked_by_hand(study):
    """Distances of 6, 12 and 0 mm; one of four lesions missed; one of two scans without a lesion given one."""
    (row,) = distances.summary(*study, ONES, 2.0).to_dict("records")
    assert (row["target"], row["source"], row["size"], row["class_name"]) == ("t", "scratch", 1, "lesion")
    assert (row["resamples"], row["scans"]) == (2, 3)
    assert (row["hd95_q1"], row["hd95_mm"], row["hd95_q3"]) == pytest.approx((3, 6, 9))
    assert (row["missed"], row["invented"]) == (1 / 4, 1 / 2)
    # Within two voxels: a once, though not in the other resample, and b once; what is missed or invented has 0.
    assert row["tolerance_mm"] == 2
    assert (row["surface_dice_q1"], row["surface_dice"], row["surface_dice_q3"]) == (0, 0, 1)


def test_distances_are_those_in_the_scan(study):
    """A determinant of 8 doubles each length: 12 and 24 mm of scan a, and 0 of scan b."""
    (row,) = distances.summary(*study, {"t": ONES["t"] | {"a": 8.0}}, 2.0).to_dict("records")
    assert (row["hd95_q1"], row["hd95_mm"], row["hd95_q3"]) == pytest.approx((6, 12, 18))


def test_a_class_that_is_never_found_has_no_distance_and_one_that_all_have_cannot_be_invented(tmp_path):
    path = tmp_path / "a.parquet"
    score_scan(mask(), mask(3), ["background", "lesion"], "a", 1.0, TOLERANCE_MM).to_parquet(path)
    found = distances.summary([path], ["t/s/size-1_resample-1"], {"t/size-1_resample-1": ["a"]}, ONES, 2.0)
    assert found[["hd95_mm", "hd95_q1", "hd95_q3", "invented"]].isna().all(axis=None)
    assert found["missed"].tolist() == [1]
    assert found["surface_dice"].tolist() == [0]
