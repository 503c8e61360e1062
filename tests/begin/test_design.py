"""The design that a folder gets, by its number of labelled scans."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from headstart.begin import contents, design
from headstart.begin.contents import Contents


def designed(people, scans_each=1, *, mm=1.0, piece_ml=None, gpu=False):
    scans = [
        SimpleNamespace(subject=f"{person}-{number}", person=str(person), first=Path(f"{person}-{number}"))
        for person in range(people)
        for number in range(scans_each)
    ]
    volumes = {scan.subject: {1: 1.0} for scan in scans}
    held = Contents({scan.first: (mm, mm, mm) for scan in scans}, volumes, (), True, piece_ml)
    return design.make(Path("folder"), scans, held, gpu=gpu)


@pytest.mark.parametrize(
    ("people", "test", "folds", "sizes", "resamples"),
    [
        (3, None, 3, (1, 2), 6),
        (4, None, 4, (1, 2), 8),
        (5, None, 5, (1, 2, 4), 10),
        (12, None, 5, (1, 2, 4, 8), 10),  # three in the largest fold
        (15, None, 5, (1, 2, 4, 8), 10),
        (19, None, 5, (1, 2, 4, 8), 10),
        (20, 9, None, (1, 2, 4), 5),
        (30, 14, None, (1, 2, 4, 8), 5),
        (60, 27, None, (1, 2, 4, 8, 16), 5),
        (655, 100, None, (4, 8, 16, 32, 64), 5),
    ],
)
def test_by_the_number_of_people(people, test, folds, sizes, resamples):
    made = designed(people)
    assert (made.test, made.folds, made.sizes, made.resamples) == (test, folds, sizes, resamples)


@pytest.mark.parametrize("people", range(3, 80))
@pytest.mark.parametrize("scans_each", [1, 3])
def test_training_sets_can_differ_and_two_people_are_left_to_try_rates_on(people, scans_each):
    made = designed(people, scans_each)
    if made.folds:
        # The largest fold takes all scans of as many people as the folds cannot divide evenly.
        assert max(made.sizes) <= scans_each * (people - -(-people // made.folds))
        assert made.resamples == 2 * made.folds
        return
    # Test sets are drawn by people until they have enough scans; at worst each has one scan.
    left = people - made.test
    assert left >= 2
    assert max(made.sizes) < left
    assert made.resamples <= left


@pytest.mark.parametrize(
    ("mm", "piece_ml", "gpu", "voxel_mm", "size", "steps"),
    [
        (1.0, None, False, 2.5, 96, 4),  # five would begin with maps of 3 x 3
        (1.0, 30.0, False, 2.5, 96, 4),
        (1.0, 0.3, False, 2.0, 128, 5),  # lesions of a few voxels of 2.5 mm
        (1.0, 0.3, True, 1.0, 256, 5),
        (0.8, None, True, 1.0, 256, 5),
        (1.6, None, True, 1.5, 160, 5),
        (2.9, None, False, 3.0, 96, 4),
        (6.0, None, True, 3.0, 96, 4),
    ],
)
def test_the_grid_is_no_finer_than_scans_and_machine(mm, piece_ml, gpu, voxel_mm, size, steps):
    made = designed(5, mm=mm, piece_ml=piece_ml, gpu=gpu)
    assert (made.voxel_mm, made.size, len(made.unet_widths)) == (voxel_mm, size, steps)


def test_half_of_the_volume_is_in_pieces_of_at_least_this_size(folder):
    """Pieces of 1, 1, 1, 3 and 4 voxels of 1 mm: those of 3 and more hold 7 of 10, those of 4 only 4."""
    data = contents.np.zeros((20, 3, 3), int)
    for start, length in ((0, 1), (2, 1), (4, 1), (6, 3), (11, 4)):
        data[start : start + length, 0, 0] = 1
    grid = contents.Grid(data.shape, contents.np.diag([1.0, 1, 1, 1]))
    assert contents._piece_ml(data, grid) == pytest.approx(0.003)
