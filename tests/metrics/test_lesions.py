import math
from types import SimpleNamespace

import numpy as np
import pytest

from headstart.metrics import lesions

VOXEL_ML = 0.5
# Slices 0 and 1: a lesion of 2 x 2 and one of 2 x 1 that touch at a corner only; slice 3: one voxel, four in a row.
TRUTH = np.zeros((4, 6, 8), np.uint8)
TRUTH[0, :2, :2] = 1
TRUTH[1, 2:4, 2] = 1
TRUTH[3, 0, 0] = 1
TRUTH[3, 5, 4:] = 1
# All of the first lesion; a quarter of the row, with more outside; false positives of 1 voxel and of 6 in two slices.
PREDICTION = np.zeros_like(TRUTH)
PREDICTION[0, :2, :2] = 1
PREDICTION[3, 4:6, 4] = 1
PREDICTION[2, 0, 7] = 1
PREDICTION[0:2, 5, 0:3] = 1


def rows(table, *columns):
    return sorted(zip(*(table[column].tolist() for column in columns), strict=True))


def counted(prediction, truth, voxel_ml, overlap=0.0, volume_ml=0.0, connectivity="slice8"):
    """What count() counts in a scan: its lesions and false positives one by one, and the measures over all of them.

    Each component is counted as a scan of its own, which shows whether it counts and is detected.
    """
    table = lesions.tabulate(prediction, truth, voxel_ml, connectivity)
    alone = table.assign(scan=range(len(table)), connectivity=connectivity)
    each = table.join(lesions.count(alone, overlap, volume_ml).set_index("scan").drop(columns="connectivity"))
    each["detected"] = each["detected"] > 0
    scan = lesions.count(lesions.of_scan(prediction, truth, voxel_ml, "a"), overlap, volume_ml)
    numbers = scan.set_index("connectivity").loc[connectivity, ["lesions", "detected", "false_positives"]].astype(int)
    assert numbers.tolist() == each[numbers.index].sum().tolist()
    return SimpleNamespace(
        lesions=each[each["lesions"] > 0],
        false_positives=each[each["false_positives"] > 0],
        **{
            name: part / whole if whole else math.nan
            for name, (part, whole) in lesions.ratios(*numbers.tolist()).items()
        },
    )


def test_lesions_within_slices_worked_by_hand():
    found = counted(PREDICTION, TRUTH, VOXEL_ML)
    table = lesions.tabulate(PREDICTION, TRUTH, VOXEL_ML)
    assert list(table.columns) == ["kind", "slice", "voxels", "volume_ml", "overlap"]
    assert rows(found.lesions, "slice", "voxels", "volume_ml", "overlap", "detected") == [
        (0, 4, 2.0, 1.0, True), (1, 2, 1.0, 0.0, False), (3, 1, 0.5, 0.0, False), (3, 4, 2.0, 0.25, True),
    ]  # fmt: skip
    assert found.false_positives["overlap"].isna().all()
    assert rows(found.false_positives, "slice", "voxels") == [(0, 3), (1, 3), (2, 1)]
    assert len(found.false_positives) == 3
    assert (found.sensitivity, found.precision) == (2 / 4, 2 / 5)
    assert found.f1 == pytest.approx(2 * (1 / 2) * (2 / 5) / (1 / 2 + 2 / 5))


def test_lesions_within_the_volume_worked_by_hand():
    found = counted(PREDICTION, TRUTH, VOXEL_ML, connectivity="volume26")
    assert rows(found.lesions, "slice", "voxels", "overlap", "detected") == [
        (0, 6, 4 / 6, True), (3, 1, 0.0, False), (3, 4, 0.25, True),
    ]  # fmt: skip
    assert rows(found.false_positives, "slice", "voxels", "volume_ml") == [(0, 6, 3.0), (2, 1, 0.5)]
    assert (found.sensitivity, found.precision, found.f1) == (2 / 3, 2 / 4, pytest.approx(4 / 7))


def test_the_overlap_must_exceed_its_cutoff():
    for cutoff, expected in ((0.0, True), (0.2, True), (0.25, False)):
        found = counted(PREDICTION, TRUTH, VOXEL_ML, overlap=cutoff).lesions
        assert found[found["overlap"] == 0.25]["detected"].tolist() == [expected]
    fifth = np.zeros((1, 1, 5), np.uint8)
    fifth[0, 0, 0] = 1
    assert not counted(fifth, np.ones_like(fifth), 1, overlap=0.2).lesions["detected"].any()


def test_lesions_and_false_positives_under_the_volume_cutoff_are_excluded():
    found = counted(PREDICTION, TRUTH, VOXEL_ML, volume_ml=1)  # exactly 1 mL is included
    assert rows(found.lesions, "voxels") == [(2,), (4,), (4,)]
    assert rows(found.false_positives, "voxels") == [(3,), (3,)]
    found = counted(PREDICTION, TRUTH, VOXEL_ML, volume_ml=2)
    assert found.false_positives.empty
    assert (found.sensitivity, found.precision) == (1, 1)
    assert len(found.lesions) == 2


def test_a_component_that_touches_a_lesion_is_no_false_positive():
    truth, prediction = np.zeros((2, 1, 4, 4), np.uint8)
    truth[0, 0, 0] = 1
    prediction[0] = 1
    # a large component on an excluded lesion is no false positive
    assert counted(prediction, truth, 1, volume_ml=2).false_positives.empty
    # a component that touches a lesion without detecting it: the lesion is missed, and there is no false positive
    truth[0] = 1
    prediction[0, 1:] = 0
    found = counted(prediction, truth, 1, overlap=0.3)
    assert found.sensitivity == 0
    assert found.false_positives.empty
    assert math.isnan(found.precision)
    assert found.f1 == 0


def test_many_components_detect_one_lesion_and_one_component_detects_many():
    whole, pieces = np.ones((1, 1, 9), np.uint8), np.zeros((1, 1, 9), np.uint8)
    pieces[0, 0, ::2] = 1
    found = counted(pieces, whole, 1)
    assert (len(found.lesions), found.sensitivity, found.precision, found.f1) == (1, 1, 1, 1)
    found = counted(whole, pieces, 1)
    assert (len(found.lesions), found.sensitivity, found.precision, found.f1) == (5, 1, 1, 1)


def test_empty_masks():
    nothing = np.zeros_like(TRUTH)
    found = counted(nothing, nothing, VOXEL_ML)
    assert all(math.isnan(measure) for measure in (found.sensitivity, found.precision, found.f1))
    assert found.false_positives.empty
    found = counted(nothing, TRUTH, VOXEL_ML)
    assert found.sensitivity == 0
    assert math.isnan(found.precision)
    assert found.f1 == 0
    found = counted(TRUTH, nothing, VOXEL_ML)
    assert math.isnan(found.sensitivity)
    assert found.precision == 0
    assert found.f1 == 0
    assert len(found.false_positives) == 4


@pytest.mark.parametrize("connectivity", lesions.CONNECTIVITIES)
def test_masks_are_nonzero_values_in_any_memory_order(connectivity):
    expected = lesions.tabulate(PREDICTION, TRUTH, VOXEL_ML, connectivity)
    others = lesions.tabulate(np.asfortranarray(PREDICTION * 3), TRUTH * 255, VOXEL_ML, connectivity)
    assert others.equals(expected)
    assert lesions.tabulate(PREDICTION > 0, np.flip(np.flip(TRUTH, 0).copy(), 0), VOXEL_ML, connectivity).equals(
        expected
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((PREDICTION[:2], TRUTH, 1), "shape"),
        ((PREDICTION[0], TRUTH[0], 1), r"\(slices, rows, columns\)"),
        ((PREDICTION, TRUTH, 1, "volume6"), "connectivity is 'volume6', not one of slice8, volume26"),
    ],
)
def test_masks_that_cannot_be_compared_are_rejected(arguments, words):
    with pytest.raises(ValueError, match=words):
        lesions.tabulate(*arguments)


@pytest.mark.parametrize("connectivity", lesions.CONNECTIVITIES)
def test_cutoffs_on_the_table_are_cutoffs_on_the_scan(connectivity):
    rng = np.random.default_rng(1)
    for _ in range(5):
        prediction, truth = (rng.random((2, 4, 9, 9)) < 0.2).astype(np.uint8)
        table = lesions.of_scan(prediction, truth, VOXEL_ML, "a")
        of_one = lesions.tabulate(prediction, truth, VOXEL_ML, connectivity)
        for overlap, volume_ml in ((0, 0), (0.2, 1), (0.5, 2)):
            large = of_one[of_one["volume_ml"] >= volume_ml]
            true, false = large[large["kind"] == "true"], large[large["kind"] == "false"]
            found = lesions.count(table, overlap, volume_ml).set_index("connectivity").loc[connectivity]
            expected = [len(true), (true["overlap"] > overlap).sum(), len(false)]
            assert found[["lesions", "detected", "false_positives"]].tolist() == expected


def test_a_scan_without_any_lesion_has_a_row():
    nothing = np.zeros_like(TRUTH)
    table = lesions.of_scan(nothing, nothing, VOXEL_ML, "sub-01")
    assert rows(table, "scan", "connectivity", "kind") == [("sub-01", c, "none") for c in lesions.CONNECTIVITIES]
    found = lesions.count(table, 0, 0)
    assert len(found) == 2
    assert not found[["lesions", "detected", "false_positives"]].any(axis=None)
    # so has a scan whose lesions are all smaller than the cutoff
    assert len(lesions.count(lesions.of_scan(PREDICTION, TRUTH, VOXEL_ML, "sub-02"), 0, 100)) == 2
