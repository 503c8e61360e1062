"""Augmentation: labels go where their image goes, and one seed gives one change."""

import numpy as np
import pytest
import torch

from headstart.training.augment import Augment


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def blocks():
    """Images whose brightness says their label, in patches of 8 pixels."""
    labels = np.kron(np.random.default_rng(0).integers(0, 4, (6, 4, 4)), np.ones((8, 8), int))
    return torch.tensor(labels[:, None] / 4, dtype=torch.float32), torch.tensor(labels, dtype=torch.uint8)


def test_nothing_asked_for_is_nothing_done():
    images, labels = blocks()
    same, still = Augment()(images, labels, seeded())
    torch.testing.assert_close(same, images)
    assert torch.equal(still, labels) and still.dtype == torch.uint8


def test_mirrored_slices_are_mirrored_and_others_as_they_were():
    images, labels = blocks()
    seen, moved = Augment(mirror=True)(images, labels, seeded())
    flipped = [torch.equal(moved[n], labels[n].flip(-1)) for n in range(6)]
    kept = [torch.equal(moved[n], labels[n]) for n in range(6)]
    assert any(flipped) and any(kept) and all(a != b for a, b in zip(flipped, kept, strict=True))
    for n in range(6):
        torch.testing.assert_close(seen[n, 0], images[n, 0].flip(-1) if flipped[n] else images[n, 0])


@pytest.mark.parametrize("how", [{"degrees": 30}, {"scale": 0.3}, {"degrees": 20, "scale": 0.2, "mirror": True}])
def test_labels_go_where_their_image_goes(how):
    images, labels = blocks()
    seen, moved = Augment(**how)(images, labels, seeded(1))
    assert not torch.equal(moved, labels)
    agree = ((seen[:, 0] * 4).round() == moved).float().mean()
    assert agree > 0.85  # but where patches meet, which bilinear sampling blurs


def test_a_turn_is_as_far_as_asked_and_keeps_shapes():
    spot = torch.zeros(200, 1, 65, 65)
    spot[:, :, 32, 60] = 1
    seen, _ = Augment(degrees=15)(spot, None, seeded())
    rows, columns = np.unravel_index(seen.flatten(1).argmax(1).numpy(), (65, 65))
    angles = np.degrees(np.arctan2(rows - 32, columns - 32))
    assert 12 < np.abs(angles).max() <= 17 and angles.min() < -10 < 10 < angles.max()
    assert np.hypot(rows - 32, columns - 32) == pytest.approx(np.full(200, 28), abs=1.5)


def test_one_seed_is_one_change_and_what_is_no_map_stays():
    images, _ = blocks()
    shown = torch.tensor([[0, 1]] * 6)
    change = Augment(degrees=20, scale=0.1, mirror=True)
    first, same = change(images, shown, seeded(3))
    again, _ = change(images, shown, seeded(3))
    other, _ = change(images, shown, seeded(4))
    assert torch.equal(first, again) and not torch.equal(first, other) and same is shown
