import math

import numpy as np
import pandas as pd
import pytest

from headstart.evaluate import detection
from headstart.job import UserError
from headstart.metrics import lesions

SCANS = ["01", "02", "03"]
# As large in the scan as in template space, and none lost.
AS_THEY_ARE = {"stroke": dict.fromkeys(SCANS, detection.OwnSpace(1.0, []))}
VOXEL_ML = 1.0


def scan_rows(scan, detected, missed, false, voxels=2):
    """A scan with these numbers of lesions and false positives of ``voxels`` mL, each a component in its own slice."""
    prediction, truth = np.zeros((2, 12, 1, 2 * voxels), np.uint8)
    truth[: detected + missed, 0, :voxels] = 1
    prediction[:detected, 0, :voxels] = 1
    prediction[detected + missed : detected + missed + false, 0, :voxels] = 1
    return lesions.of_scan(prediction, truth, VOXEL_ML, scan)


@pytest.fixture
def study(tmp_path):
    """Two sources, two resamples, three scans with 3, 1 and 0 lesions."""
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


def summary(study, overlaps=(0.0,), volumes=(0.0,), draws=200, own=AS_THEY_ARE):
    table = detection.summary(detection.collect(*study, overlaps, volumes, own), draws, 1)
    return table.set_index(["source", "connectivity", "overlap", "volume_ml"]).sort_index()


def test_every_scan_is_counted_at_every_cutoff(study):
    collected = detection.collect(*study, [0, 0.2], [0, 1, 2], AS_THEY_ARE)
    assert len(collected) == 4 * 3 * 2 * 6
    assert (collected["tested"] == 1).all()
    row = collected.query("source == 'scratch' and resample == 1 and connectivity == 'slice8'").query(
        "scan == '01' and overlap == 0.2 and volume_ml == 2"
    )
    assert row[["target", "size", "lesions", "detected", "false_positives"]].to_numpy().tolist() == [
        ["stroke", 10, 3, 0, 2]
    ]


def test_lesions_on_the_scans_own_grids_stand_in_place_of_those_of_the_volume_on_the_studys(study):
    """All of "better" is found and nothing of "scratch"; volumes half as large are asked for, and none is lost."""
    rows = [
        scan_rows(scan, *((count, 0, 0) if source == "better" else (0, count, 0)))
        .query("connectivity == 'volume26'")
        .assign(target="stroke", source=source, size=10, resample=resample)
        for source in ("better", "scratch") for resample in (1, 2) for scan, count in zip(SCANS, (3, 1, 0), strict=True)
    ]  # fmt: skip
    native = detection.OnOwnGrids(pd.concat(rows), {"stroke": dict.fromkeys(SCANS, 0.5)})
    lost = {"stroke": dict.fromkeys(SCANS, detection.OwnSpace(1.0, [5.0]))}
    before = summary(study, volumes=(0.0, 2.0), own=lost)
    table = detection.summary(detection.collect(*study, [0], [0, 2], lost, native), 200, 1)
    table = table.set_index(["source", "connectivity", "overlap", "volume_ml"]).sort_index()
    slices = np.s_[:, "slice8"]
    pd.testing.assert_frame_equal(table.loc[slices, :], before.loc[slices, :])
    for source, share in (("better", 1.0), ("scratch", 0.0)):
        row = table.loc[source, "volume26", 0, 0]
        assert row[["lesions", "lesions_native", "sensitivity", "sensitivity_native"]].tolist() == [2, 2, share, share]
        assert table.loc[(source, "volume26", 0, 2), "lesions"] == 1  # of 3 mL; the other has 1 mL
    others = detection.OnOwnGrids(native.found.assign(target="ms"), {"ms": {}})
    table = detection.summary(detection.collect(*study, [0], [0, 2], lost, others), 200, 1)
    pd.testing.assert_frame_equal(table.set_index(before.index.names).sort_index(), before)


def test_rates_worked_by_hand(study):
    row = summary(study).loc[("scratch", "slice8", 0, 0)]
    assert row[["target", "size", "resamples", "scans", "lesions"]].tolist() == ["stroke", 10, 2, 3, 4]
    # 2 of 8 lesions detected over both resamples; 3 false positives in 6 scans
    assert row["sensitivity"] == pytest.approx(2 / 8)
    assert row["precision"] == pytest.approx(2 / 5)
    assert row["f1"] == pytest.approx(4 / (4 + 6 + 3))
    assert row["false_positives"] == pytest.approx(3 / 6)
    # by resample: 0 and 2 of 4 lesions; all 3 and none of the detections false; 3 and 0 false positives in 3 scans
    assert row["sensitivity_sd"] == pytest.approx(np.std([0, 0.5], ddof=1))
    assert row["precision_sd"] == pytest.approx(np.std([0, 1], ddof=1))
    assert row["false_positives_sd"] == pytest.approx(np.std([1, 0], ddof=1))
    better = summary(study).loc[("better", "slice8", 0, 0)]
    assert better["sensitivity"] == better["sensitivity_low"] == better["sensitivity_high"] == 1
    assert better["sensitivity_sd"] == 0
    assert better["false_positives"] == pytest.approx(4 / 6)


def test_lesions_that_the_grid_lost_are_missed_where_their_volume_counts(study):
    """The lesions of scans 01 and 02 are one each in three dimensions; scan 02 has lost two more, of 0.5 and 3 mL."""
    own = {"stroke": AS_THEY_ARE["stroke"] | {"02": detection.OwnSpace(1.0, [0.5, 3.0])}}
    table = summary(study, volumes=(0.0, 1.0, 2.0, 9.0), own=own)
    numbers = [table.loc[("better", "volume26", 0, ml), "lesions_native"] for ml in (0, 1, 2, 9)]
    assert numbers == [4, 3, 3, 0]
    row = table.loc[("better", "volume26", 0, 0)]
    assert (row["sensitivity"], row["sensitivity_native"]) == (1, 2 / 4)
    assert row["sensitivity_native_low"] <= 2 / 4 <= row["sensitivity_native_high"]
    assert table.loc[("better", "slice8", 0, 0), ["lesions_native", "sensitivity_native"]].isna().all()


def test_volumes_are_those_in_the_scan(study):
    """Lesions of 2 mL in template space, of which a scan with a determinant of 0.7 has 1.4."""
    smaller = {"stroke": dict.fromkeys(SCANS, detection.OwnSpace.of({"determinant": 0.7}, {"parts_lost_ml": [1.4]}))}
    in_template = {"stroke": {scan: space.in_template() for scan, space in smaller["stroke"].items()}}
    tables = [summary(study, volumes=(1.5, 2.0), own=own) for own in (smaller, in_template)]
    lesions_found = [table.loc[("scratch", "slice8", 0, 1.5), "lesions"] for table in tables]
    assert lesions_found == [0, 4]
    lost = [table.loc[("scratch", "volume26", 0, 1.5), "lesions_native"] for table in tables]
    assert lost == [1, 2 + 3]


def test_both_connectivities_are_tabulated(study):
    table = summary(study)
    assert set(table.index.get_level_values("connectivity")) == set(lesions.CONNECTIVITIES)
    # the lesions of adjacent slices are one lesion in three dimensions
    assert table.loc[("scratch", "volume26", 0, 0), "lesions"] == 2


def test_intervals_contain_their_estimates_and_are_reproducible(study):
    table = summary(study, (0.0, 0.5), (0.0, 2.0))
    for name in ("sensitivity", "precision", "f1", "false_positives"):
        assert ((table[f"{name}_low"] <= table[name]) & (table[name] <= table[f"{name}_high"])).all()
    assert table.equals(summary(study, (0.0, 0.5), (0.0, 2.0)))
    # draws depend on target and size, not on the cutoff: no lesion is smaller than 2 mL, so the intervals are equal
    columns = [name for name in table if name.endswith(("_low", "_high"))]
    at = table.loc["scratch", "slice8"]
    assert at.loc[(0.0, 0.0), columns].equals(at.loc[(0.0, 2.0), columns])


def test_without_lesions_there_is_no_sensitivity_but_false_positives_count(study):
    row = summary(study, volumes=(0.0, 5.0)).loc[("better", "slice8", 0, 5)]
    assert row["lesions"] == 0
    assert row["false_positives"] == 0
    assert all(
        math.isnan(row[name]) for name in ("sensitivity", "sensitivity_low", "sensitivity_sd", "precision", "f1")
    )


def test_one_resample_has_no_deviation_and_scans_of_redrawn_test_sets_count_once(study):
    paths, names, tests = study
    table = summary((paths[:1], names[:1], tests))
    assert table["sensitivity_sd"].isna().all()
    assert (table["resamples"] == 1).all()
    for path, kept in zip(paths, (["01", "02"], ["02", "03"]) * 2, strict=True):
        rows = pd.read_parquet(path)
        rows[rows["scan"].isin(kept)].to_parquet(path)
    tests = {"stroke/size-10_resample-1": ["01", "02"], "stroke/size-10_resample-2": ["02", "03"]}
    row = summary((paths, names, tests)).loc[("scratch", "slice8", 0, 0)]
    assert (row["scans"], row["lesions"]) == (3, 4)
    assert row["sensitivity"] == pytest.approx(1 / 5)
    assert row["false_positives"] == pytest.approx(2 / 4)


def test_a_missing_scan_is_an_error(study):
    paths, names, tests = study
    with pytest.raises(UserError, match=r"scratch1\.parquet: the table lacks 04"):
        detection.collect(paths, names, {name: [*scans, "04"] for name, scans in tests.items()}, [0], [0], AS_THEY_ARE)
    rows = pd.read_parquet(paths[1])
    rows[rows["scan"] != "03"].to_parquet(paths[1])  # the scan without any lesion
    with pytest.raises(UserError, match=r"scratch2\.parquet: the table lacks 03"):
        detection.collect(*study, [0], [0], AS_THEY_ARE)
