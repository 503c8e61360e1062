"""Networks that see neighbouring slices, from pre-trained weights for single slices to predictions and publishing."""

from dataclasses import replace

import numpy as np
import pytest
import small
import torch
from safetensors.torch import load_file

from headstart import as_pretrained, finetune, tune
from headstart.evaluate.model import predict_scans
from headstart.images import Volume
from headstart.job import UserError, read_json
from headstart.networks import model_files
from headstart.networks.architectures import Architecture, Segmenter
from headstart.networks.start import Start
from headstart.predict import segment
from headstart.publish import pack
from headstart.slices import cut, store
from headstart.slices.neighbours import Neighbours
from headstart.template import template
from headstart.training.loop import predict

CLASSES = ["background", "lesion"]
KINDS = [{"decoder": "paper"}, {"decoder": "unet"}, {"decoder": "unet", "encoder": "monai/efficientnet-b0"}]


@pytest.fixture(params=KINDS, ids=["paper", "unet", "efficientnet"])
def source(request, tmp_path):
    """A pre-trained network for single slices, its architecture, and its files."""
    architecture = small.architecture(**request.param)
    model = Segmenter(architecture.make_encoder(1), architecture.make_decoder(2, 2)).eval()
    about = {**architecture.encoder_metadata, "kind": "segmentation", "classes": CLASSES, "untrained": []}
    about |= {"seed": 1, "augment": None, "training": {}, "data_sha256": "d", "versions": {}}
    encoder = tmp_path / "source/encoder.safetensors"
    model_files.save(model.encoder, encoder, about, (), {"decoder.safetensors": model.decoder})
    return model, architecture, (encoder, encoder.with_name("decoder.safetensors"))


@pytest.mark.parametrize("neighbours", [1, 2])
def test_a_fine_tuning_begins_with_what_the_source_computes_of_the_slice_itself(source, neighbours):
    model, architecture, files = source
    wider = replace(architecture, neighbours=neighbours)
    start = Start(*files, {})
    begun = Segmenter(start.make_encoder(wider, 5), wider.make_decoder(2, 6)).eval()
    start.load_decoder(begun, CLASSES, wider.inputs)
    images = torch.rand(2, wider.inputs, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = model(images[:, neighbours : neighbours + 1]), begun(images)
    assert torch.allclose(found, expected, atol=1e-5)
    # The neighbours are not ignored for ever.
    begun(images).square().sum().backward()
    kernel = next(module for module in begun.encoder.modules() if isinstance(module, torch.nn.Conv2d)).weight
    assert (kernel.grad.abs().sum((0, 2, 3)) > 0).all()


def test_size_0_is_the_same_with_and_without_neighbours(source):
    _, architecture, files = source
    images = np.random.default_rng(0).integers(0, 65536, (6, 64, 64), np.uint16)
    alone, _ = as_pretrained.make(*files, architecture, CLASSES, {})
    wider, metadata = as_pretrained.make(*files, replace(architecture, neighbours=1), CLASSES, {})
    assert metadata["network"]["neighbours"] == 1
    expected = predict(alone, images, precision="float32")
    seen = Neighbours(1).rows([6])
    assert (predict(wider, images, seen=seen, precision="float32") == expected).mean() > 0.999


def test_weights_that_are_not_trained_are_drawn_for_all_channels(tmp_path):
    architecture = small.architecture(neighbours=1)
    single = small.architecture().make_encoder(1)
    about = {**architecture.encoder_metadata, "untrained": list(single.state_dict())}
    model_files.save(single, tmp_path / "encoder.safetensors", about)
    made = Start(tmp_path / "encoder.safetensors", None, {}).make_encoder(architecture, 5)
    assert torch.equal(made.conv1.weight, architecture.make_encoder(5).conv1.weight)
    assert (made.conv1.weight.abs().sum((0, 2, 3)) > 0).all()


def test_single_slices_have_the_architecture_that_they_had():
    alone = small.architecture()
    assert alone.inputs == 1
    assert "neighbours" not in alone.metadata
    assert Architecture.of(alone.metadata) == alone
    beside = small.architecture(neighbours=2)
    assert beside.inputs == 5
    assert Architecture.of(beside.metadata) == beside


@pytest.fixture
def tuned(tmp_path):
    """A model fine-tuned with neighbours two slices away, on two scans, and their slices by scan."""
    rng = np.random.default_rng(0)
    scans = {}
    for scan, slices in (("sub-1", 5), ("sub-2", 3)):
        labels = np.zeros((slices, 32, 32), np.uint8)
        labels[:, 8:16, 8:16] = 1
        scans[scan] = tmp_path / f"{scan}_image.npy", tmp_path / f"{scan}_labels.npy"
        store.write_image(scans[scan][0], rng.random(labels.shape) / 2 + labels / 4)
        store.write_labels(scans[scan][1], labels)
    architecture = small.architecture(decoder="unet")
    encoder = tmp_path / "source/encoder.safetensors"
    model_files.save(architecture.make_encoder(1), encoder, {**architecture.encoder_metadata, "untrained": []})
    settings = finetune.FinetuneSettings(
        architecture=replace(architecture, neighbours=1),
        training=small.training(2, batch_size=4, precision="float32", learning_rate=1e-2),
        classes=CLASSES,
        expects={},
        augment=small.augmentation(),
        runs_per_gpu=1,
        resident_gb=None,
        neighbour_step=2,
    )
    paths = [list(each) for each in zip(*scans.values(), strict=True)]
    ((model, _),) = finetune.finetune([Start(encoder, None, {})], *paths, [finetune.TrainingSet([0, 1], 3)], settings)
    about = {"neighbour_step": 2, "source": "s", "target": "t", **small.PREPARATION, "size": [32, 32]}
    metadata = finetune.metadata(settings, finetune.TrainingSet([0, 1], 3), *paths, {}, about)
    model_files.save(model, tmp_path / "model/model.safetensors", metadata)
    return model, settings, scans, paths, tmp_path / "model/model.safetensors"


def by_hand(model, images):
    """Predictions of one scan with neighbours two slices away."""
    scaled = torch.from_numpy(images.astype(np.float32) / np.float32(65535))
    below, above = scaled[[0, 0, *range(len(scaled) - 2)]], scaled[[*range(2, len(scaled)), -1, -1]]
    with torch.no_grad():
        return model.eval()(torch.stack([below, scaled, above], 1)).argmax(1).numpy()


def test_each_scan_is_predicted_with_its_own_neighbours(tuned):
    model, settings, scans, _, path = tuned
    (kernel,) = [tensor for name, tensor in load_file(path).items() if name == "encoder.conv1.weight"]
    assert (kernel[:, [0, 2]] != 0).all()
    images = {scan: store.read(files[0]) for scan, files in scans.items()}
    options = {"neighbours": settings.neighbours, "precision": "float32"}
    found = dict(predict_scans(path, settings.architecture, CLASSES, {s: f[0] for s, f in scans.items()}, **options))
    for scan, given in images.items():
        # Of single slices in a batch, the last digit may differ.
        assert (found[scan] == by_hand(model, given)).mean() > 0.999
    alone = replace(settings.architecture, neighbours=0)
    with pytest.raises(UserError, match="does not fit the network: 2 parameters mismatched"):
        list(predict_scans(path, alone, CLASSES, {}, neighbours=Neighbours(), precision="float32"))


def test_rates_are_tried_on_scans_with_their_own_neighbours(tuned, monkeypatch):
    _, settings, _, paths, path = tuned
    given = []

    def predicted(model, images, *, seen, **_):
        given.append(seen.tolist())
        return np.zeros(images.shape, np.uint8)

    monkeypatch.setattr(tune, "predict", predicted)
    start = Start(path.parents[1] / "source/encoder.safetensors", None, {})
    list(tune.tries(start, *paths, {1e-3: [(finetune.TrainingSet([0], 1), [0, 1])]}, settings, "dice"))
    assert given == [Neighbours(1, 2).rows([5, 3]).tolist()]


def test_a_new_scan_is_segmented_as_the_training_scans_were(tuned):
    model, *_, path = tuned
    grid = template.grid(8)
    data = np.random.default_rng(1).random(grid.shape).astype(np.float32)
    metadata = read_json(path.with_name("model.json")) | {"discard_mm": {"top": 0, "bottom": 0}, "voxel_mm": 8}
    t1 = Volume(data, grid.affine)
    found = segment.segment_registered(t1, model, metadata)
    slices = store.to_uint16(cut.cut(t1, 32, metadata["discard_mm"]))
    expected = cut.restore(by_hand(model, slices).astype(np.uint8), t1.grid, metadata["discard_mm"])
    assert (found.data == expected.data).mean() > 0.999


def test_a_published_model_takes_all_channels(tuned):
    model, settings, *_ = tuned
    architecture = settings.architecture
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    program = pack.exported(model, architecture.inputs, (32, 32)).module()
    own = pack.trunk(model, architecture).eval()
    with torch.no_grad():
        assert torch.equal(program(images), model(images))
        for one, other in zip(own.maps(images), model.encoder.maps(images), strict=True):
            assert torch.equal(one, other)
