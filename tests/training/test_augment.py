"""Augmentation of scans and of natural images: each kind does what its name says, and a seed gives the same bytes."""

import hashlib

import numpy as np
import pytest
import torch
from slice_batches import blocks, heads, seeded

from headstart.training.augment import Augment, Chance, PhotoAugment, augmentation

# Of each kind: the value that changes nothing, and values that change much.
KINDS = {
    "rotation": (0, -90, 90),
    "scale": (1, 0.6, 1.5),
    "shear": (0, -20, 20),
    "elastic": (0, 0.01, 0.04),
    "inverted_gamma": (1, 0.5, 2),
    "gamma": (1, 0.5, 2),
    "brightness": (1, 0.6, 1.4),
    "contrast": (1, 0.5, 1.5),
    "bias": (0, 0.2, 0.6),
    "blur": (0, 0.5, 2),
    "low_resolution": (1, 0.3, 0.8),
    "noise": (0, 0.02, 0.1),
}
SPATIAL = ("rotation", "scale", "shear", "elastic")


def augment(**limits):
    return PhotoAugment(**{"degrees": 0, "scale": 0, "mirror": False} | limits)


def only(*kinds, probability=1.0, mirror=False):
    """An augmentation with these kinds of change, at strengths of KINDS, and no others."""
    chances = {name: Chance(probability if name in kinds else 0, low, high) for name, (_, low, high) in KINDS.items()}
    return Augment(**chances, mirror=mirror)


def everything():
    return only(*KINDS, probability=0.5, mirror=True)


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


def test_the_settings_of_natural_images_draw_the_bytes_they_always_did():
    labels = torch.tensor(np.random.default_rng(0).integers(0, 256, (16, 64, 64)), dtype=torch.uint8)
    change = augmentation({"degrees": 20, "scale": 0.2, "mirror": True})
    seen, moved = change(labels[:, None] / 255, labels, seeded(5))
    assert hashlib.sha256(moved.numpy().tobytes()).hexdigest()[:16] == "f1b335108656cd91"
    assert seen.double().mean().item() == pytest.approx(0.49878020262, abs=1e-7)


def test_kinds_that_settings_do_not_name_never_happen():
    images, labels = blocks()
    low, high = KINDS["gamma"][1:]
    some = augmentation({"gamma": {"probability": 1.0, "low": low, "high": high}})
    seen, kept = some(images, labels, seeded())
    expected, _ = only("gamma")(images, labels, seeded())
    assert torch.equal(seen, expected)
    assert not torch.equal(seen, images)
    assert torch.equal(kept, labels)


def test_settings_of_scans_make_their_augmentation():
    settings = {name: {"probability": 0.5, "low": low, "high": high} for name, (_, low, high) in KINDS.items()}
    assert augmentation(settings | {"mirror": True}) == everything()


@pytest.mark.parametrize("kind", KINDS)
def test_probability_zero_and_strength_zero_change_no_byte(kind):
    images, labels = blocks()
    neutral = Chance(1, KINDS[kind][0], KINDS[kind][0])
    for change in (only(kind, probability=0), Augment(**vars(only()) | {kind: neutral})):
        seen, moved = change(images, labels, seeded())
        assert torch.equal(seen, images)
        assert torch.equal(moved, labels)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("count", "size"), [(2, 64), (6, 96)])
def test_each_kind_changes_every_slice_in_its_own_way_and_labels_only_if_it_moves_them(kind, count, size):
    images, labels = heads(count, size)
    seen, moved = only(kind)(images, labels, seeded())
    assert seen.shape == images.shape
    assert seen.dtype == torch.float32
    assert moved.dtype == torch.uint8
    assert all(not torch.equal(one, other) for one, other in zip(seen, images, strict=True))
    assert all(not torch.equal(seen[n], seen[0]) for n in range(1, count))
    assert 0 <= seen.min() <= seen.max() <= 1
    assert torch.equal(moved, labels) == (kind not in SPATIAL)


@pytest.mark.parametrize("kind", SPATIAL)
def test_labels_of_scans_move_with_their_image(kind):
    images, labels = heads()
    seen, moved = only(kind)(images, labels, seeded())
    assert set(moved.unique().tolist()) <= {0, 1, 2}
    agree = (seen[:, 0] / 0.4).round() == moved
    assert agree.float().mean() > 0.99
    assert (moved != labels).float().mean() > 1 - agree.float().mean()


def test_the_channels_of_a_slice_change_together():
    images, labels = heads(8, 48)
    change = only(*(kind for kind in KINDS if kind != "noise"), mirror=True)
    alone, moved = change(images, labels, seeded())
    beside, same = change(images.repeat(1, 3, 1, 1), labels, seeded())
    assert torch.equal(same, moved)
    for channel in range(3):
        torch.testing.assert_close(beside[:, channel], alone[:, 0])


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_threads():
    images, labels = heads(17, 97)
    images = images * torch.rand(images.shape, generator=seeded())
    before = torch.get_num_threads()
    try:
        for kinds in ((kind,) for kind in KINDS):
            results = []
            for threads in (1, 2, 3):
                torch.set_num_threads(threads)
                results.append(only(*kinds)(images, labels, seeded(2)))
            assert all(torch.equal(results[0][k], other[k]) for other in results for k in (0, 1)), kinds
    finally:
        torch.set_num_threads(before)


def test_another_seed_changes_otherwise_and_what_ran_before_does_not_matter():
    images, labels = heads()
    kept = images.clone()
    first, _ = everything()(images, labels, seeded(1))
    torch.rand(7)
    again, _ = everything()(images, labels, seeded(1))
    other, _ = everything()(images, labels, seeded(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(images, kept)


def test_targets_other_than_maps_are_returned_unchanged():
    images, _ = heads()
    present = torch.tensor([[0, 1]] * 6, dtype=torch.uint8)
    assert everything()(images, present, seeded())[1] is present
    assert everything()(images, None, seeded())[1] is None


def test_a_kind_happens_as_often_as_its_probability_says_and_independently_of_the_others():
    images, _ = heads(2000, 32)

    def changed(*kinds):
        return (only(*kinds, probability=0.2)(images, None, seeded())[0] != images).flatten(1).any(1)

    gamma, noise, both = changed("gamma"), changed("noise"), changed("gamma", "noise")
    for happened in (gamma, noise):
        assert happened.float().mean() == pytest.approx(0.2, abs=0.03)
    assert (gamma & noise).float().mean() == pytest.approx(0.04, abs=0.015)
    assert torch.equal(both, gamma | noise)


def test_mirroring_reverses_columns_of_half_the_slices_exactly():
    images, labels = heads(200, 32)
    seen, moved = only(mirror=True)(images, labels, seeded())
    flipped = torch.tensor([torch.equal(seen[n], images[n].flip(-1)) for n in range(200)])
    assert 80 < flipped.sum() < 120
    assert torch.equal(seen[~flipped], images[~flipped])
    assert torch.equal(moved[flipped], labels[flipped].flip(-1))
    assert torch.equal(moved[~flipped], labels[~flipped])
