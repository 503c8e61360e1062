import copy
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shared_step
import small
import torch
from torch import nn

from headstart import pretrain
from headstart.job import UserError
from headstart.networks import model_files
from headstart.networks.backbones import Backbone
from headstart.slices import store
from headstart.training import distributed

# Batches of 4, 4 and 3 slices: two processes share them unequally at the end.
TRAINING = small.training(2, batch_size=4, learning_rate=1e-5, precision="float32")


@pytest.fixture
def describe(tmp_path):
    """A description of a pre-training on random slices."""
    rng = np.random.default_rng(0)
    paths = [[str(tmp_path / f"{kind}{n}.npy") for n in range(2)] for kind in ("image", "labels")]
    for n, (image, labels) in enumerate(zip(*paths, strict=True)):
        values = rng.integers(0, 3, (11 - 8 * n, 32, 32))
        store.write_image(image, values / 4 + 0.2 * rng.random(values.shape))
        store.write_labels(labels, values)

    def made(kind, folder, **changes):
        spec = {"kind": kind, "classes": ["a", "b", "c"] if kind == "segmentation" else [], "hidden": 0.5, "patch": 8}
        targets = paths[1] if kind == "segmentation" else []
        return small.pretraining(tmp_path / folder, spec, paths[0], targets, TRAINING, kind) | changes

    return made


@pytest.mark.parametrize(
    ("kind", "augmented", "network"),
    [
        ("segmentation", False, {}),
        ("segmentation", True, {}),
        ("masked-autoencoding", True, {}),
        ("restoring", False, {}),
        ("segmentation", False, {"encoder": "monai/efficientnet-b0", "decoder": "unet"}),
    ],
)
def test_two_processes_have_the_gradients_and_norms_of_one(tmp_path, monkeypatch, caplog, kind, augmented, network):
    """In double precision, since a deep network with batch norm amplifies the rounding of float32."""
    monkeypatch.setenv("PYTHONPATH", str(Path(shared_step.__file__).parent))
    caplog.set_level("INFO", "headstart")
    files = [tmp_path / name for name in ("alone.safetensors", "shared.safetensors")]
    described = {"kind": kind, "augmented": augmented, "network": network}
    shared_step.save_step(described | {"file": str(files[0])}, "cpu")
    distributed.launch("shared_step", described | {"file": str(files[1])}, 2)
    alone, shared = map(model_files.read_state, files)
    assert list(alone) == list(shared)
    for name, values in alone.items():
        assert torch.allclose(shared[name], values, rtol=1e-9, atol=1e-12), name
    # A thread of the process group that is still there at the end of the interpreter may abort the process.
    threads = [message for message in caplog.messages if message.startswith("threads at the end")]
    assert len(threads) == 2
    assert "gloo" not in " ".join(threads)


@pytest.mark.parametrize("kind", ["autoencoding", "masked-autoencoding"])
def test_two_processes_train_as_one_does(kind, describe, tmp_path):
    torch.set_num_threads(1)
    pretrain.run(describe(kind, "alone"), "cpu")
    distributed.launch("headstart.pretrain", describe(kind, "shared"), 2)
    alone, shared = (pd.read_csv(tmp_path / folder / "training.tsv", sep="\t") for folder in ("alone", "shared"))
    assert list(alone) == list(shared)
    assert len(shared) == 2
    for column in alone:
        # Rounding turns the answer of the discriminator for a patch or two of 192.
        near = {"abs": 0.011} if column.endswith("_accuracy") else {"rel": 1e-3}
        assert shared[column].to_numpy() == pytest.approx(alone[column].to_numpy(), nan_ok=True, **near), column
    assert not (tmp_path / "shared" / "state").exists()


def test_an_error_in_another_process_is_reported_with_its_message(describe, tmp_path):
    description = describe("segmentation", "wrong", held_out=2)
    with pytest.raises(UserError, match=r"^pretrain.held_out is 2 but the source has 2 scans"):
        distributed.launch("headstart.pretrain", description, 2)
    assert not (tmp_path / "wrong").exists()


def test_a_description_can_be_passed_as_json(describe, tmp_path):
    description = describe("segmentation", "ranges")
    description["images"] = [store.SliceRange(path, 0, 3) for path in description["images"]]
    description["targets"] = [store.SliceRange(path, 0, 3) for path in description["targets"]]
    pretrain.run(json.loads(json.dumps(description)), "cpu")
    assert json.loads((tmp_path / "ranges/model.json").read_text())["slices"] == 3


@pytest.mark.parametrize("momentum", [0.1, None])
def test_the_norm_over_processes_equals_batch_norm_in_one_process(monkeypatch, momentum):
    monkeypatch.setattr(distributed, "all_reduce", lambda tensor: tensor)
    torch.manual_seed(0)
    for plain, shape in ((nn.BatchNorm2d(3), (4, 3, 5, 5)), (nn.BatchNorm1d(3), (6, 3))):
        synced = distributed.SyncedBatchNorm(3)
        plain.momentum = synced.momentum = momentum
        maps = torch.randn(shape) * 3 + 2
        given = [maps.clone().requires_grad_() for _ in range(2)]
        outputs = [norm(input) for norm, input in zip((plain, synced), given, strict=True)]
        weights = torch.randn(shape)
        for output in outputs:
            (output * weights).sum().backward()
        assert torch.allclose(*outputs, atol=1e-5)
        assert torch.allclose(given[0].grad, given[1].grad, atol=1e-5)
        for one, other in zip(plain.state_dict().items(), synced.state_dict().items(), strict=True):
            assert one[0] == other[0]
            assert torch.allclose(one[1], other[1], atol=1e-5)
        assert torch.allclose(plain.eval()(maps), synced.eval()(maps))


class NormThenActivation(nn.BatchNorm2d):
    """A batch norm that ends in two modules of its own, as timm's does; its activation has a parameter."""

    def __init__(self, channels):
        super().__init__(channels)
        self.drop, self.act = nn.Identity(), nn.PReLU()

    def forward(self, maps):
        return self.act(self.drop(super().forward(maps)))


class ScaledNorm(nn.BatchNorm2d):
    def forward(self, maps):
        return 2 * super().forward(maps)


def same_in_several_processes(network, shape):
    """Compare outputs, gradients and norms of a network with those of a copy with synchronised norms."""
    other = copy.deepcopy(network)
    distributed._synchronise(other)
    assert not any(type(each) in (nn.BatchNorm2d, NormThenActivation) for each in other.modules())
    images = torch.randn(shape)
    for own, theirs in zip(network(images), other(images), strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-4, atol=1e-4)
        for given in (own, theirs):
            if given.requires_grad:
                given.square().mean().backward(retain_graph=True)
    assert [name for name, _ in network.named_parameters()] == [name for name, _ in other.named_parameters()]
    for one, changed in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one.grad, changed.grad, rtol=1e-2, atol=1e-4)
    for (name, one), (changed_name, changed) in zip(network.named_buffers(), other.named_buffers(), strict=True):
        assert name == changed_name
        torch.testing.assert_close(one, changed, rtol=1e-4, atol=1e-4)


def test_a_batch_norm_keeps_what_follows_it(monkeypatch):
    monkeypatch.setattr(distributed, "all_reduce", lambda tensor: tensor)
    torch.manual_seed(0)
    norms = nn.Sequential(nn.Conv2d(1, 4, 3), NormThenActivation(4), nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2))
    same_in_several_processes(norms, (4, 1, 9, 9))


@pytest.mark.publish
@pytest.mark.parametrize("model", ["regnety_002", "efficientnet_b0", "resnet18"])
def test_a_backbone_of_timms_keeps_its_activations(monkeypatch, torchvision, model):
    monkeypatch.setattr(distributed, "all_reduce", lambda tensor: tensor)
    torch.manual_seed(0)
    same_in_several_processes(Backbone(f"timm/{model}"), (4, 1, 64, 64))


@pytest.mark.parametrize("norm", [ScaledNorm(2), nn.BatchNorm2d(2, affine=False)])
def test_a_batch_norm_of_another_kind_is_refused(norm):
    with pytest.raises(UserError, match=rf"\({type(norm).__name__}\).* set pretrain.gpus to 1\."):
        distributed._synchronise(nn.Sequential(norm))
