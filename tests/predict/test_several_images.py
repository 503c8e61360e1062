"""New scans with several images: what a refused image means for the scan."""

import nibabel as nib
import numpy as np
import pytest
from oracle import Oracle

from headstart.images import Volume
from headstart.predict import segment
from headstart.register.affine import RegisteredScan
from headstart.register.rigid import AlignedImage
from headstart.template import template

GRID = template.grid(8)
METADATA = {
    "voxel_mm": 8,
    "size": [32, 32],
    "discard_mm": {"top": 0, "bottom": 0},
    "network": {"images": 2},
    "images": ["FLAIR", "T1w"],
    "training": {"precision": "float32"},
    "register": {"voxel_mm": 4, "shrink": [1], "iterations": [1], "sampling_rate": 0.1},
    "percentiles": [1, 99],
    "classes": ["background", "lesion"],
}
LIMITS = {"stop": {"brain_dice": [0.8, 1]}, "stop_images": {"similarity": [1.03, 1.5], "covered": [0.9, 1]}}
MAPS = dict.fromkeys(("t1", "brain", "csf", "gm", "wm"))
QUALITY = {"brain_dice": 0.95, "template_correlation": 0.9, "determinant": 1.0, "brain_ml": 1.0, "brain_native_ml": 1.0}


@pytest.fixture
def paths(tmp_path):
    rng = np.random.default_rng(0)
    found = {name: tmp_path / f"a_{name}.nii.gz" for name in ("T1w", "FLAIR")}
    for path in found.values():
        nib.save(nib.Nifti1Image(rng.random((20, 20, 20), np.float32) + 1, np.diag([8.0, 8, 8, 1])), path)
    return found


@pytest.fixture
def segmented(monkeypatch, paths):
    """Segment a scan whose FLAIR has these measures; also returns what the network was given."""

    def of(**measures):
        images = {name: Volume(np.full(GRID.shape, value, np.float32), GRID.affine) for name, value in
                  (("T1w", 0.25), ("FLAIR", 0.75))}  # fmt: skip
        registered = RegisteredScan(images["T1w"], images["T1w"], np.eye(4), b"", {**QUALITY, "stripped": False})
        fits = {"similarity": 1.1, "covered": 1.0, "starts_apart_mm": 0.1, **measures}
        aligned = AlignedImage(images["FLAIR"], np.eye(4), b"", False, fits)
        monkeypatch.setattr(segment, "register", lambda *_, **__: registered)
        monkeypatch.setattr(segment, "align", lambda *_, **__: aligned)
        monkeypatch.setattr(segment.quality, "contrast", lambda *_: {"wm_minus_gm": 0.1, "wm_minus_csf": 0.2})
        given = []

        class Watched(Oracle):
            def forward(self, slices):
                given.append(slices)
                return super().forward(slices)

        known = np.zeros((GRID.shape[2], 32, 32), np.uint8)
        return segment.segment(paths, Watched(known, 2), METADATA, MAPS, LIMITS, threads=1), given

    return of


def test_the_network_sees_the_images_in_the_order_of_the_model(segmented, paths):
    made, given = segmented()
    assert made.record["status"] == "passed"
    middle = given[0][10, :, 16, 16]
    assert np.allclose(middle.numpy(), [0.75, 0.25], atol=1e-4)
    assert made.record["images"]["FLAIR"]["file"] == str(paths["FLAIR"])
    assert made.record["images"]["FLAIR"]["similarity"] == 1.1


def test_an_image_that_does_not_lie_on_the_t1_means_no_mask(segmented):
    made, given = segmented(similarity=1.01, covered=0.5)
    assert made.mask is None
    assert not given
    assert made.record["failed"] == "FLAIR: similarity 1.01, below 1.03; FLAIR: covered 0.5, below 0.9"
    passed, _ = segmented()
    table = segment.tabulate({"a": made.record, "b": passed.record}, LIMITS["stop"], 3.5)
    assert table["status"].tolist() == ["failed", "passed"]
    assert table["failed"].tolist() == [made.record["failed"], ""]
    assert "images" not in table


def test_warnings_about_an_image_are_those_of_the_scan(segmented):
    made, _ = segmented(starts_apart_mm=12.0)
    assert made.record["status"] == "passed"
    assert made.record["warnings"] == ["FLAIR: registrations from two starts ended 12 mm apart"]
    table = segment.tabulate({"a": made.record}, LIMITS["stop"], 3.5)
    assert table["status"].tolist() == ["review"]
    assert "FLAIR: registrations from two starts" in table["warnings"][0]


def test_an_image_that_is_the_t1_is_named(segmented, paths):
    paths["FLAIR"].write_bytes(paths["T1w"].read_bytes())
    made, _ = segmented()
    assert made.mask is None
    assert list(made.seen) == ["T1w"]
    assert "a_FLAIR.nii.gz is the same image as the scan's first" in made.record["failed"]


def test_files_are_named_after_the_first_image(segmented, tmp_path, monkeypatch):
    monkeypatch.setattr(segment.scan_pictures, "registration", lambda path, *_: None)
    made, _ = segmented(similarity=1.01)
    for first in ("T1w", "FLAIR"):
        metadata = {"target": "lesion", **({"first_image": first} if first != "T1w" else {})}
        segment.write(made, tmp_path / first, "a", "model", metadata, made.registered.brain)
        assert {path.name for path in (tmp_path / first / "anat").iterdir()} == {
            f"sub-a_desc-qc_{first}.json",
            f"sub-a_from-{first}_to-{template.SPACE}_mode-image_xfm.mat",
        }


def test_the_first_of_the_images_is_registered_to_the_template(segmented, paths, monkeypatch):
    monkeypatch.setitem(METADATA, "first_image", "FLAIR")
    swapped = {name: paths.pop(name) for name in ("T1w", "FLAIR")}
    paths.update({"FLAIR": swapped["FLAIR"], "T1w": swapped["T1w"]})
    made, _ = segmented()
    assert made.record["file"] == str(swapped["FLAIR"])
    assert list(made.record["images"]) == ["T1w"]
