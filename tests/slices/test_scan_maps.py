"""Label maps of labelled scans: what has no label is divided by its intensities, and every voxel has a material."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.job import UserError
from headstart.label_table import Label, class_numbers, dense_classes
from headstart.slices import scan_maps
from headstart.slices.scan_maps import Clusters

TWO = Clusters(labels=1, brain=2, head=2)


def squares(values):
    return sum((value - np.mean(values)) ** 2 for value in values)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=9), st.integers(1, 4))
def test_no_other_division_into_parts_is_tighter_and_parts_are_ordered(values, parts):
    """Compared with every way to cut the sorted values into as many parts."""
    division = scan_maps.divide(np.bincount(values, minlength=256), parts)
    occurring = sorted(set(values))
    assert sorted(set(division[occurring])) == list(range(min(parts, len(occurring))))
    assert (np.diff(division[occurring].astype(int)) >= 0).all()
    made = sum(squares([v for v in values if division[v] == part]) for part in set(division[occurring]))
    ordered = sorted(values)
    cuts = itertools.combinations(range(1, len(ordered)), min(parts, len(ordered)) - 1)
    best = min(sum(squares(ordered[a:b]) for a, b in itertools.pairwise([0, *cut, len(ordered)])) for cut in cuts)
    assert made == pytest.approx(best, abs=1e-6)


def test_a_map_by_hand():
    """One row of a scan: air, skull and fat, brain with a label in it, air."""
    t1 = np.array([0.0, 0.1, 0.9, 0.3, 0.3, 0.7, 0.35, 0.8, 0.0]).reshape(1, 1, 9)
    brain = np.array([0, 0, 0, 1, 1, 1, 1, 1, 0], bool).reshape(t1.shape)
    head = np.array([0, 1, 1, 1, 1, 1, 1, 1, 0], bool).reshape(t1.shape)
    manual = np.array([0, 0, 0, 0, 2, 0, 0, 0, 0], np.uint8).reshape(t1.shape)
    made = scan_maps.draw(t1, brain, head, manual, 2, TWO)
    # 1 and 2: the labels; 3 and 4: the dark and the bright brain; 5 and 6: the dark and the bright head.
    assert made.ravel().tolist() == [0, 5, 6, 3, 2, 4, 3, 4, 0]
    assert made.dtype == np.uint8
    labels = scan_maps.labels_of(["tumour", "oedema"], TWO)
    assert [label.name for label in labels] == ["tumour", "oedema", "brain 1", "brain 2", "head 1", "head 2"]
    table = scan_maps.tabulated(labels, scan_maps.measure(made, t1, brain))
    assert table["voxels"].tolist() == [0, 1, 2, 2, 1, 1]
    found = scan_maps.measured(labels, table)
    assert [label.t1 for label in found] == [0, 0.3, 0.325, 0.75, 0.1, 0.9]
    assert [label.brain for label in found] == [True, True, True, True, False, False]


def test_a_label_is_divided_into_parts_of_one_name_and_materials_of_their_own():
    t1 = np.array([0.2, 0.22, 0.8, 0.5]).reshape(2, 2, 1)
    brain = np.ones(t1.shape, bool)
    manual = np.array([1, 1, 1, 0], np.uint8).reshape(t1.shape)
    clusters = Clusters(labels=2, brain=3, head=1)
    assert scan_maps.draw(t1, brain, brain, manual, 1, clusters).ravel().tolist() == [1, 1, 2, 3]
    labels = scan_maps.labels_of(["lesion"], clusters)
    assert len({label.material for label in labels}) == len(labels) == 6
    assert class_numbers(labels, {"lesion": ["lesion"]}) == (1, 1, 0, 0, 0, 0)
    assert list(dense_classes(labels)) == ["lesion", "brain 1", "brain 2", "brain 3"]


def test_a_label_outside_the_brain_is_of_the_head_and_scans_count_by_their_voxels():
    labels = scan_maps.labels_of(["eye"], Clusters(1, 1, 1))
    first = pd.DataFrame({"value": [1, 2, 3], "voxels": [3, 4, 0], "in_brain": [1, 4, 0], "t1": [0.3, 2.0, 0.0]})
    second = pd.DataFrame({"value": [1, 2, 3], "voxels": [1, 0, 0], "in_brain": [0, 0, 0], "t1": [0.9, 0.0, 0.0]})
    eye, brain, head = scan_maps.measured(labels, pd.concat([first, second]))
    assert eye == Label(1, "eye", "eye, part 1", 0.3, brain=False)
    assert (brain.t1, brain.brain) == (0.5, True)
    assert head == labels[2]


def test_every_voxel_of_the_head_has_a_label_whatever_is_labelled_and_the_same_scan_gives_the_same_bytes():
    rng = np.random.default_rng(0)
    t1 = rng.random((12, 12, 6)).astype(np.float32)
    head = rng.random(t1.shape) < 0.8
    brain = head & (rng.random(t1.shape) < 0.5)
    manual = (rng.integers(0, 4, t1.shape) * brain).astype(np.uint8)
    clusters = Clusters(labels=3, brain=4, head=5)
    made, again = (scan_maps.draw(t1, brain, head, manual, 3, clusters) for _ in range(2))
    assert np.array_equal(made > 0, head)
    assert made.tobytes() == again.tobytes()
    labels = scan_maps.labels_of(["a", "b", "c"], clusters)
    number_of = np.zeros(256, int)
    number_of[[label.value for label in labels]] = class_numbers(labels, {name: [name] for name in "abc"})
    assert np.array_equal(number_of[made], manual)
    means = [t1[made == label.value].mean() for label in labels]
    for first, last in ((0, 3), (3, 6), (6, 9), (9, 13), (13, 18)):
        assert means[first:last] == sorted(means[first:last])


@pytest.mark.parametrize(
    ("classes", "clusters", "says"),
    [
        (["lesion", "brain 2"], TWO, "the class 'brain 2' has the name of a part of what is not labelled"),
        ([f"parcel {n}" for n in range(100)], Clusters(3, 2, 2), "would have 304 labels, and hold 255; divide them"),
    ],
)
def test_classes_that_label_maps_cannot_hold_are_refused(classes, clusters, says):
    with pytest.raises(UserError, match=says):
        scan_maps.labels_of(classes, clusters)
