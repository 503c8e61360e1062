"""The network of a source as a model of a target: it decides as the source does, in the target's classes."""

import numpy as np
import pytest
import small
import torch

from headstart import as_pretrained
from headstart.job import UserError, read_json
from headstart.networks import model_files
from headstart.networks.architectures import Segmenter
from headstart.training.loop import predict

GIVEN = ["background", "ventricles", "White matter", "skull", "grey matter", "skin"]
WANTED = ["background", "Grey matter", "white matter"]
# The value in the target of each value of the source.
VALUES = np.array([0, 0, 2, 0, 1, 0], np.uint8)
IMAGES = np.random.default_rng(0).integers(0, 65536, (3, 64, 64)).astype(np.uint16)
EXPECTS = {"template": "MNI", "size": [64, 64]}


@pytest.fixture(params=["paper", "unet"])
def source(request, tmp_path):
    """A source that sees all of its classes, and its files."""
    architecture = small.architecture(decoder=request.param)
    model = Segmenter(architecture.make_encoder(1), architecture.make_decoder(len(GIVEN), 2)).eval()
    scores = model.decoder.get_submodule(model.decoder.layer_names[-1])
    with torch.no_grad():
        # Scores of equal mean and spread: all classes are the most likely one somewhere.
        found = model(torch.from_numpy(IMAGES / np.float32(65535))[:, None].float())
        scores.weight /= found.std((0, 2, 3))[:, None, None, None]
        scores.bias.copy_((scores.bias - found.mean((0, 2, 3))) / found.std((0, 2, 3)))
    about = {**architecture.encoder_metadata, **EXPECTS, "kind": "segmentation", "classes": GIVEN, "seed": 7}
    about |= {"training": {"precision": "float32"}, "augment": None, "data_sha256": "d", "versions": {"torch": "2"}}
    encoder = tmp_path / "encoder.safetensors"
    model_files.save(model.encoder, encoder, about, (), {"decoder.safetensors": model.decoder})
    return architecture, model, (encoder, tmp_path / "decoder.safetensors")


def segmented(model):
    return predict(model, IMAGES, precision="float32", device="cpu")


def test_each_pixel_has_the_sources_class_and_classes_that_the_target_lacks_are_background(source, tmp_path):
    architecture, model, files = source
    before = segmented(model)
    assert set(np.unique(before)) == set(range(len(GIVEN)))
    made, metadata = as_pretrained.make(*files, architecture, WANTED, EXPECTS)
    assert np.array_equal(segmented(made), VALUES[before])
    model_files.save(made, tmp_path / "model/model.safetensors", metadata)
    read = model_files.load_segmenter(tmp_path / "model/model.safetensors", architecture, {"classes": WANTED})
    assert np.array_equal(segmented(read), VALUES[before])
    described = read_json(tmp_path / "model/model.json")
    assert described["counted_as_background"] == ["ventricles", "skull", "skin"]
    assert described["classes"] == WANTED
    assert described["labelled_scans"] == 0
    assert described["network"]["decoder"] == architecture.decoder
    assert described["start_sha256"] == read_json(files[0].with_name("model.json"))["sha256"]
    assert (described["seed"], described["data_sha256"], described["size"]) == (7, "d", [64, 64])
    assert (tmp_path / "model/training.tsv").read_text().count("\n") == 1


def test_a_target_with_all_classes_of_the_source_has_its_very_network(source):
    architecture, model, files = source
    made, metadata = as_pretrained.make(*files, architecture, GIVEN, EXPECTS)
    assert metadata["counted_as_background"] == []
    for name, tensor in model.state_dict().items():
        assert torch.equal(made.state_dict()[name], tensor)


def test_a_source_made_for_another_study_is_refused(source):
    architecture, _, files = source
    with pytest.raises(UserError, match="template is 'MNI' but this study needs 'other'"):
        as_pretrained.make(*files, architecture, WANTED, {"template": "other"})
