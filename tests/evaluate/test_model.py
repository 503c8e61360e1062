from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from small import architecture

from headstart import job
from headstart.evaluate.model import find_lesions, predict, score_model, score_scan, write
from headstart.evaluate.scores import check_complete
from headstart.job import UserError
from headstart.metrics import lesions
from headstart.networks import model_files
from headstart.networks.architectures import Segmenter
from headstart.slices import store

NAMES = ["background", "lesion"]
SETTINGS = {"voxel_mm": 2.0, "tolerance_mm": {"sub-01": 3.0, "sub-02": 4.5}, "precision": "float32"}
SMALL = architecture()


@pytest.fixture
def trained(tmp_path):
    model = Segmenter(SMALL.make_encoder(1), SMALL.make_decoder(2, 1))
    model_files.save(model, tmp_path / "model.safetensors", {"classes": NAMES})
    rng = np.random.default_rng(0)
    scans = {scan: (tmp_path / f"{scan}_image.npy", tmp_path / f"{scan}_labels.npy") for scan in ("sub-01", "sub-02")}
    for image_path, label_path in scans.values():
        store.write_image(image_path, rng.random((2, 32, 32)))
        store.write_labels(label_path, rng.integers(0, 2, (2, 32, 32)))
    return model, tmp_path / "model.safetensors", scans


def test_a_saved_model_has_the_scores_of_the_model_in_memory(trained):
    model, path, scans = trained
    table, predictions = score_model(path, SMALL, NAMES, scans, **SETTINGS)
    check_complete(table, scans)
    for scan, (image_path, label_path) in scans.items():
        assert np.array_equal(predictions[scan], predict(model, store.read(image_path), precision="float32"))
        expected = score_scan(
            predictions[scan], np.array(store.read(label_path)), NAMES, scan, 2.0, SETTINGS["tolerance_mm"][scan]
        )
        pd.testing.assert_frame_equal(table[table["scan"] == scan].reset_index(drop=True), expected)


def test_lesion_volumes_follow_from_the_voxel_size(trained):
    _, path, scans = trained
    scored, predictions = score_model(path, SMALL, NAMES, scans, **SETTINGS)
    rows = scored[(scored["level"] == "volume") & (scored["label"] == 1)]
    assert len(rows) == 2
    assert rows["hd95_mm"].notna().all()
    found = find_lesions(predictions, scans, 2.0)
    check_complete(found, scans)
    for scan, (_, label_path) in scans.items():
        expected = lesions.of_scan(predictions[scan], np.array(store.read(label_path)), 0.008, scan)
        pd.testing.assert_frame_equal(found[found["scan"] == scan].reset_index(drop=True), expected)
    true = found[found["kind"] == "true"]
    assert len(true)
    assert np.allclose(true["volume_ml"], true["voxels"] * 0.008)


def test_a_model_of_other_classes_is_refused(trained):
    _, path, scans = trained
    with pytest.raises(UserError, match="classes is"):
        score_model(path, SMALL, ["background", "tumour"], scans, **SETTINGS)


def test_scores_and_predictions_are_read_back_and_written_as_the_same_bytes(tmp_path, trained):
    table, predictions = score_model(trained[1], SMALL, NAMES, trained[2], **SETTINGS)
    for run in ("first", "again"):
        write(table, predictions, tmp_path / run / "metrics.parquet", tmp_path / run / "predictions.npz")
    for name in ("metrics.parquet", "predictions.npz"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "first" / "metrics.parquet"), table)
    with np.load(tmp_path / "first" / "predictions.npz") as archive:
        assert set(archive) == set(predictions)
        assert all(np.array_equal(archive[scan], predictions[scan]) for scan in predictions)


@pytest.mark.parametrize("metric", ["dice", "miou"])
def test_the_script_writes_scores_and_lesions_of_targets_with_lesions(trained, tmp_path, run_script, metric):
    _, model, scans = trained
    paths = {name: tmp_path / f"part-0000_{name}" for name in ("T1w.npy", "dseg.npy", "scans.tsv")}
    images, labels = (np.concatenate([store.read(pair[k]) for pair in scans.values()]) for k in (0, 1))
    store.write_image(paths["T1w.npy"], images / store.SCALE)
    store.write_labels(paths["dseg.npy"], labels)
    store.write_index(paths["scans.tsv"], list(scans), [2, 2])
    names = {"metrics": "metrics.parquet", "predictions": "predictions.npz", "lesions": "lesions.parquet"}
    written = {key: [tmp_path / "written" / name] for key, name in names.items()}
    written["lesions"] *= metric == "dice"
    job.write_json(tmp_path / "registered.json", {"determinant": 0.512})
    run_script(
        "evaluate_target",
        SimpleNamespace(
            models=[model],
            index=[paths["scans.tsv"]],
            images=[paths["T1w.npy"]],
            labels=[paths["dseg.npy"]],
            registered=[tmp_path / "registered.json"],
        ),
        {
            "torch_threads": 1,
            "scans": [["sub-02"]],
            "tested": ["sub-02"],
            "tolerance_mm": 4.0,
            "network": {"encoder": "resnet18", "latent_channels": 4, "normalisation": "batch"}
            | {"decoder_widths": list(SMALL.decoder_widths)},
            "classes": NAMES,
            "voxel_mm": 3.0,
            "precision": "float32",
        },
        SimpleNamespace(**written),
    )
    table = pd.read_parquet(written["metrics"][0])
    tested = {"sub-02": scans["sub-02"]}
    expected, predictions = score_model(
        model, SMALL, NAMES, tested, voxel_mm=3.0, tolerance_mm={"sub-02": 4.0 / 0.8}, precision="float32"
    )
    pd.testing.assert_frame_equal(table, expected)
    if metric == "dice":
        found = find_lesions(predictions, tested, 3.0)
        pd.testing.assert_frame_equal(pd.read_parquet(written["lesions"][0]), found)
    assert {path.name for path in (tmp_path / "written").iterdir()} == {
        path[0].name for path in written.values() if path
    }
