"""Augmentation of scans and of natural images: each kind does what its name says, and a seed gives the same bytes."""

import hashlib

import numpy as np
import pytest
import torch

from headstart.training import intensity
from headstart.training.augment import Augment, Chance, PhotoAugment, augmentation
from headstart.training.warp import ELASTIC_POINTS, affines, enlarge, warp

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


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def blocks():
    """Images whose brightness encodes their label, in patches of 8 pixels."""
    labels = np.kron(np.random.default_rng(0).integers(0, 4, (6, 4, 4)), np.ones((8, 8), int))
    return torch.tensor(labels[:, None] / 4, dtype=torch.float32), torch.tensor(labels, dtype=torch.uint8)


def augment(**limits):
    return PhotoAugment(**{"degrees": 0, "scale": 0, "mirror": False} | limits)


def only(*kinds, probability=1.0, mirror=False):
    """An augmentation with these kinds of change, at strengths of KINDS, and no others."""
    chances = {name: Chance(probability if name in kinds else 0, low, high) for name, (_, low, high) in KINDS.items()}
    return Augment(**chances, mirror=mirror)


def everything():
    return only(*KINDS, probability=0.5, mirror=True)


def heads(count=6, size=96):
    """Smooth discs (count, 1, size, size) with an off-centre lump, in air, and labels of air, disc and lump."""
    rows, columns = torch.meshgrid(torch.arange(size) / size - 0.5, torch.arange(size) / size - 0.5, indexing="ij")
    disc, lump = torch.hypot(rows, columns * 1.2) < 0.4, torch.hypot(rows + 0.15, columns - 0.1) < 0.1
    labels = (disc.to(torch.uint8) + lump).repeat(count, 1, 1)
    return labels[:, None] * 0.4, labels


def each(value, count=1):
    return torch.full((count,), float(value))


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


def test_changes_of_intensity_follow_their_formulas():
    images = torch.tensor([0, 0.25, 0.5, 1]).reshape(1, 1, 2, 2)
    cases = {
        "gamma": (2, [0, 0.0625, 0.25, 1]),
        "inverted_gamma": (2, [0, 0.4375, 0.75, 1]),
        "brightness": (0.5, [0, 0.125, 0.25, 0.5]),
        "contrast": (0.5, [0.21875, 0.34375, 0.46875, 0.71875]),
    }
    for kind, (value, expected) in cases.items():
        seen = getattr(intensity, kind)(images, each(value))
        torch.testing.assert_close(seen.flatten(), torch.tensor(expected), msg=kind)
    assert intensity.contrast(images, each(3)).flatten().tolist() == [0, 0, pytest.approx(0.625), 1]


def test_a_bias_field_is_smooth_and_darkens_by_no_more_than_its_strength_allows():
    points = 2 * torch.rand(50, 1, 4, 4, generator=seeded()) - 1
    field = intensity.bias(torch.ones(50, 1, 96, 96), each(0.4, 50), points)
    assert field.amax((1, 2, 3)).tolist() == [1] * 50
    assert np.exp(-0.8) - 1e-6 <= field.min() < 0.6
    assert max(field.diff(dim=-1).abs().max(), field.diff(dim=-2).abs().max()) < 0.06


def test_blur_is_a_gaussian_of_its_width_and_keeps_the_mean():
    images = torch.zeros(2, 1, 65, 65)
    images[:, :, 32, 32] = 1
    seen = intensity.blur(images, torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(seen.sum((1, 2, 3)), torch.ones(2))
    squares = (torch.arange(65.0) - 32) ** 2
    for axis in (-1, -2):
        torch.testing.assert_close(
            (seen.sum(axis)[:, 0] * squares).sum(1).sqrt(), torch.tensor([1.0, 2.0]), rtol=0.03, atol=0
        )
    constant = torch.full((1, 1, 64, 64), 0.7)
    torch.testing.assert_close(intensity.blur(constant, each(1)), constant)


def test_low_resolution_removes_fine_detail_and_keeps_coarse_detail():
    ramp = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    torch.testing.assert_close(intensity.low_resolution(ramp, each(0.5)), ramp, atol=0.02, rtol=0)
    fine = torch.rand(4, 1, 64, 64, generator=seeded())
    power = torch.fft.rfft2(fine).abs()[..., 20:44, 20:].square().mean()
    left = torch.fft.rfft2(intensity.low_resolution(fine, each(0.5, 4))).abs()[..., 20:44, 20:].square().mean()
    assert left < 0.2 * power
    rows = torch.arange(8.0)[:, None].expand(1, 1, 8, 8)
    # rows 1, 3, 5 and 7 are kept, at 0.5, 2.5, 4.5 and 6.5
    expected = torch.tensor([1, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7])
    torch.testing.assert_close(intensity.low_resolution(rows, each(0.5))[0, 0, :, 0], expected)


def test_noise_has_its_deviation_and_differs_between_slices():
    grey = torch.full((3, 1, 128, 128), 0.5)
    seen = intensity.noise(grey, torch.tensor([0.02, 0.05, 0.05]), seed=1) - grey
    assert seen.std((1, 2, 3)).tolist() == pytest.approx([0.02, 0.05, 0.05], rel=0.03)
    assert seen.mean().abs() < 0.001
    assert not torch.equal(seen[1], seen[2])
