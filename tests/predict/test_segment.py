"""New scans and a finished model: what is refused, and that masks are on the scan's own grid."""

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import small
from oracle import Oracle

from headstart import images
from headstart.datasets import intake
from headstart.images import Grid, Volume
from headstart.job import UserError, read_json
from headstart.metrics import overlap
from headstart.networks import fine_tuned, model_files
from headstart.networks.architectures import Architecture, Segmenter
from headstart.predict import request, segment
from headstart.register.affine import RegisteredScan
from headstart.slices import cut
from headstart.template import template

NETWORK = {"encoder": "resnet18", "latent_channels": 4, "decoder_widths": [4] * 9, "normalisation": "batch"}
METADATA = {
    "kind": "segmentation",
    "source": "scratch",
    "target": "two-parts",
    "classes": ["background", "ball", "core"],
    "training": {"epochs": 1, "precision": "float32"},
    "network": NETWORK,
    **small.PREPARATION,
    "discard_mm": {"top": 0, "bottom": 0},
}
STOP = {"template_correlation": [0.6, 1], "brain_dice": [0.8, 1]}
LIMITS = {"stop": STOP, "stop_images": {"similarity": [1.03, 1.5]}}
SETTINGS = {"pattern": None, "patterns": {}, "exclude": [], "name": None, "threads": 1}
GOOD_QUALITY = {
    "template_correlation": 0.95, "brain_dice": 0.96, "brain_ml": 1500.0, "brain_native_ml": 1500.0,
    "determinant": 1.0, "stripped": False,
}  # fmt: skip


MAPS = dict.fromkeys(("t1", "brain", "csf", "gm", "wm"))


def save_model(folder, **changed):
    metadata = {**METADATA, **changed}
    architecture = Architecture.of(metadata["network"])
    network = Segmenter(architecture.make_encoder(1), architecture.make_decoder(len(metadata["classes"]), 1))
    model_files.save(network, folder / request.WEIGHTS, metadata)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("study") / "results/a/finetune/two-parts/scratch/size-2_resample-1")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "new scans"
    made.mkdir()
    images.write(made / "one.nii.gz", Volume(np.random.default_rng(0).random((60, 60, 60)), np.eye(4)), np.float32)
    return made


def simulate(monkeypatch, truth, transform, metadata):
    """Have segment() find a known affine, with a network that knows the ground truth (on the scan's own grid)."""
    grid = template.grid(metadata["voxel_mm"])
    there = images.resample_labels(truth, grid, transform)
    t1 = Volume((there.data > 0).astype(np.float32), grid.affine)
    registered = RegisteredScan(t1, there, transform, b"itk", dict(GOOD_QUALITY))
    monkeypatch.setattr(segment, "register", lambda *args, **kwargs: registered)
    monkeypatch.setattr(segment.quality, "contrast", lambda *args: {"wm_minus_gm": 0.1, "wm_minus_csf": 0.2})
    known = cut.cut(there, metadata["size"][0], metadata["discard_mm"])
    return Oracle(known, len(metadata["classes"])), there


def ball(grid, transform):
    """A ball of 60 mm in template space with a core of 30 mm, on a scan's own grid."""
    place = np.moveaxis(np.indices(grid.shape), 0, -1) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    back = np.linalg.inv(transform)
    radius = np.linalg.norm(place @ back[:3, :3].T + back[:3, 3] - [0, -17, 10], axis=-1)
    return Volume(((radius < 60).astype(np.uint8) + (radius < 30)).astype(np.uint8), grid.affine)


TRANSFORM = np.array([[1.05, 0.06, 0, 4], [-0.04, 0.95, 0.05, -3], [0, -0.03, 1.0, 5], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("axes", ["RAS", "LPS", "ASL", "PIR", "SAL", "IRP", "LSA"])
def test_the_mask_is_on_the_scans_own_grid_for_any_orientation_of_its_axes(monkeypatch, tmp_path, axes):
    upright = Grid(
        (100, 110, 90), np.array([[1.6, 0.1, 0, -80], [-0.1, 1.7, 0.1, -100], [0, -0.1, 1.8, -70], [0, 0, 0, 1]])
    )
    truth = ball(upright, TRANSFORM)
    turned = nib.Nifti1Image(truth.data, truth.affine).as_reoriented(
        nib.orientations.ornt_transform(nib.io_orientation(truth.affine), nib.orientations.axcodes2ornt(axes))
    )
    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(np.asarray(turned.dataobj, np.float32), turned.affine), path)
    own = Volume(np.asarray(turned.dataobj), turned.affine)
    metadata = {**METADATA, "voxel_mm": 1.5, "size": [160, 160]}
    oracle, there = simulate(monkeypatch, own, TRANSFORM, metadata)
    made = segment.segment({"T1w": path}, oracle, metadata, MAPS, LIMITS, threads=1)
    assert made.record["status"] == "passed"
    assert made.mask.grid.matches(images.read(path).grid)
    np.testing.assert_array_equal(made.in_space.data, there.data)
    for label in (1, 2):
        assert overlap.dice(made.mask.data == label, own.data == label, "skip") > 0.99
    volume = (own.data == 2).sum() * own.grid.voxel_ml
    assert made.record["volumes_ml"]["core"] == pytest.approx(volume, rel=0.01)


def test_slices_that_training_discarded_are_background(monkeypatch, tmp_path):
    grid = Grid((80, 90, 80), np.diag([2.0, 2, 2, 1]))
    grid.affine[:3, 3] = (-80, -110, -70)
    truth = ball(grid, np.eye(4))
    images.write(tmp_path / "scan.nii.gz", truth, np.float32)
    metadata = {**METADATA, "discard_mm": {"top": 60, "bottom": 50}}
    oracle, there = simulate(monkeypatch, truth, np.eye(4), metadata)
    made = segment.segment({"T1w": tmp_path / "scan.nii.gz"}, oracle, metadata, MAPS, LIMITS, threads=1)
    kept = slice(round(50 / 4), there.data.shape[2] - round(60 / 4))
    np.testing.assert_array_equal(made.in_space.data[:, :, kept], there.data[:, :, kept])
    assert made.in_space.data.sum() == there.data[:, :, kept].sum() < there.data.sum()
    heights = (np.argwhere(made.mask.data) @ grid.affine[:3, :3].T + grid.affine[:3, 3])[:, 2]
    assert heights.min() > -72 + 50 - 4
    assert heights.max() < 117 - 60 + 4


def test_a_registration_outside_the_limits_gets_no_mask(monkeypatch, folder, tmp_path):
    truth = Volume(np.ones((60, 60, 60), np.uint8), np.eye(4))
    oracle, _ = simulate(monkeypatch, truth, np.eye(4), METADATA)
    made = segment.segment(
        {"T1w": folder / "one.nii.gz"}, oracle, METADATA, MAPS, {"stop": {"brain_dice": [0.97, 1]}}, threads=1
    )
    assert made.record["status"] == "failed"
    assert made.record["failed"] == "brain_dice 0.96, below 0.97"
    assert made.mask is None
    written = tmp_path / "out/sub-one"
    segment.write(made, written, "one", "weights", METADATA, made.registered.brain)
    assert {path.name for path in (written / "anat").iterdir()} == {
        "sub-one_desc-qc_T1w.json", "sub-one_desc-qc_T1w.png",
        f"sub-one_from-T1w_to-{template.SPACE}_mode-image_xfm.mat",
    }  # fmt: skip


def test_a_scan_that_cannot_be_read_is_recorded(folder, tmp_path):
    whole = (folder / "one.nii.gz").read_bytes()
    (folder / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    made = segment.segment({"T1w": folder / "cut.nii.gz"}, None, METADATA, {}, LIMITS, threads=1)
    assert made.record["status"] == "failed"
    assert "is damaged or cut short" in made.record["failed"]
    segment.write(made, tmp_path / "sub-cut", "cut", "weights", METADATA, None)
    assert [path.name for path in (tmp_path / "sub-cut/anat").iterdir()] == ["sub-cut_desc-qc_T1w.json"]


def test_mask_sidecar_and_pictures_are_written_under_bids_names(monkeypatch, folder, tmp_path):
    truth = Volume((images.read(folder / "one.nii.gz").data > 0.2).astype(np.uint8), np.eye(4))
    oracle, there = simulate(monkeypatch, truth, np.eye(4), METADATA)
    made = segment.segment({"T1w": folder / "one.nii.gz"}, oracle, METADATA, MAPS, LIMITS, threads=1)
    about = {**METADATA, "sha256": {"model.safetensors": "0" * 64}}
    segment.write(made, tmp_path / "sub-one", "one", "m/model.safetensors", about, there)
    stem = tmp_path / "sub-one/anat/sub-one_desc-twoparts_dseg"
    mask = images.read(f"{stem}.nii.gz", None)
    assert mask.data.dtype == np.uint8
    assert mask.grid.matches(images.read(folder / "one.nii.gz").grid)
    sidecar = read_json(f"{stem}.json")
    assert sidecar["Classes"] == {"0": "background", "1": "ball", "2": "core"}
    assert sidecar["Model"] == "m"
    assert sidecar["ModelSHA256"] == "0" * 64
    assert set(sidecar["Seconds"]) == {"check", "register", "predict", "restore"}
    assert sidecar["VolumesML"]["ball"] == pytest.approx((mask.data == 1).sum() / 1000)
    assert sidecar["ScanSHA256"] == intake.fingerprint(images.read(folder / "one.nii.gz"))
    assert stem.with_suffix(".png").stat().st_size > 1000


def test_a_finished_model_is_loaded_from_its_folder(model):
    network = fine_tuned.load(model / request.WEIGHTS, request.read_metadata(model))
    t1 = Volume(np.zeros(template.grid(4).shape, np.float32), template.grid(4).affine)
    predicted = segment.segment_registered([t1], network, METADATA)
    assert predicted.grid.matches(template.grid(4))
    assert predicted.data.max() < 3


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"kind": "t1-segmentation"}, "does not describe a fine-tuned model"),
        ({"template": "MNI305"}, "says template is 'MNI305'"),
        ({"discard_mm": None, "register": None}, "lacks discard_mm, register, which a prediction needs"),
        ({"voxel_mm": None}, "lacks voxel_mm"),
        ({"voxel_mm": 1}, "says size is 64, which its grid of 233 voxels does not fit in"),
    ],
)
def test_models_that_cannot_predict_are_refused_with_a_reason(model, tmp_path, changed, sentence):
    shutil.copytree(model, tmp_path / "model")
    metadata = {
        key: value for key, value in {**read_json(model / "model.json"), **changed}.items() if value is not None
    }
    (tmp_path / "model/model.json").write_text(json.dumps(metadata))
    with pytest.raises(UserError, match=f"model.json {sentence}"):
        request.read_metadata(tmp_path / "model")


def test_a_model_with_missing_or_damaged_files_is_refused(model, tmp_path):
    with pytest.raises(UserError, match=r"model\.json does not exist; set predict\.model"):
        request.read_metadata(tmp_path)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(UserError, match=r"model\.safetensors does not exist"):
        request.read_metadata(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=r"model\.json is damaged"):
        request.read_metadata(tmp_path)


def test_weights_other_than_those_described_are_refused(model, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    weights = tmp_path / "model/model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(UserError, match="is not the file that"):
        fine_tuned.load(weights, request.read_metadata(tmp_path / "model"))
    with pytest.raises(UserError, match="says voxel_mm is 4 but"):
        fine_tuned.load(model / request.WEIGHTS, {**request.read_metadata(model), "voxel_mm": 2})


def test_scans_are_found_under_any_name(model, folder):
    for name in ("sub-07_T1w.nii", "Jörg & Co. $(rm -rf x).nii.gz", 'it\'s; "two".nii.gz', "notes.txt"):
        shutil.copy(folder / "one.nii.gz", folder / name)
    (folder / "deeper").mkdir()
    shutil.copy(folder / "one.nii.gz", folder / "deeper/other.nii.gz")
    settings = {**SETTINGS, "model": str(model), "folder": str(folder)}
    found = request.read_request(settings)
    assert set(found.scans) == {"one", "07", "JrgCormrfx", "itstwo"}
    assert found.metadata["target"] == "two-parts"
    assert set(request.read_request({**settings, "exclude": ["one", "07"]}).scans) == {"JrgCormrfx", "itstwo"}
    assert set(request.read_request({**settings, "pattern": "deeper/(?P<subject>.*).nii.gz"}).scans) == {"other"}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"model": None}, r"predict\.model is not set; set it to the folder of a fine-tuned model"),
        ({"folder": None}, r"predict\.folder is not set; set it to the folder of the new scans"),
        ({"folder": "nowhere"}, r"predict: the folder .*nowhere does not exist; check predict\.folder"),
        ({"pattern": "x"}, r"predict\.pattern has no group"),
        ({"pattern": "(?P<subject>x)"}, r"match its pattern; check predict\.folder and predict\.pattern"),
        ({"exclude": ["two"]}, r"predict\.exclude names two, which the folder lacks"),
    ],
)
def test_invalid_requests_are_refused_in_one_sentence(model, folder, changed, sentence):
    with pytest.raises(UserError, match=sentence) as raised:
        request.read_request({**SETTINGS, "model": str(model), "folder": str(folder), **changed})
    assert "datasets" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_two_scans_with_the_same_name_are_refused(model, folder):
    shutil.copy(folder / "one.nii.gz", folder / "o-n-e.nii.gz")
    with pytest.raises(UserError, match="are both subject 'one'"):
        request.read_request({**SETTINGS, "model": str(model), "folder": str(folder)})


def test_masks_are_written_to_the_study_that_the_model_belongs_to(model):
    study = str(model.parents[3])
    assert request.output_place({"model": str(model), "folder": "/x/new scans", "name": None}, "r/b") == (
        study,
        "newscans",
    )
    assert request.output_place({"model": "elsewhere/m", "folder": "日本", "name": None}, "r/b") == ("r/b", "scans")
    assert request.output_place({"model": None, "folder": None, "name": "late-2"}, "r/b") == ("r/b", "late-2")
    assert request.output_place({"model": "{a}/finetune/t/s/r", "folder": "x", "name": None}, "r/b") == ("r/b", "x")


def test_the_table_has_every_scan_and_the_check_names_those_without_a_mask():
    checked = {**GOOD_QUALITY, "repairs": [], "warnings": [], "axes": "RAS", "placed_by": "sform", "file": "a.nii.gz"}
    checked |= {"wm_minus_gm": 0.1, "wm_minus_csf": 0.2}
    records = {
        "c": {**checked, "status": "passed", "failed": "", "volumes_ml": {"ball": 3.5}, "seconds": {"check": 1}},
        "b": {**checked, "status": "failed", "failed": "brain_dice 0.3, below 0.8", "brain_dice": 0.3},
        "a": {
            "status": "failed",
            "failed": "a.nii.gz cannot be read",
            "file": "a.nii.gz",
            "repairs": [],
            "warnings": [],
        },
    }
    table = segment.tabulate(records, STOP, 3.5)
    assert list(table["subject"]) == ["a", "b", "c"]
    assert list(table["status"]) == ["failed", "failed", "passed"]
    assert table["ball ml"].iloc[2] == 3.5
    assert table["ball ml"].isna().sum() == 2
    with pytest.raises(UserError, match=r"2 of 3 scans got no mask \(a: a.nii.gz cannot be read; b: brain_dice 0\.3"):
        request.check_predictions(table, "predictions.tsv")
    request.check_predictions(table[table["status"] == "passed"], "predictions.tsv")
    alone = segment.tabulate({"a": records["a"]}, STOP, 3.5)
    assert isinstance(alone, pd.DataFrame)
    assert list(alone["status"]) == ["failed"]
