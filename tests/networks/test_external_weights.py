"""Weights from other projects, checked against a ResNet-50 written from the paper (He 2016)."""

import hashlib

import pytest
import torch
from bad_settings import prefixed
from resnet50_by_hand import encoder, features, marked_state, random_state, same_features, zeros
from safetensors.torch import save_file

from headstart.job import UserError
from headstart.networks.external_weights import WeightFile, load_trunk
from headstart.networks.trunks import Trunk


def load(model, path, sha256=None, prefix=None):
    return load_trunk(model, WeightFile(path, sha256, prefix, expects=None))


@pytest.fixture(scope="module")
def torchvision_like():
    return random_state()


@pytest.fixture(scope="module")
def marked():
    return marked_state()


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


@pytest.mark.parametrize("numbered", [False, True])
def test_a_trunk_of_three_layers_takes_those_of_a_whole_one(torchvision_like, tmp_path, numbered):
    numbers = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
    state = {
        ".".join((numbers.get(first, first) if numbered else first, *rest)): tensor
        for name, tensor in torchvision_like.items()
        for first, *rest in [name.split(".")]
        if not (numbered and first == "fc")
    }
    torch.save(state, tmp_path / "resnet50.pth")
    model, whole = Trunk("resnet50", layers=3).eval(), Trunk("resnet50").eval()
    loaded = load(model, tmp_path / "resnet50.pth")
    load(whole, tmp_path / "resnet50.pth")
    images = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        assert all(map(torch.equal, model.maps(images), whole.maps(images)[:-1]))
    last = "7." if numbered else "layer4."
    assert {name for name in loaded.unused if not name.startswith("fc.")} == {
        name for name in state if name.startswith(last)
    }


def test_weights_without_the_last_layer_are_no_whole_trunk(marked, tmp_path):
    torch.save({name: tensor for name, tensor in marked.items() if not name.startswith("layer4")}, tmp_path / "a.pth")
    assert not load(Trunk("resnet50", layers=3), tmp_path / "a.pth").missing
    with pytest.raises(UserError, match="is a ResNet of 3, 4, 6, 0 bottleneck blocks in its layers"):
        load(Trunk("resnet50"), tmp_path / "a.pth")
    with pytest.raises(UserError, match="is a resnet50, and network.encoder of this study is resnet34"):
        load(Trunk("resnet34", layers=3), tmp_path / "a.pth")


def test_a_part_of_a_network_in_several_files_is_refused(marked, tmp_path):
    torch.save(marked, tmp_path / "model-00001-of-00002.safetensors")
    with pytest.raises(UserError, match="model-00001-of-00002.safetensors is part 1 of 2 of a network; join the parts"):
        load(encoder(), tmp_path / "model-00001-of-00002.safetensors")
    (tmp_path / "model-00001-of-00002.safetensors").rename(tmp_path / "model-00001-of-00001.safetensors")
    assert load(encoder(), tmp_path / "model-00001-of-00001.safetensors").loaded


def test_biases_of_monai_before_batch_norm_are_folded(torchvision_like, tmp_path):
    state = dict(torchvision_like)
    for stage, channels in enumerate((256, 512, 1024, 2048), start=1):
        state[f"layer{stage}.0.downsample.0.bias"] = torch.linspace(-0.3, 0.3, channels)
    torch.save(state, tmp_path / "monai.pt")
    model = encoder()
    loaded = load(model, tmp_path / "monai.pt")
    assert same_features(model, state)
    assert len(loaded.adapted) == 5


def spoiled(state, name, value):
    """A tensor with one value changed."""
    tensor = state[name].clone()
    tensor.view(-1)[0] = value
    return {name: tensor}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("layer4.2.conv3.weight"), r"1 tensors missing \(layer4.2.conv3.weight\)"),
        (
            lambda state: state.update({"layer1.0.extra": torch.zeros(1)}),
            r"1 tensors unknown \(layer1.0.extra\)",
        ),
        (
            lambda state: state.update({"layer1.0.conv1.weight": torch.zeros(64, 64, 3, 3)}),
            r"1 tensors of another shape \(layer1.0.conv1.weight\)",
        ),
        (
            lambda state: state.update({"bn1.bias": torch.zeros(64, dtype=torch.int8)}),
            r"is quantised: 1 tensors are of int8 \(bn1.bias\)",
        ),
        (
            lambda state: state.update(spoiled(state, "layer1.0.conv2.weight", torch.nan)),
            r"NaN or infinite in 1 tensors \(layer1.0.conv2",
        ),
        (
            lambda state: state.update(spoiled(state, "bn1.running_var", torch.inf)),
            r"NaN or infinite in 1 tensors \(bn1.running_var",
        ),
        (lambda state: state.update({"conv1.weight": torch.ones(64, 2, 7, 7)}), "takes images of 2 channels"),
        (
            lambda state: state.update({"conv1.weight": torch.ones(64, 1, 7, 7, 7)}),
            "is a network for volumes .a kernel of 7 x 7 x 7",
        ),
        (lambda state: state.pop("conv1.weight"), r"1 tensors missing \(conv1.weight\)"),
        (
            lambda state: state.update(spoiled(state, "bn1.running_var", -1)),
            r"has values below 0 in 1 tensors \(bn1.running_var\)",
        ),
        (lambda state: state.pop("layer1.0.conv1.weight"), "contains no trunk of a ResNet: it has no conv1.weight"),
        (lambda state: state.clear(), "contains no named tensors"),
        (
            lambda state: state.update(prefixed(zeros(state), "student.")),
            "contains 2 trunks, with the prefixes '' and 'student'; name one as prefix, or save it",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(marked, tmp_path, change, message):
    state = dict(marked)
    change(state)
    torch.save(state, tmp_path / "weights.pth")
    model = encoder()
    before = model.conv1.weight.clone()
    with pytest.raises(UserError, match=message):
        load(model, tmp_path / "weights.pth")
    assert torch.equal(model.conv1.weight, before)


def test_another_depth_is_refused(marked, tmp_path):
    torch.save(marked, tmp_path / "weights.pth")
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
