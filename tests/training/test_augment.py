"""Augmentation: labels change with their image, and a seed gives the same change each time."""

import numpy as np
import pytest
import torch

from headstart.training.augment import Augment


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def blocks():
    """Images whose brightness encodes their label, in patches of 8 pixels."""
    labels = np.kron(np.random.default_rng(0).integers(0, 4, (6, 4, 4)), np.ones((8, 8), int))
    return torch.tensor(labels[:, None] / 4, dtype=torch.float32), torch.tensor(labels, dtype=torch.uint8)


def augment(**limits):
    return Augment(**{"degrees": 0, "scale": 0, "mirror": False} | limits)


def test_limits_of_zero_change_nothing():
    images, labels = blocks()
    same, still = augment()(images, labels, seeded())
    torch.testing.assert_close(same, images)
    assert torch.equal(still, labels)
    assert still.dtype == torch.uint8


def test_some_slices_are_mirrored_and_the_others_unchanged():
    images, labels = blocks()
    seen, moved = augment(mirror=True)(images, labels, seeded())
    flipped = [torch.equal(moved[n], labels[n].flip(-1)) for n in range(6)]
    kept = [torch.equal(moved[n], labels[n]) for n in range(6)]
    assert any(flipped)
    assert any(kept)
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    for n in range(6):
        torch.testing.assert_close(seen[n, 0], images[n, 0].flip(-1) if flipped[n] else images[n, 0])


@pytest.mark.parametrize("limits", [{"degrees": 30}, {"scale": 0.3}, {"degrees": 20, "scale": 0.2, "mirror": True}])
def test_labels_move_with_their_image(limits):
    images, labels = blocks()
    seen, moved = augment(**limits)(images, labels, seeded(1))
    assert not torch.equal(moved, labels)
    agree = ((seen[:, 0] * 4).round() == moved).float().mean()
    assert agree > 0.85  # except where patches meet, which bilinear sampling blurs


def test_rotations_reach_the_limit_and_keep_distances():
    spot = torch.zeros(200, 1, 65, 65)
    spot[:, :, 32, 60] = 1
    seen, _ = augment(degrees=15)(spot, None, seeded())
    rows, columns = np.unravel_index(seen.flatten(1).argmax(1).numpy(), (65, 65))
    angles = np.degrees(np.arctan2(rows - 32, columns - 32))
    assert 12 < np.abs(angles).max() <= 17
    assert angles.min() < -10 < 10 < angles.max()
    assert np.hypot(rows - 32, columns - 32) == pytest.approx(np.full(200, 28), abs=1.5)


def test_the_seed_determines_the_change_and_targets_other_than_maps_are_returned_unchanged():
    images, _ = blocks()
    present = torch.tensor([[0, 1]] * 6)
    change = augment(degrees=20, scale=0.1, mirror=True)
    first, same = change(images, present, seeded(3))
    again, _ = change(images, present, seeded(3))
    other, _ = change(images, present, seeded(4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert same is present
