"""Corruptions: how much of a slice they change, and that the seed decides all of it."""

import numpy as np
import pytest
import torch

from headstart.training import corruption

CORRUPTIONS = {
    "hide": lambda images, generator: corruption.hide(images, 0.6, 8, generator),
    "distort": corruption.distort,
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def textures(count, size=64):
    """Random images without a 0 in them."""
    return 0.1 + 0.9 * torch.rand(count, 1, size, size, generator=seeded(1))


def numbers(*shape, seed=2):
    return torch.rand(shape, generator=seeded(seed))


@pytest.mark.parametrize("corrupt", CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_a_batch_is_corrupted_by_its_seed_alone_and_each_slice_in_its_own_way(corrupt):
    images = textures(1).repeat(6, 1, 1, 1)
    kept = images.clone()
    seen = corrupt(images, seeded())
    assert torch.equal(images, kept)
    assert seen.shape == images.shape
    assert seen.dtype == torch.float32
    assert 0 <= seen.min() <= seen.max() <= 1
    assert len({slice.numpy().tobytes() for slice in seen}) == 6
    torch.rand(7)  # of the generator that all share
    assert torch.equal(corrupt(images, seeded()), seen)
    assert not torch.equal(corrupt(images, seeded(1)), seen)


@pytest.mark.parametrize(
    ("size", "patch", "fraction", "count"), [(64, 8, 0.6, 38), (64, 16, 0.5, 8), (64, 4, 0.25, 64)]
)
def test_a_fraction_of_the_patches_is_hidden_and_nothing_else_changes(size, patch, fraction, count):
    images = textures(40, size)
    seen = corruption.hide(images, fraction, patch, seeded())
    zero = seen == 0
    squares = zero.unfold(2, patch, patch).unfold(3, patch, patch).flatten(4)
    assert torch.equal(squares.all(-1), squares.any(-1))
    assert squares.all(-1).sum((1, 2, 3)).tolist() == [count] * 40
    assert torch.equal(seen[~zero], images[~zero])
    often = squares.all(-1).float().mean((0, 1))
    assert 0 < often.min() <= often.max() < 1  # no patch is always, or never, hidden


def test_patches_that_do_not_fit_are_cut_off_at_the_end():
    assert corruption.patches_per_side(64, 16) == 4
    assert corruption.patches_per_side(65, 16) == 5
    seen = corruption.hide(textures(1, 20), 8 / 9, 8, seeded())
    (shown,) = (seen[0, 0] > 0).nonzero().split(1000)
    first, last = shown.min(0).values, shown.max(0).values + 1
    assert (first % 8).tolist() == [0, 0]
    assert last.tolist() == [min(20, corner + 8) for corner in first.tolist()]


def test_shuffling_permutes_pixels_within_their_blocks_only():
    images = torch.arange(40.0 * 40).reshape(1, 1, 40, 40)
    # blocks of 3 rows and 2 columns, the first of which begins above the slice's first row
    blocks = torch.tensor([[2.5 / 4, 0.4, 1.5 / 4, 0.0]])
    seen = corruption.shuffle(images, blocks, numbers(1, 1, 40, 40))[0, 0].long()
    rows, columns = np.divmod(seen.numpy(), 40)
    own_rows, own_columns = np.mgrid[:40, :40]
    assert np.array_equal(np.sort(seen.flatten()), np.arange(1600))
    assert np.array_equal((rows + 1) // 3, (own_rows + 1) // 3)
    assert np.array_equal(columns // 2, own_columns // 2)
    assert (seen != images[0, 0]).float().mean() == pytest.approx(5 / 6, abs=0.05)  # of 6 places one is a pixel's own


def test_blocks_of_one_pixel_leave_a_slice_as_it_is():
    images = textures(2)
    assert torch.equal(corruption.shuffle(images, torch.zeros(2, 4), numbers(2, 1, 64, 64)), images)


def test_a_bezier_curve_worked_by_hand():
    """Control points on the diagonal give the identity; those of an ease-in are B(1/2) = (1/2, 1/8)."""
    values = torch.tensor([0, 0.3, 0.5, 1]).reshape(1, 1, 2, 2)
    line = torch.tensor([[[1 / 3, 1 / 3], [2 / 3, 2 / 3]]])
    rising, falling = (corruption.recolour(values, line, torch.tensor([down])) for down in (False, True))
    torch.testing.assert_close(rising, values)
    torch.testing.assert_close(falling, 1 - values)
    ease = torch.tensor([[[1 / 3, 0.0], [2 / 3, 0.0]]])  # x = t, y = t^3
    seen = corruption.recolour(values, ease, torch.tensor([False]))
    torch.testing.assert_close(seen, values**3, atol=1e-4, rtol=0)


def test_curves_of_intensities_are_monotonic_and_reach_black_and_white():
    values = torch.linspace(0, 1, 1024).reshape(1, 1, 32, 32).repeat(200, 1, 1, 1)
    falling = torch.arange(200) % 2 == 1
    seen = corruption.recolour(values, numbers(200, 2, 2), falling).flatten(1)
    steps = seen.diff(dim=1) * torch.where(falling, -1, 1)[:, None]
    assert steps.min() >= -1e-6
    torch.testing.assert_close(seen[:, 0], falling.float(), atol=1e-6, rtol=0)
    torch.testing.assert_close(seen[:, -1], 1 - falling.float(), atol=1e-6, rtol=0)


def test_rectangles_have_their_sides_and_follow_one_another_as_often_as_they_should():
    drawn, sides = numbers(300, 5, 5), [torch.full((300, 1), side) for side in (1 / 6, 1 / 3)]
    drawn[:, 0, 1] = 0.99  # no second one, hence no third
    inside = corruption.rectangles(drawn, (60, 60), *sides)
    heights, widths = inside.any(2).sum(1), inside.any(1).sum(1)
    assert torch.equal(inside.sum((1, 2)), heights * widths)
    for extent in (heights, widths):
        assert (extent.min(), extent.max()) == (10, 20)
    assert inside.any(0).any(0).all()  # they reach the border
    assert inside.any(0).any(1).all()
    drawn[:, 0, 1] = 0.94
    more = corruption.rectangles(drawn, (60, 60), *sides).sum((1, 2))
    assert (more > heights * widths).float().mean() > 0.9


def test_slices_are_distorted_as_often_as_the_settings_say():
    """Of slices of one grey value shuffling changes none, and what painting leaves has one value."""
    grey = torch.full((1500, 1, 32, 32), 0.5)
    seen = corruption.distort(grey, seeded())
    middle = seen.flatten(1).mode(1).values  # what the grey value became
    covered = (seen.flatten(1) != middle[:, None]).float().mean(1)
    assert (covered > 0).float().mean() == pytest.approx(0.9, abs=0.02)
    assert (middle != 0.5).float().mean() == pytest.approx(0.9, abs=0.02)
    textured = textures(1000, 32)
    seen = corruption.distort(textured, seeded())
    # Without painting and a curve (0.1 of 0.1) a slice keeps its histogram; half of these are shuffled.
    kept = (seen.flatten(1).sort(1).values == textured.flatten(1).sort(1).values).all(1)
    assert kept.float().mean() == pytest.approx(0.01, abs=0.008)
