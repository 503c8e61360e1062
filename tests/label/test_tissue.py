"""Three tissues of a synthetic brain whose tissues are known."""

from functools import partial

import numpy as np
import pytest
from scipy import stats
from settings_of import ANTS_LABELS

from headstart.images import Volume
from headstart.label import ants, tissue
from headstart.metrics import overlap
from headstart.template.template import Template

CSF, GM, WM = 1, 2, 3
INTENSITY = np.array([0, 30, 60, 90])
classify = partial(
    tissue.tissue, bias_mm=ANTS_LABELS.bias_mm, smoothness=ANTS_LABELS.smoothness, steps=ANTS_LABELS.steps
)


def brain(shape=(48, 56, 40), spacing=(2.0, 2.0, 2.0)):
    """A ball of white matter in a folded shell of grey in a shell of CSF, uint8."""
    points = (np.moveaxis(np.indices(shape), 0, -1) - (np.array(shape) - 1) / 2) * spacing
    radius = np.linalg.norm(points, axis=-1) + 4 * np.sin(points[..., 0] / 5) * np.sin(points[..., 1] / 5)
    labels = np.select([radius < 22, radius < 30, radius < 36], [WM, GM, CSF], 0).astype(np.uint8)
    return Volume(labels, np.diag([*spacing, 1]))


def scan_of(labels, *, noise=6.0, bias=0.0, seed=0):
    """A scan of tissues with noise, and a bias field that grows from side to side."""
    rng = np.random.default_rng(seed)
    across = np.linspace(-1, 1, labels.data.shape[0])[:, np.newaxis, np.newaxis]
    data = INTENSITY[labels.data] * np.exp(bias * across) + rng.normal(0, noise, labels.data.shape)
    return Volume(np.where(labels.data > 0, np.maximum(data, 1), 0).astype(np.float32), labels.affine)


def inside(labels):
    return Volume((labels.data > 0).astype(np.uint8), labels.affine)


def dice(found, labels):
    return [overlap.dice(found.data == k, labels.data == k, "skip") for k in (CSF, GM, WM)]


def nearest_mean(scan, labels):
    """Classes by intensity alone, which the bias field and the neighbours should improve."""
    chosen = labels.data > 0
    logs = tissue._log_intensity(scan.data[chosen])
    found = np.zeros_like(labels.data)
    found[chosen] = 1 + tissue._nearest(logs, tissue._three_means(logs))
    return Volume(found, labels.affine)


@pytest.mark.parametrize(
    ("noise", "bias", "least"), [(4, 0, 0.99), (4, 0.25, 0.99), (6, 0, 0.98), (6, 0.15, 0.98), (8, 0.25, 0.92)]
)
def test_tissues_are_found_despite_noise_and_a_bias_field(noise, bias, least):
    labels = brain()
    scan = scan_of(labels, noise=noise, bias=bias)
    found = classify(scan, inside(labels))
    assert found.data.dtype == np.uint8
    assert found.grid.matches(labels.grid)
    assert min(dice(found, labels)) > least
    if noise > 4:
        assert min(dice(nearest_mean(scan, labels), labels)) < min(dice(found, labels)) - 0.01


def test_tissues_are_found_in_thick_slices():
    labels = brain((72, 80, 20), (1.3, 1.3, 4.0))
    assert min(dice(classify(scan_of(labels, bias=0.2), inside(labels)), labels)) > 0.95


def test_scale_and_direction_of_axes_do_not_matter():
    labels = brain()
    scan = scan_of(labels)
    found = classify(scan, inside(labels)).data
    larger = Volume(8 * scan.data, scan.affine)
    np.testing.assert_array_equal(classify(larger, inside(labels)).data, found)
    turned = classify(
        Volume(scan.data[::-1].copy(), scan.affine), Volume(inside(labels).data[::-1].copy(), labels.affine)
    )
    assert (turned.data[::-1] != found).mean() < 1e-3


def test_bright_vessels_and_holes_do_not_form_a_class():
    labels = brain()
    scan = scan_of(labels)
    rng = np.random.default_rng(1)
    chosen = np.flatnonzero(labels.data)
    scan.data.flat[rng.choice(chosen, chosen.size // 300, replace=False)] = 900
    holes = rng.choice(np.flatnonzero(labels.data == CSF), 200, replace=False)
    scan.data.flat[holes] = 0
    found = classify(scan, inside(labels))
    assert min(dice(found, labels)) > 0.94
    assert np.all(found.data.flat[holes] == CSF)


def test_all_voxels_of_the_brain_and_no_others_are_labelled():
    labels = brain()
    head = scan_of(labels)
    head.data[labels.data == 0] = 500
    found = classify(head, inside(labels)).data
    np.testing.assert_array_equal(found > 0, labels.data > 0)


def test_if_a_class_vanishes_voxels_keep_their_first_class(monkeypatch):
    labels = brain()
    scan = scan_of(labels, noise=3, bias=0.25)
    monkeypatch.setattr(tissue, "_SMALLEST_SHARE", 1.0)
    np.testing.assert_array_equal(classify(scan, inside(labels)).data, nearest_mean(scan, labels).data)


def test_a_brain_without_three_tissues_is_refused():
    flat = Volume(np.full((8, 8, 8), 5, np.float32), np.eye(4))
    with pytest.raises(ValueError, match="not have three intensities"):
        classify(flat, Volume(np.ones((8, 8, 8), np.uint8), np.eye(4)))
    with pytest.raises(ValueError, match="empty"):
        classify(flat, Volume(np.zeros((8, 8, 8), np.uint8), np.eye(4)))


def test_three_means_by_hand():
    values = np.array([0.0, 0.1, 5, 5.1, 9.9, 10])
    np.testing.assert_allclose(tissue._three_means(values), [0.05, 5.05, 9.95], atol=10 / 512)
    np.testing.assert_array_equal(tissue._nearest(values, np.array([0.05, 5.05, 9.95])), [0, 0, 1, 1, 2, 2])


def test_moments_weight_each_value_by_its_share():
    means, variances = tissue._moments(np.array([1.0, 3, 10]), [np.array([0.5, 0.5, 0]), np.array([0.0, 0, 1])])
    np.testing.assert_allclose(means, [2, 10], atol=1e-4)
    np.testing.assert_allclose(variances, [1, 0], atol=1e-4)


def test_posterior_is_bayes_rule():
    rng = np.random.default_rng(0)
    values, means, variances = rng.normal(size=20), np.array([-1.0, 0, 2]), np.array([0.5, 1, 0.25])
    neighbours = rng.random((3, 20))
    likelihood = stats.norm.pdf(values, means[:, None], np.sqrt(variances)[:, None]) * np.exp(neighbours)
    found = tissue._posterior(values, means, variances, neighbours)
    np.testing.assert_allclose(found, likelihood / likelihood.sum(axis=0))


def test_near_neighbours_count_more_than_far_ones():
    inside = np.ones((5, 5, 5), bool)
    share = np.zeros((5, 5, 5), np.float32)
    share[2, 2, 2] = 1
    found = tissue._neighbours(share.ravel(), inside, np.array([1.0, 1, 3])).reshape(share.shape)
    beside, far = np.exp(-(1 / 1.2**2) / 2), np.exp(-((3 / 1.2) ** 2) / 2)
    assert found[2, 2, 2] == 0
    assert found[0, 2, 2] == 0
    np.testing.assert_allclose([found[1, 2, 2], found[2, 2, 3]], [beside, far], rtol=1e-6)
    np.testing.assert_allclose(found[1, 1, 1], beside**2 * far, rtol=1e-6)


def test_the_mesh_averages_by_weight_and_is_exact_for_constants():
    inside = np.ones((20, 24, 16), bool)
    mesh = tissue._Mesh(inside, np.array([2.0, 2, 2]), 12)
    weights = np.random.default_rng(0).random(inside.sum())
    np.testing.assert_allclose(mesh.smooth(3 * weights, weights), 3, rtol=1e-5)


def test_a_scan_without_three_tissues_is_named(tmp_path, monkeypatch):
    flat = Volume(np.full((8, 8, 8), 5, np.float32), np.eye(4))
    everything = Volume(np.ones((8, 8, 8), np.uint8), np.eye(4))
    monkeypatch.setattr(ants.intake, "read_image", lambda path: (flat, {}))
    unused = Template(*[everything] * 7)
    with pytest.raises(ants.UserError, match=r"sub-01_T1w.nii.gz: the brain does not have three intensities.*exclude"):
        ants.label(
            tmp_path / "sub-01_T1w.nii.gz", everything, np.eye(4), unused, everything.grid, ANTS_LABELS, threads=1
        )
