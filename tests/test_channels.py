"""Networks that see neighbours and several images, from pre-trained weights for single slices to publishing."""

from dataclasses import dataclass, replace
from pathlib import Path

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
from headstart.slices.channels import Channels
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


@pytest.mark.parametrize(("neighbours", "images"), [(1, 1), (2, 1), (0, 2), (1, 3)])
def test_a_fine_tuning_begins_with_what_the_source_computes_of_the_slice_itself(source, neighbours, images):
    model, architecture, files = source
    wider = replace(architecture, neighbours=neighbours, images=images)
    start = Start(*files, {})
    begun = Segmenter(start.make_encoder(wider, 5), wider.make_decoder(2, 6)).eval()
    start.load_decoder(begun, CLASSES, wider)
    given = torch.rand(2, wider.inputs, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = model(given[:, neighbours : neighbours + 1]), begun(given)
    assert torch.allclose(found, expected, atol=1e-5)
    # The others are not ignored for ever.
    begun(given).square().sum().backward()
    kernel = next(module for module in begun.encoder.modules() if isinstance(module, torch.nn.Conv2d)).weight
    assert (kernel.grad.abs().sum((0, 2, 3)) > 0).all()


def test_size_0_is_the_same_with_and_without_further_channels(source):
    _, architecture, files = source
    images = np.random.default_rng(0).integers(0, 65536, (6, 64, 64), np.uint16)
    alone, _ = as_pretrained.make(*files, architecture, CLASSES, {})
    wider, metadata = as_pretrained.make(*files, replace(architecture, neighbours=1, images=2), CLASSES, {})
    assert (metadata["network"]["neighbours"], metadata["network"]["images"]) == (1, 2)
    expected = predict(alone, images, precision="float32")
    seen, both = Channels(2, 1).rows([6]), np.concatenate([images, 65535 - images])
    assert (predict(wider, both, seen=seen, precision="float32") == expected).mean() > 0.999


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
    assert not alone.metadata.keys() & {"neighbours", "images"}
    assert Architecture.of(alone.metadata) == alone
    beside = small.architecture(neighbours=2, images=3)
    assert beside.inputs == 15
    assert Architecture.of(beside.metadata) == beside


@dataclass
class Tuned:
    """A model fine-tuned on two scans with two images each and neighbours two slices away.

    scans: files of the images of each scan; images, labels: files of all scans, image by image.
    """

    model: Segmenter
    settings: finetune.FinetuneSettings
    scans: dict[str, list[Path]]
    images: list[Path]
    labels: list[Path]
    path: Path


@pytest.fixture
def tuned(tmp_path):
    rng = np.random.default_rng(0)
    scans, labels = {}, []
    for scan, slices in (("sub-1", 5), ("sub-2", 3)):
        truth = np.zeros((slices, 32, 32), np.uint8)
        truth[:, 8:16, 8:16] = 1
        labels.append(tmp_path / f"{scan}_labels.npy")
        store.write_labels(labels[-1], truth)
        scans[scan] = [tmp_path / f"{scan}_{image}.npy" for image in ("T1w", "FLAIR")]
        for path, bright in zip(scans[scan], (0.25, 0.5), strict=True):
            store.write_image(path, rng.random(truth.shape) / 2 + truth * bright)
    images = [files[image] for image in (0, 1) for files in scans.values()]
    architecture = small.architecture(decoder="unet")
    encoder = tmp_path / "source/encoder.safetensors"
    model_files.save(architecture.make_encoder(1), encoder, {**architecture.encoder_metadata, "untrained": []})
    settings = finetune.FinetuneSettings(
        architecture=replace(architecture, neighbours=1, images=2),
        training=small.training(2, batch_size=4, precision="float32", learning_rate=1e-2),
        classes=CLASSES,
        expects={},
        augment=small.augmentation(),
        runs_per_gpu=1,
        resident_gb=None,
        neighbour_step=2,
    )
    drawn = finetune.TrainingSet([0, 1], 3)
    ((model, _),) = finetune.finetune([Start(encoder, None, {})], images, labels, [drawn], settings)
    about = {"neighbour_step": 2, "images": ["T1w", "FLAIR"], "source": "s", "target": "t"}
    about |= {**small.PREPARATION, "size": [32, 32]}
    path = tmp_path / "model/model.safetensors"
    model_files.save(model, path, finetune.metadata(settings, drawn, images, labels, {}, about))
    return Tuned(model, settings, scans, images, labels, path)


def by_hand(model, *images):
    """Predictions of one scan from its images, with neighbours two slices away."""
    channels = []
    for image in images:
        scaled = torch.from_numpy(image.astype(np.float32) / np.float32(65535))
        last = len(scaled) - 1
        channels += [scaled[[max(n - 2, 0) for n in range(last + 1)]], scaled]
        channels.append(scaled[[min(n + 2, last) for n in range(last + 1)]])
    with torch.no_grad():
        return model.eval()(torch.stack(channels, 1)).argmax(1).numpy()


def test_each_scan_is_predicted_with_its_own_images_and_neighbours(tuned):
    (kernel,) = [tensor for name, tensor in load_file(tuned.path).items() if name == "encoder.conv1.weight"]
    assert kernel.shape[1] == 6
    assert (kernel.abs().sum((0, 2, 3)) > 0).all()
    options = {"channels": tuned.settings.channels, "precision": "float32"}
    found = dict(predict_scans(tuned.path, tuned.settings.architecture, CLASSES, tuned.scans, **options))
    for scan, files in tuned.scans.items():
        # Of single slices in a batch, the last digit may differ.
        assert (found[scan] == by_hand(tuned.model, *map(store.read, files))).mean() > 0.999
    alone = replace(tuned.settings.architecture, neighbours=0)
    with pytest.raises(UserError, match="does not fit the network: 2 tensors of another shape"):
        list(predict_scans(tuned.path, alone, CLASSES, {}, **options))


def test_all_images_of_the_training_set_are_recorded(tuned):
    first = finetune.TrainingSet([0], 3)

    def recorded(*images):
        return finetune.metadata(tuned.settings, first, images, tuned.labels, {}, {})["data_sha256"]

    t1, other_t1, flair, other_flair = tuned.images
    assert recorded(t1, other_t1, flair, other_flair) == recorded(t1, other_t1, flair, flair)
    assert recorded(t1, other_t1, flair, other_flair) != recorded(t1, other_t1, other_flair, other_flair)


def test_rates_are_tried_on_scans_with_their_own_images_and_neighbours(tuned, monkeypatch):
    given = []

    def predicted(model, images, *, seen, **_):
        given.append((images[:], seen.tolist()))
        return np.zeros((len(seen), *images.shape[1:]), np.uint8)

    monkeypatch.setattr(tune, "predict", predicted)
    start = Start(tuned.path.parents[1] / "source/encoder.safetensors", None, {})
    draws = {1e-3: [(finetune.TrainingSet([0], 1), [1])]}
    list(tune.tries(start, tuned.images, tuned.labels, draws, tuned.settings, "dice"))
    ((images, seen),) = given
    assert np.array_equal(images, np.concatenate([store.read(file) for file in tuned.scans["sub-2"]]))
    assert seen == Channels(2, 1, 2).rows([3]).tolist()


def test_a_new_scan_is_segmented_as_the_training_scans_were(tuned):
    grid, rng = template.grid(8), np.random.default_rng(1)
    metadata = read_json(tuned.path.with_name("model.json")) | {"discard_mm": {"top": 0, "bottom": 0}, "voxel_mm": 8}
    images = [Volume(rng.random(grid.shape).astype(np.float32), grid.affine) for _ in range(2)]
    found = segment.segment_registered(images, tuned.model, metadata)
    slices = [store.to_uint16(cut.cut(image, 32, metadata["discard_mm"])) for image in images]
    expected = cut.restore(by_hand(tuned.model, *slices).astype(np.uint8), grid, metadata["discard_mm"])
    assert (found.data == expected.data).mean() > 0.999


def test_a_published_model_takes_all_channels(tuned):
    model, architecture = tuned.model, tuned.settings.architecture
    images = torch.rand(2, 6, 32, 32, generator=torch.Generator().manual_seed(0))
    program = pack.exported(model, architecture.inputs, (32, 32)).module()
    own = pack.trunk(model, architecture).eval()
    with torch.no_grad():
        assert torch.equal(program(images), model(images))
        for one, other in zip(own.maps(images), model.encoder.maps(images), strict=True):
            assert torch.equal(one, other)
