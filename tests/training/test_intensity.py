"""Changes of the intensities of slices, with each change given by hand."""

import numpy as np
import pytest
import torch
from slice_batches import each, seeded

from headstart.training import intensity


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


def test_the_contrast_of_each_image_is_changed_about_its_own_mean():
    images = torch.stack([torch.rand(2, 8, 8) * 0.2, 0.7 + torch.rand(2, 8, 8) * 0.3], 1)
    factors = torch.tensor([0.7, 1.2])
    changed = intensity.contrast(images, factors)
    for channel in (0, 1):
        alone = intensity.contrast(images[:, channel : channel + 1], factors)
        assert torch.equal(changed[:, channel : channel + 1], alone)
    assert torch.allclose(changed.mean((2, 3)), images.mean((2, 3)), atol=0.02)
