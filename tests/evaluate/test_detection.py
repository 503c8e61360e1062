import math

import numpy as np
import pandas as pd
import pytest

from headstart.evaluate import detection
from headstart.job import UserError
from headstart.metrics import lesions

SCANS = ["01", "02", "03"]
VOXEL_ML = 1.0


def scan_rows(scan, found, missed, false, voxels=2):
    """A scan with so many lesions of ``voxels`` mL, each one 2D component, a slice each."""
    prediction, truth = np.zeros((2, 12, 1, 2 * voxels), np.uint8)
    truth[: found + missed, 0, :voxels] = 1
    prediction[:found, 0, :voxels] = 1
    prediction[found + missed : found + missed + false, 0, :voxels] = 1
    return lesions.of_scan(prediction, truth, VOXEL_ML, scan)


@pytest.fixture
def study(tmp_path):
    """Two sources, two resamples, three scans: of 3 lesions, of 1, and of none."""
    runs = {
        ("scratch", 1): [(0, 3, 2), (0, 1, 0), (0, 0, 1)],
        ("scratch", 2): [(1, 2, 0), (1, 0, 0), (0, 0, 0)],
        ("better", 1): [(3, 0, 0), (1, 0, 0), (0, 0, 0)],
        ("better", 2): [(3, 0, 0), (1, 0, 0), (0, 0, 4)],
    }
    paths, names = [], []
    for (source, resample), counts in runs.items():
        paths.append(tmp_path / f"{source}{resample}.parquet")
        pd.concat([scan_rows(scan, *of) for scan, of in zip(SCANS, counts, strict=True)]).to_parquet(paths[-1])
        names.append(f"stroke/{source}/size-10_resample-{resample}")
    return paths, names, {f"stroke/size-10_resample-{r}": SCANS for r in (1, 2)}


def summary(study, overlaps=(0.0,), volumes=(0.0,), draws=200):
    table = detection.summary(detection.collect(*study, overlaps, volumes), draws, 1)
    return table.set_index(["source", "connectivity", "overlap", "volume_ml"]).sort_index()


def test_every_scan_is_counted_at_every_cutoff(study):
    collected = detection.collect(*study, [0, 0.2], [0, 1, 2])
    assert len(collected) == 4 * 3 * 2 * 6 and (collected["tested"] == 1).all()
    row = collected.query("source == 'scratch' and resample == 1 and connectivity == 'slice8'").query(
        "scan == '01' and overlap == 0.2 and volume_ml == 2"
    )
    assert row[["target", "size", "lesions", "found", "false"]].to_numpy().tolist() == [["stroke", 10, 3, 0, 2]]


def test_rates_worked_by_hand(study):
    row = summary(study).loc[("scratch", "slice8", 0, 0)]
    assert row[["target", "size", "resamples", "scans", "lesions"]].tolist() == ["stroke", 10, 2, 3, 4]
    # 2 of 8 found over both resamples; 3 false ones in 6 scans
    assert row["sensitivity"] == pytest.approx(2 / 8)
    assert row["precision"] == pytest.approx(2 / 5)
    assert row["f1"] == pytest.approx(4 / (4 + 6 + 3))
    assert row["false_lesions"] == pytest.approx(3 / 6)
    # by resample: 0 of 4 and 2 of 4; 3 of 3 false and none; 3 and 0 in 3 scans
    assert row["sensitivity_sd"] == pytest.approx(np.std([0, 0.5], ddof=1))
    assert row["precision_sd"] == pytest.approx(np.std([0, 1], ddof=1))
    assert row["false_lesions_sd"] == pytest.approx(np.std([1, 0], ddof=1))
    better = summary(study).loc[("better", "slice8", 0, 0)]
    assert better["sensitivity"] == better["sensitivity_low"] == better["sensitivity_high"] == 1
    assert better["sensitivity_sd"] == 0 and better["false_lesions"] == pytest.approx(4 / 6)


def test_connectivities_stand_side_by_side(study):
    table = summary(study)
    assert set(table.index.get_level_values("connectivity")) == set(lesions.CONNECTIVITIES)
    # slice after slice, the lesions of one scan are one in three dimensions
    assert table.loc[("scratch", "volume26", 0, 0), "lesions"] == 2


def test_intervals_hold_their_estimates_and_come_again(study):
    table = summary(study, (0.0, 0.5), (0.0, 2.0))
    for name in ("sensitivity", "precision", "f1", "false_lesions"):
        assert ((table[f"{name}_low"] <= table[name]) & (table[name] <= table[f"{name}_high"])).all()
    assert table.equals(summary(study, (0.0, 0.5), (0.0, 2.0)))
    # draws belong to target and size, not to the cutoff: nothing lies under 2 mL here, so the intervals are the same
    columns = [name for name in table if name.endswith(("_low", "_high"))]
    at = table.loc["scratch", "slice8"]
    assert at.loc[(0.0, 0.0), columns].equals(at.loc[(0.0, 2.0), columns])


def test_where_there_are_no_lesions_there_is_no_sensitivity_but_false_ones_count(study):
    row = summary(study, volumes=(0.0, 5.0)).loc[("better", "slice8", 0, 5)]
    assert row["lesions"] == 0 and row["false_lesions"] == 0
    assert all(
        math.isnan(row[name]) for name in ("sensitivity", "sensitivity_low", "sensitivity_sd", "precision", "f1")
    )


def test_one_resample_has_no_spread_and_a_redrawn_test_set_counts_its_scans_once(study):
    paths, names, tests = study
    table = summary((paths[:1], names[:1], tests))
    assert table["sensitivity_sd"].isna().all() and (table["resamples"] == 1).all()
    for path, kept in zip(paths, (["01", "02"], ["02", "03"]) * 2, strict=True):
        rows = pd.read_parquet(path)
        rows[rows["scan"].isin(kept)].to_parquet(path)
    tests = {"stroke/size-10_resample-1": ["01", "02"], "stroke/size-10_resample-2": ["02", "03"]}
    row = summary((paths, names, tests)).loc[("scratch", "slice8", 0, 0)]
    assert (row["scans"], row["lesions"]) == (3, 4)
    assert row["sensitivity"] == pytest.approx(1 / 5) and row["false_lesions"] == pytest.approx(2 / 4)


def test_no_scan_vanishes(study):
    paths, names, tests = study
    with pytest.raises(UserError, match=r"scratch1\.parquet: the table lacks 04"):
        detection.collect(paths, names, {name: [*scans, "04"] for name, scans in tests.items()}, [0], [0])
    rows = pd.read_parquet(paths[1])
    rows[rows["scan"] != "03"].to_parquet(paths[1])  # the scan without any lesion
    with pytest.raises(UserError, match=r"scratch2\.parquet: the table lacks 03"):
        detection.collect(*study, [0], [0])
