"""The imaging stages of the pipeline on real scans, if these are available."""

import dataclasses

import numpy as np
import pytest
import yaml
from oracle import Oracle
from settings_of import ANTS_LABELS, LABEL_MAP, REGISTRATION, ROOT

from headstart import images
from headstart.consistency import label_values
from headstart.datasets.intake import read_image
from headstart.images import Volume
from headstart.label import ants
from headstart.label.tissue import tissue
from headstart.metrics import overlap
from headstart.predict import segment
from headstart.register import brain_extraction
from headstart.register.affine import register
from headstart.register.manual_labels import target_labels
from headstart.slices import cut
from headstart.template import atlases, template
from headstart.template.atlases import NEUROMORPHOMETRICS

# At the paper's 1 mm.
FINE_LABELS = dataclasses.replace(ANTS_LABELS, warp_mm=1)

pytestmark = pytest.mark.real


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.fixture(scope="module")
def reference():
    return atlases.build(atlases.NAMES, threads=2)


@pytest.fixture(scope="module")
def registered(real_scans, reference):
    path = real_scans / "oasis-miccai2012/1007_SS.nii.gz"
    return path, register(path, reference.t1, reference.brain, template.grid(1), REGISTRATION, threads=2)


def test_the_template_is_as_documented(reference):
    assert reference.t1.grid.matches(template.grid(1))
    assert reference.t1.data.max() == 1
    total = reference.csf.data + reference.gm.data + reference.wm.data
    np.testing.assert_allclose(total[reference.brain.data > 0], 1, atol=1e-5)
    assert set(np.unique(reference.structures.data)) == {0, *template.STRUCTURES}
    left, right = (np.argwhere(reference.structures.data == v)[:, 0].mean() for v in (10, 49))
    assert left < 98 < right  # RAS+: the left side has the smaller index
    grey = reference.gm.data[reference.structures.data == 11].mean()
    assert grey > 0.5  # the caudate of the atlas is grey matter in the template


def test_a_stripped_scan_with_a_far_origin_is_registered(registered):
    _, found = registered
    assert found.quality["stripped"]
    assert found.quality["brain_dice"] > 0.93
    assert found.quality["template_correlation"] > 0.9
    assert 1000 < found.quality["brain_ml"] < 2000
    assert found.image.data.min() == 0
    assert found.image.data.max() == 1


def test_manual_labels_follow_their_scan(registered, real_scans):
    path, found = registered
    glm = str(path).replace("_SS", "_glm")
    values = {**{v: 1 for v in (44, 45)}, **{v: 2 for v in label_values(["100-207"])}}
    _, moved = target_labels([glm], path, found.transform, template.grid(1), values, LABEL_MAP)
    outside = (moved.data > 0) & (found.brain.data == 0)
    assert outside.sum() < 0.01 * (moved.data > 0).sum()
    native = images.read(glm, np.uint16)
    ml = np.isin(native.data, [44, 45]).sum() * native.grid.voxel_ml
    there = (moved.data == 1).sum() / 1000 * np.linalg.det(found.transform)
    assert there == pytest.approx(ml, rel=0.01)


def test_a_mask_has_the_same_overlap_on_the_scans_grid(registered, real_scans, reference, monkeypatch):
    """Manual labels resampled twice, and labels with errors like a network's: the same overlap to 0.01 at 1 mm."""
    path, found = registered
    classes = yaml.safe_load((ROOT / "studies/oasis.yaml").read_text())["targets"]["anatomy"]["classes"]
    values = {v: k for k, listed in enumerate(classes.values(), 1) for v in label_values(listed)}
    native, there = target_labels(
        [str(path).replace("_SS", "_glm")], path, found.transform, template.grid(1), values, LABEL_MAP
    )
    metadata = {
        "classes": ["background", *classes], "voxel_mm": 1, "size": [256, 256],
        "percentiles": REGISTRATION.percentiles, "register": dataclasses.asdict(REGISTRATION),
        "discard_mm": {"top": 0, "bottom": 0}, "training": {"precision": "float32"}, "network": {},
    }  # fmt: skip
    maps = {name: getattr(reference, name) for name in ("t1", "brain", "csf", "gm", "wm")}
    monkeypatch.setattr(segment, "register", lambda *args, **kwargs: found)
    shifted = Volume(np.roll(there.data, (2, -1, 1), (0, 1, 2)), there.affine)
    for predicted, least in ((there, 0.985), (shifted, 0)):
        oracle = Oracle(cut.whole(predicted, 256), 7)
        made = segment.segment({"T1w": path}, oracle, metadata, maps, {"stop": {"brain_dice": [0.9, 1]}}, threads=1)
        np.testing.assert_array_equal(made.in_space.data, predicted.data)
        for k in range(1, 7):
            on_scan = overlap.dice(made.mask.data == k, native.data == k, "skip")
            assert on_scan > least
            if predicted is shifted:
                assert on_scan == pytest.approx(overlap.dice(predicted.data == k, there.data == k, "skip"), abs=0.01)


def test_automatic_labels_agree_with_manual_ones(registered, reference):
    path, found = registered
    grid = template.grid(1)
    made = ants.label(path, found.brain, found.transform, reference, grid, FINE_LABELS, threads=2)
    values = {**NEUROMORPHOMETRICS, 44: 200, 45: 200}
    _, manual = target_labels([str(path).replace("_SS", "_glm")], path, found.transform, grid, values, LABEL_MAP)
    scores = [dice(made.structures.data == v, manual.data == v) for v in template.STRUCTURES]
    assert np.mean(scores) > 0.8
    assert min(scores) > 0.6
    cerebrum = np.isin(manual.data, [200])
    assert (made.tissue.data[cerebrum] == 3).mean() > 0.85


def test_automatic_tissues_agree_with_fast_and_with_manual_ones(real_scans):
    folder = real_scans / "oasis-miccai2012"
    scan = images.read(folder / "1007_SS.nii.gz")
    manual, fast = (images.read(folder / name, None).data for name in ("1007_glm.nii.gz", "fast/1007_seg.nii.gz"))
    made = tissue(
        scan,
        Volume((scan.data > 0).astype(np.uint8), scan.affine),
        bias_mm=ANTS_LABELS.bias_mm,
        smoothness=ANTS_LABELS.smoothness,
        steps=ANTS_LABELS.steps,
    ).data
    wm, cortex = np.isin(manual, [44, 45]), np.isin(manual, label_values(["100-207"]))
    for found, least in ((made, (0.93, 0.74)), (fast, (0.90, 0.69))):
        either = wm | cortex
        assert dice((found == 3) & either, wm) > least[0]
        assert dice((found == 2) & either, cortex) > least[1]
    assert dice(made == 2, fast == 2) > 0.92
    assert dice(made == 3, fast == 3) > 0.95


def test_the_brain_of_a_head_is_found(real_scans):
    folder = real_scans / "mni152-head"
    head, _ = read_image(folder / "MNI152_T1_1mm_uint8_head.nii.gz")
    mask, stripped = brain_extraction.extract(head, threads=2)
    reference = images.read(folder / "MNI152_T1_1mm_brain_mask_allineate.nii.gz").data > 0
    assert not stripped
    assert dice(mask.data > 0, reference) > 0.97
    whole = brain_extraction.head(head, mask)
    assert whole[mask.data > 0].mean() > 0.999
    assert whole.sum() > 1.5 * mask.data.sum()


def test_thick_slices_of_a_head_are_registered(real_scans, reference):
    path = real_scans / "lesjak-ms/heads/patient03/study2_T1W.nii.gz"
    found = register(path, reference.t1, reference.brain, template.grid(2), REGISTRATION, threads=2)
    assert not found.quality["stripped"]
    assert found.quality["brain_dice"] > 0.93
