import numpy as np
import pytest

from headstart.slices.channels import Channels, step_of


def test_each_slice_is_seen_with_those_around_it_within_its_own_scan():
    expected = [[0, 0, 1], [0, 1, 2], [1, 2, 2], [3, 3, 4], [3, 4, 4]]
    assert Channels(1, 1).rows([3, 2]).tolist() == expected


def test_neighbours_further_away_stop_at_the_ends_of_the_scan():
    found = Channels(1, 2, 3).rows([8, 1])
    assert found[0].tolist() == [0, 0, 0, 3, 6]
    assert found[4].tolist() == [0, 1, 4, 7, 7]
    assert found[8].tolist() == [8] * 5


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("step", [1, 2, 5])
def test_the_middle_is_the_slice_and_all_are_of_its_scan(count, step):
    lengths = [4, 1, 9]
    found = Channels(1, count, step).rows(lengths)
    assert found.shape == (14, 2 * count + 1)
    assert found[:, count].tolist() == list(range(14))
    scans = np.repeat([0, 1, 2], lengths)
    assert (scans[found] == scans[:, np.newaxis]).all()
    assert (np.diff(found, axis=1) >= 0).all()
    assert (np.diff(found, axis=1) <= step).all()


def test_each_image_follows_the_one_before_with_the_same_slices():
    assert Channels(2).rows([2, 1]).tolist() == [[0, 3], [1, 4], [2, 5]]
    alone, both = Channels(1, 1).rows([3, 2]), Channels(3, 1).rows([3, 2])
    assert np.array_equal(both, np.concatenate([alone, alone + 5, alone + 10], axis=1))


def test_slices_alone_need_no_table():
    assert Channels().rows([3]) is None


def test_models_say_which_they_were_trained_with():
    assert Channels.of({"network": {}}) == Channels(1, 0, 1)
    assert Channels.of({"network": {"neighbours": 2}, "neighbour_step": 3}) == Channels(1, 2, 3)
    assert Channels.of({"network": {"images": 2}}) == Channels(2, 0, 1)


def test_distances_are_rounded_to_whole_slices():
    assert step_of(None, 3.7) == 1
    assert [step_of(distance, 2.5) for distance in (1, 2, 2.5, 6, 7.4)] == [0, 1, 1, 2, 3]
