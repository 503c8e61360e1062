"""Scores, distances and lesions against independent implementations, on a thousand random scans and special cases."""

import math

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance, compute_iou, compute_surface_dice
from scipy import ndimage
from skimage import measure

from headstart.metrics import lesions, overlap
from headstart.metrics.distance import surface_distances

SHAPE = (4, 9, 8)
VOXEL_MM = (1.5, 1.0, 0.7)
CUTOFFS = [(overlap, volume) for overlap in (0.0, 0.2) for volume in (0.0, 0.003, 0.008)]


def blank(*boxes):
    mask = np.zeros(SHAPE, np.uint8)
    for box in boxes:
        mask[box] = 1
    return mask


ODD = {
    "empty": blank(),
    "full": blank(np.s_[:]),
    "one voxel": blank(np.s_[1, 3, 4]),
    "corner voxels": blank(np.s_[0, 0, 0], np.s_[-1, -1, -1]),
    "borders": blank(np.s_[0], np.s_[:, -1]),
    "diagonal in a slice": blank(np.s_[1, 2:4, 2:4], np.s_[1, 4:6, 4:6]),
    "diagonal between slices": blank(np.s_[0, 2:4, 2:4], np.s_[1, 4:6, 4:6], np.s_[3, 4:6, 4:6]),
    "specks one over another": blank(np.s_[::2, 3, 4]),
    "specks below one another": blank(np.s_[1, ::2, 4]),
    "specks side by side": blank(np.s_[1, 3, ::2]),
    "same place two slices on": blank(np.s_[0, 2:4, 2:4], np.s_[2, 2:4, 2:4]),
}


def random_pairs(count):
    """Scans of any density: single voxels or blobs (smoothed noise), predictions related to the ground truth or not."""
    rng = np.random.default_rng(0)
    for number in range(count):
        noise = rng.random((2, *SHAPE))
        if number % 2:
            noise = ndimage.gaussian_filter(noise, (0, 0.7, 1, 1))
        if number % 3:
            noise[0] = noise[:2].mean(axis=0)
        shares = rng.uniform(0, 0.6, 2)
        yield tuple(
            (part < np.quantile(part, share)).astype(np.uint8) for part, share in zip(noise, shares, strict=True)
        )


RANDOM = list(random_pairs(1000 - len(ODD) ** 2))
PAIRS = RANDOM + [(prediction, truth) for prediction in ODD.values() for truth in ODD.values()]


def by_scipy(mask, connectivity):
    """Components by scipy.ndimage; within slices, voxels of the next slice are not connected."""
    structure = np.ones((3, 3, 3), int)
    if connectivity == "slice8":
        structure[[0, 2]] = 0
    return ndimage.label(mask, structure)[0]


def by_skimage(mask, connectivity):
    """Components by scikit-image, of the volume or slice by slice."""
    if connectivity == "volume26":
        return measure.label(mask, connectivity=3)
    numbered = [measure.label(part, connectivity=2) for part in mask]
    before = np.cumsum([0] + [part.max() for part in numbered[:-1]])
    return np.stack([part + (part > 0) * last for part, last in zip(numbered, before, strict=True)])


def plain_counts(prediction, truth, label, connectivity, cutoff, volume, voxel_ml):
    """Numbers of detected lesions, lesions and false positives, one component at a time."""
    true, pieces = label(truth, connectivity), label(prediction, connectivity)
    kept = [k for k in range(1, true.max() + 1) if (true == k).sum() * voxel_ml >= volume]
    found = [k for k in kept if (prediction[true == k] > 0).mean() > cutoff]
    large = [k for k in range(1, pieces.max() + 1) if (pieces == k).sum() * voxel_ml >= volume]
    return len(found), len(kept), len([k for k in large if not truth[pieces == k].any()])


def test_there_are_a_thousand_different_pairs():
    assert len(PAIRS) == 1000
    assert len({pair[0].tobytes() + pair[1].tobytes() for pair in PAIRS}) > 990


def one_hot(labels, classes):
    return torch.from_numpy(np.stack([labels == label for label in range(classes)], axis=1)).float()


def declared(scores, prediction, truth):
    """MONAI's scores with NaN where both masks are empty (MONAI's value there is 1)."""
    axes = tuple(range(2, prediction.ndim))
    held = (prediction + truth > 0).sum(dim=axes) > 0
    return torch.where(held, scores, math.nan).double().numpy()


@pytest.mark.parametrize(("ours", "theirs"), [(overlap.dice, compute_dice), (overlap.iou, compute_iou)])
def test_dice_and_iou_agree_with_monai(ours, theirs):
    masks = [torch.from_numpy(np.stack(of))[:, None].float() for of in zip(*PAIRS, strict=True)]
    expected = theirs(*masks, ignore_empty=False)
    made = {policy: [ours(*pair, empty=policy) for pair in PAIRS] for policy in ("one", "skip")}
    np.testing.assert_allclose(made["one"], expected[:, 0], rtol=1e-6)
    np.testing.assert_allclose(made["skip"], declared(expected, *masks)[:, 0], rtol=1e-6)
    assert np.isnan(made["skip"]).sum() == sum(not (p.any() or t.any()) for p, t in PAIRS) > 0


def test_mean_iou_agrees_with_monai():
    prediction, truth = (np.stack(masks) for masks in zip(*PAIRS, strict=True))
    labels = [masks + np.roll(masks, 1, axis=0) for masks in (prediction, truth)]  # 0, 1 and 2
    coded = [one_hot(part, 4) for part in labels]
    expected = compute_iou(*coded, ignore_empty=False)
    made = {
        policy: [overlap.volume_score(*pair, 4, "miou", policy) for pair in zip(*labels, strict=True)]
        for policy in ("one", "skip")
    }
    np.testing.assert_allclose(made["one"], expected.mean(dim=1), rtol=1e-6)
    np.testing.assert_allclose(made["skip"], np.nanmean(declared(expected, *coded), axis=1), rtol=1e-6)


@pytest.mark.filterwarnings("ignore::UserWarning:monai", "ignore::FutureWarning:monai")
def test_the_hausdorff_distance_agrees_with_monai():
    masks = [torch.from_numpy(np.stack(of))[:, None].float() for of in zip(*PAIRS, strict=True)]
    made = np.array([surface_distances(*pair, VOXEL_MM).hausdorff95() for pair in PAIRS])
    expected = compute_hausdorff_distance(*masks, include_background=True, percentile=95, spacing=VOXEL_MM)[:, 0]
    defined = np.array([p.any() and t.any() for p, t in PAIRS])
    np.testing.assert_allclose(made[defined], expected[defined], rtol=1e-5)
    assert not np.isfinite(made[~defined]).any()
    assert defined.sum() > 900


@pytest.mark.filterwarnings("ignore::UserWarning:monai", "ignore::FutureWarning:monai")
@pytest.mark.parametrize("tolerance_mm", [0.0, 1.1, 2.3])
def test_the_surface_dice_agrees_with_monai(tolerance_mm):
    masks = [torch.from_numpy(np.stack(of))[:, None].float() for of in zip(*PAIRS, strict=True)]
    made = [surface_distances(*pair, VOXEL_MM).surface_dice(tolerance_mm) for pair in PAIRS]
    expected = compute_surface_dice(*masks, [tolerance_mm], include_background=True, spacing=VOXEL_MM)[:, 0]
    np.testing.assert_allclose(made, expected, rtol=1e-6)
    assert np.isnan(made).sum() == sum(not (p.any() or t.any()) for p, t in PAIRS) > 0
    assert 0 < np.nanmean(made) < 1


@pytest.mark.parametrize("connectivity", lesions.CONNECTIVITIES)
def test_lesions_agree_with_scipy_and_scikit_image(connectivity):
    voxel_ml = 0.001
    for number, (prediction, truth) in enumerate(PAIRS):
        cutoff, volume = CUTOFFS[number % len(CUTOFFS)]
        table = lesions.count(lesions.of_scan(prediction, truth, voxel_ml, "a"), cutoff, volume)
        made = table.set_index("connectivity").loc[connectivity]
        ratios = lesions.ratios(made["lesions"], made["detected"], made["false_positives"])
        for label in (by_scipy, by_skimage):
            found, true, false = plain_counts(prediction, truth, label, connectivity, cutoff, volume, voxel_ml)
            assert (made["detected"], made["lesions"], made["false_positives"]) == (found, true, false), number
        missed = true - found
        for name, part, whole in (
            ("sensitivity", found, found + missed),
            ("precision", found, found + false),
            ("f1", found, found + (false + missed) / 2),
        ):
            over, under = ratios[name]
            value = over / under if under else math.nan
            assert value == pytest.approx(part / whole if whole else math.nan, nan_ok=True)
