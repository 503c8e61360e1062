"""Spatial changes of slices and label maps, with each change given by hand."""

import torch
from slice_batches import blocks, each, seeded

from headstart.training.warp import ELASTIC_POINTS, affines, enlarge, warp


def spot(row, column, **values):
    """Where a marked pixel of 65 x 65, given by its distance from the centre, lies after an affine change."""
    images = torch.zeros(1, 1, 65, 65)
    images[0, 0, 32 + row - 1 : 32 + row + 2, 32 + column - 1 : 32 + column + 2] = 0.5
    images[0, 0, 32 + row, 32 + column] = 1
    given = {name: each(value) for name, value in ({"rotation": 0, "scale": 1, "shear": 0} | values).items()}
    seen, labels = warp(images, (images[:, 0] == 1).to(torch.uint8), affines(**given))
    found = divmod(int(seen.argmax()), 65)
    assert labels[0, found[0], found[1]] == 1
    return found[0] - 32, found[1] - 32


def test_affine_changes_of_one_pixel_by_hand():
    assert spot(0, 20, rotation=90) == (20, 0)  # clockwise: from the right to below
    assert spot(-10, 0, rotation=90) == (0, 10)
    assert spot(-10, 4, rotation=180) == (10, -4)
    assert spot(8, -10, scale=2) == (16, -20)
    assert spot(8, -10, scale=0.5) == (4, -5)
    assert spot(20, 0, shear=45) == (20, 20)
    assert spot(0, 20, shear=45) == (0, 20)
    assert spot(10, 0, shear=45, scale=2, rotation=90) == (20, -20)  # (10, 10), (20, 20), then turned


def test_beyond_the_border_is_air_and_background():
    seen, labels = warp(
        torch.ones(1, 1, 64, 64), torch.ones(1, 64, 64, dtype=torch.uint8), affines(each(0), each(0.5), each(0))
    )
    assert seen[0, 0, :15].max() == 0
    assert labels[0, :15].max() == 0
    assert labels.sum() == 32 * 32


def test_an_elastic_shift_of_all_points_moves_the_slice_and_shifts_up_to_a_sixth_of_their_distance_fold_nothing():
    images, labels = blocks()
    shifts = torch.zeros(6, 2, ELASTIC_POINTS, ELASTIC_POINTS)
    shifts[:, 0] = 4 / 32  # columns: each pixel shows what lies 4 to its right
    seen, moved = warp(images, labels, affines(each(0, 6), each(1, 6), each(0, 6)), shifts)
    torch.testing.assert_close(seen[..., :-4], images[..., 4:])
    assert torch.equal(moved[..., :-4], labels[..., 4:])
    drawn = 2 * torch.rand(2000, 2, ELASTIC_POINTS, ELASTIC_POINTS, generator=seeded()) - 1
    field = 96 * enlarge(drawn / (6 * ELASTIC_POINTS), (96, 96))
    along, down = field.diff(dim=-1)[:, :, :-1], field.diff(dim=-2)[..., :-1]
    assert ((1 + along[:, 0]) * (1 + down[:, 1]) - along[:, 1] * down[:, 0]).min() > 0
