"""Weights from other projects, checked against a ResNet-50 written from the paper (He 2016)."""

import hashlib

import pytest
import torch
from bad_settings import numbered, prefixed
from safetensors.torch import save_file
from torch.nn import functional

from headstart.job import UserError
from headstart.networks.external_weights import load_trunk
from headstart.networks.trunks import Encoder


def encoder(name="resnet50"):
    return Encoder(name, latent_channels=4)


def load(model, path, sha256=None):
    return load_trunk(model, path, sha256)


@pytest.fixture(scope="module")
def torchvision_like():
    """A ResNet-50 as torchvision names it, with an RGB stem, a classifier, and random weights and statistics."""
    generator = torch.Generator().manual_seed(0)
    state = {name: tensor for name, tensor in encoder().state_dict().items() if "compress" not in name}
    drawn = {}
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            drawn[name] = torch.tensor(7)
        elif name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
            drawn[name] = torch.rand(tensor.shape, generator=generator) + 0.5
        else:
            drawn[name] = torch.randn(tensor.shape, generator=generator) / max(1, tensor[0].numel()) ** 0.5
    drawn["conv1.weight"] = torch.randn((64, 3, 7, 7), generator=generator) / 12
    drawn["fc.weight"], drawn["fc.bias"] = torch.zeros(1000, 2048), torch.zeros(1000)
    return drawn


def features(state, images):
    """The last map of a ResNet-50: (B, 3, H, W) -> (B, 2048, H/32, W/32), in evaluation mode."""

    def normalised(x, name):
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return functional.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"])

    x = functional.conv2d(images, state["conv1.weight"], stride=2, padding=3)
    x = functional.max_pool2d(functional.relu(normalised(x, "bn1")), 3, stride=2, padding=1)
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            prefix, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = functional.relu(normalised(functional.conv2d(x, state[f"{prefix}.conv1.weight"]), f"{prefix}.bn1"))
            y = functional.conv2d(y, state[f"{prefix}.conv2.weight"], stride=stride, padding=1)
            y = functional.conv2d(functional.relu(normalised(y, f"{prefix}.bn2")), state[f"{prefix}.conv3.weight"])
            if block == 0:
                bias = state.get(f"{prefix}.downsample.0.bias")
                x = functional.conv2d(x, state[f"{prefix}.downsample.0.weight"], bias, stride=stride)
                x = normalised(x, f"{prefix}.downsample.1")
            x = functional.relu(normalised(y, f"{prefix}.bn3") + x)
    return x


def same_features(model, state):
    grey = torch.rand(2, 1, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours, theirs = model.eval().forward_features(grey), features(state, grey.expand(-1, 3, -1, -1))
    return torch.allclose(ours, theirs, rtol=1e-5, atol=1e-5 * theirs.abs().max().item())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_of_torchvision_give_the_same_features(torchvision_like, tmp_path, suffix):
    path = tmp_path / f"resnet50{suffix}"
    save_file(torchvision_like, path) if suffix == ".safetensors" else torch.save(torchvision_like, path)
    model = encoder()
    loaded = load(model, path, hashlib.sha256(path.read_bytes()).hexdigest().upper())
    assert same_features(model, torchvision_like)
    assert loaded.adapted == ("conv1.weight",)
    assert set(loaded.unused) == {"fc.weight", "fc.bias"}
    assert loaded.missing
    assert all(name.startswith("compress.") for name in loaded.missing)
    assert len(loaded.loaded) == len(torchvision_like) - 3


def zeros(state):
    return {name: torch.zeros_like(tensor) for name, tensor in state.items()}


@pytest.mark.parametrize(
    "wrapped",
    [
        pytest.param(lambda state: {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}, id="ddp"),
        pytest.param(lambda state: {f"encoder.{k}": v for k, v in state.items()}, id="within a model"),
        pytest.param(lambda state: {"state_dict": prefixed(state, "model.encoder.")}, id="Lightning"),
        pytest.param(lambda state: prefixed(state, "_orig_mod.module."), id="compiled"),
        pytest.param(lambda state: prefixed(state, "image_encoder.visual."), id="image and text"),
        pytest.param(lambda state: {"net": {"weights": state}, "epoch": 3}, id="wrapped twice"),
        pytest.param(
            lambda state: {
                "state_dict": prefixed(state, "module.encoder_q.") | prefixed(zeros(state), "module.encoder_k.")
            },
            id="MoCo",
        ),
        pytest.param(
            lambda state: prefixed(state, "module.base_encoder.") | prefixed(zeros(state), "module.momentum_encoder."),
            id="MoCo v3",
        ),
        pytest.param(lambda state: {"state_dict": state, "state_dict_ema": zeros(state)}, id="timm with an average"),
        pytest.param(lambda state: state | prefixed(zeros(state), "ema."), id="beside an average"),
        pytest.param(
            lambda state: {"model": state, "optimizer": {"state": {0: {"step": torch.ones(1)}}}}, id="resumed"
        ),
        pytest.param(lambda state: prefixed(state, "encoder.") | {"decoder.weight": torch.ones(2)}, id="U-Net"),
        pytest.param(lambda state: prefixed(numbered(state), "backbone."), id="RadImageNet"),
        pytest.param(numbered, id="numbered"),
        pytest.param(lambda state: prefixed(numbered(state), "0.") | {"1.4.weight": torch.ones(2)}, id="fastai"),
        pytest.param(
            lambda state: {"state_dict": {**state, "compress1.weight": torch.zeros(8, 2048, 3, 3)}}, id="Taskonomy"
        ),
        pytest.param(
            lambda state: {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}, id="without counts"
        ),
    ],
)
def test_checkpoints_of_other_projects_are_read(torchvision_like, tmp_path, wrapped):
    torch.save(wrapped(torchvision_like), tmp_path / "weights.pth")
    model = encoder()
    load(model, tmp_path / "weights.pth")
    assert same_features(model, torchvision_like)


def test_biases_of_monai_before_batch_norm_are_folded(torchvision_like, tmp_path):
    state = dict(torchvision_like)
    for stage, channels in enumerate((256, 512, 1024, 2048), start=1):
        state[f"layer{stage}.0.downsample.0.bias"] = torch.linspace(-0.3, 0.3, channels)
    torch.save(state, tmp_path / "monai.pt")
    model = encoder()
    loaded = load(model, tmp_path / "monai.pt")
    assert same_features(model, state)
    assert len(loaded.adapted) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("layer4.2.conv3.weight"), r"1 tensors missing \(layer4.2.conv3.weight\)"),
        (lambda state: state.update(extra=torch.zeros(1)), r"1 tensors unknown \(extra\)"),
        (
            lambda state: state.update({"layer1.0.conv1.weight": torch.zeros(64, 64, 3, 3)}),
            r"1 tensors of another shape \(layer1.0.conv1.weight\)",
        ),
        (
            lambda state: state.update({"bn1.bias": torch.zeros(64, dtype=torch.int8)}),
            r"1 tensors quantised \(bn1.bias\)",
        ),
        (
            lambda state: state["layer1.0.conv2.weight"][0].fill_(torch.nan),
            r"NaN or infinite in 1 tensors \(layer1.0.conv2",
        ),
        (lambda state: state["bn1.running_var"][0].fill_(torch.inf), r"NaN or infinite in 1 tensors \(bn1.running_var"),
        (lambda state: state.update({"conv1.weight": torch.ones(64, 2, 7, 7)}), "takes images of 2 channels"),
        (lambda state: state.update({"conv1.weight": torch.ones(64, 1, 7, 7, 7)}), "of another shape .conv1.weight"),
        (lambda state: state.pop("conv1.weight"), "contains no trunk of a ResNet: it has no conv1.weight"),
        (lambda state: state.clear(), "contains no named tensors"),
        (
            lambda state: state.update(prefixed(state, "student.")),
            "contains 2 trunks, with the prefixes '' and 'student.'; save the tensors of one of them alone",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(torchvision_like, tmp_path, change, message):
    state = {name: tensor.clone() for name, tensor in torchvision_like.items()}
    change(state)
    torch.save(state, tmp_path / "weights.pth")
    model = encoder()
    before = model.conv1.weight.clone()
    with pytest.raises(UserError, match=message):
        load(model, tmp_path / "weights.pth")
    assert torch.equal(model.conv1.weight, before)


def test_another_depth_is_refused(torchvision_like, tmp_path):
    torch.save(torchvision_like, tmp_path / "weights.pth")
    with pytest.raises(UserError, match="is a resnet50, and network.encoder of this study is resnet18"):
        load(encoder("resnet18"), tmp_path / "weights.pth")


def test_missing_damaged_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"gone.pth does not exist"):
        load(encoder("resnet18"), tmp_path / "gone.pth")
    (tmp_path / "weights.pth").write_bytes(b"not weights")
    with pytest.raises(UserError, match=r"has the SHA-256 [0-9a-f]{64}, not 00"):
        load(encoder("resnet18"), tmp_path / "weights.pth", "0" * 64)
    with pytest.raises(UserError, match="is damaged or not a file of weights"):
        load(encoder("resnet18"), tmp_path / "weights.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match="list.pth contains no named tensors"):
        load(encoder("resnet18"), tmp_path / "list.pth")


def test_a_trunk_can_be_used_elsewhere(torchvision_like, tmp_path):
    """As docs/extending and the model card show: a plain ResNet with the encoder's trunk gives the same features."""
    torch.save(torchvision_like, tmp_path / "weights.pth")
    model = encoder()
    load(model, tmp_path / "weights.pth")
    grey = torch.rand(1, 1, 64, 64)
    out = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("compress.")}
    with torch.inference_mode():
        theirs = features(out, grey)
        assert torch.allclose(model.eval().forward_features(grey), theirs, atol=1e-5 * theirs.abs().max().item())
