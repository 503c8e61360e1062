from types import SimpleNamespace

import numpy as np
import pytest
from small import architecture

from headstart.evaluate import archive
from headstart.evaluate.model import predict, predict_scans
from headstart.job import UserError
from headstart.networks import model_files
from headstart.networks.architectures import Segmenter
from headstart.slices import store
from headstart.slices.channels import Channels

NAMES = ["background", "lesion"]
SMALL = architecture()
ALONE = {"channels": Channels(), "precision": "float32"}


@pytest.fixture
def trained(tmp_path):
    model = Segmenter(SMALL.make_encoder(1), SMALL.make_decoder(2, 1))
    model_files.save(model, tmp_path / "model.safetensors", {"classes": NAMES})
    rng = np.random.default_rng(0)
    scans = {scan: tmp_path / f"{scan}_image.npy" for scan in ("sub-01", "sub-02")}
    for path in scans.values():
        store.write_image(path, rng.random((2, 32, 32)))
    return model, tmp_path / "model.safetensors", scans


def test_a_saved_model_predicts_what_the_model_in_memory_does(trained):
    model, path, scans = trained
    predictions = dict(predict_scans(path, SMALL, NAMES, {scan: [file] for scan, file in scans.items()}, **ALONE))
    assert list(predictions) == list(scans)
    for scan, images in scans.items():
        assert np.array_equal(predictions[scan], predict(model, store.read(images), precision="float32"))


def test_a_model_of_other_classes_is_refused(trained):
    _, path, scans = trained
    with pytest.raises(UserError, match="classes is"):
        list(predict_scans(path, SMALL, ["background", "tumour"], scans, **ALONE))


def test_the_script_writes_the_predictions_of_each_models_own_scans(trained, tmp_path, run_script):
    model, path, scans = trained
    index, images = tmp_path / "part-0000_scans.tsv", tmp_path / "part-0000_T1w.npy"
    store.write_image(images, np.concatenate([store.read(file) for file in scans.values()]) / store.SCALE)
    store.write_index(index, list(scans), [2, 2])
    written = [tmp_path / "written" / name for name in ("1.npz", "2.npz")]
    run_script(
        "segment_target",
        SimpleNamespace(models=[path, path], index=[index], images=[images]),
        {
            "torch_threads": 1,
            "scans": [["sub-02"], ["sub-02", "sub-01"]],
            "network": {"encoder": "resnet18", "latent_channels": 4, "normalisation": "batch"}
            | {"decoder_widths": list(SMALL.decoder_widths)},
            "classes": NAMES,
            "precision": "float32",
            "neighbour_step": 1,
        },
        SimpleNamespace(predictions=written),
    )
    for file, subjects in zip(written, (["sub-02"], ["sub-02", "sub-01"]), strict=True):
        with np.load(file) as found:
            assert found.files == subjects
        for scan in subjects:
            expected = predict(model, store.read(scans[scan]), precision="float32")
            assert np.array_equal(archive.read(file, scan), expected)
