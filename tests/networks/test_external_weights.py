"""Weights from other projects, checked against a ResNet-50 written from the paper (He 2016)."""

import hashlib
import re

import pytest
import torch
from bad_settings import numbered, prefixed
from resnet50_by_hand import encoder, features, random_state, same_features
from safetensors.torch import save_file

from headstart.job import UserError
from headstart.networks.external_weights import WeightFile, load_trunk


def load(model, path, sha256=None, prefix=None):
    return load_trunk(model, WeightFile(path, sha256, prefix, expects=None))


@pytest.fixture(scope="module")
def torchvision_like():
    return random_state()


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


def layer0(name):
    """The names of a network whose first layers are one torch.nn.Sequential(conv1, bn1, relu, maxpool)."""
    return re.sub("^bn1", "layer0.1", re.sub("^conv1", "layer0.0", name))


def transformers(state):
    """The names of the ResNet of Hugging Face: transformers/models/resnet/modeling_resnet.py."""
    inner = {"conv": "convolution", "bn": "normalization"}

    def renamed(name):
        words = name.split(".")
        if words[0] in ("conv1", "bn1"):
            return f"embedder.embedder.{inner[words[0][:-1]]}.{words[1]}"
        if not words[0].startswith("layer"):
            return f"classifier.1.{words[1]}"
        block = f"encoder.stages.{int(words[0][-1]) - 1}.layers.{words[1]}"
        if words[2] == "downsample":
            return f"{block}.shortcut.{('convolution', 'normalization')[int(words[3])]}.{words[4]}"
        return f"{block}.layer.{int(words[2][-1]) - 1}.{inner[words[2][:-1]]}.{words[3]}"

    return {renamed(name): tensor for name, tensor in state.items()}


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
        pytest.param(
            lambda state: {"model": prefixed(state, "module.backbone.") | {"module.projector.0.weight": torch.ones(2)}},
            id="Barlow Twins, VICReg",
        ),
        pytest.param(lambda state: prefixed(state, "module.") | {"module.prototypes.weight": torch.ones(2)}, id="SwAV"),
        pytest.param(
            lambda state: (
                prefixed(state, "online_network.encoder.") | prefixed(zeros(state), "target_network.encoder.")
            ),
            id="BYOL",
        ),
        pytest.param(
            lambda state: prefixed(state, "backbone.") | prefixed(zeros(state), "backbone_momentum."), id="lightly"
        ),
        pytest.param(lambda state: prefixed(state, "model.") | prefixed(state, "net.model."), id="named twice"),
        pytest.param(lambda state: prefixed(state, "module.") | {"n_averaged": torch.tensor(3)}, id="SWA"),
        pytest.param(lambda state: prefixed(state, "backbone.body."), id="detection"),
        pytest.param(lambda state: {layer0(name): tensor for name, tensor in state.items()}, id="layer0"),
        pytest.param(lambda state: prefixed(transformers(state), "resnet."), id="transformers"),
        pytest.param(lambda state: {k: v.double() for k, v in state.items()}, id="double"),
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


@pytest.mark.parametrize(
    ("prefix", "taken"),
    [
        ("teacher", "teacher"),
        ("teacher.backbone", "teacher"),
        ("teacher.backbone.", "teacher"),
        ("student", "student"),
        ("student.module", "student"),
    ],
)
def test_one_of_several_networks_is_chosen_by_its_prefix(torchvision_like, tmp_path, prefix, taken):
    """As in the checkpoints of DINO, where neither of the two is a copy."""
    states = {"student": zeros(torchvision_like) | {"bn1.bias": torch.ones(64)}, "teacher": torchvision_like}
    inner = {"student": "module.backbone.", "teacher": "backbone."}
    torch.save({name: prefixed(states[name], inner[name]) for name in states}, tmp_path / "weights.pth")
    model = encoder()
    loaded = load(model, tmp_path / "weights.pth", prefix=prefix)
    assert torch.equal(model.bn1.bias, states[taken]["bn1.bias"])
    assert torch.equal(model.layer4[2].conv3.weight, states[taken]["layer4.2.conv3.weight"])
    assert len(loaded.unused) == len(torchvision_like) + 2


def test_an_averaged_copy_can_be_chosen(torchvision_like, tmp_path):
    torch.save({"state_dict": zeros(torchvision_like), "state_dict_ema": torchvision_like}, tmp_path / "weights.pth")
    model = encoder()
    load(model, tmp_path / "weights.pth", prefix="state_dict_ema")
    assert same_features(model, torchvision_like)


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        (None, "contains 2 trunks, with the prefixes 'a.student' and 'a.teacher'; set prefix, beside the file, to one"),
        ("a", "contains 2 trunks below the prefix 'a', with the prefixes 'a.student' and 'a.teacher'; set prefix"),
        ("b", "contains no trunk below the prefix 'b', but 2 with the prefixes 'a.student' and 'a.teacher'; set"),
        ("", "contains no trunk below the prefix '', but 2 with the prefixes"),
        ("a.stud", "contains no trunk below the prefix 'a.stud', but 2 with the prefixes"),
    ],
)
def test_a_prefix_of_several_or_no_networks_is_refused(torchvision_like, tmp_path, prefix, message):
    state = {"a": {"student": torchvision_like, "teacher": zeros(torchvision_like)}}
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(UserError, match=message):
        load(encoder(), tmp_path / "weights.pth", prefix=prefix)


def test_a_part_of_a_network_in_several_files_is_refused(torchvision_like, tmp_path):
    save_file(torchvision_like, tmp_path / "model-00001-of-00002.safetensors")
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
            lambda state: state["layer1.0.conv2.weight"][0].fill_(torch.nan),
            r"NaN or infinite in 1 tensors \(layer1.0.conv2",
        ),
        (lambda state: state["bn1.running_var"][0].fill_(torch.inf), r"NaN or infinite in 1 tensors \(bn1.running_var"),
        (lambda state: state.update({"conv1.weight": torch.ones(64, 2, 7, 7)}), "takes images of 2 channels"),
        (
            lambda state: state.update({"conv1.weight": torch.ones(64, 1, 7, 7, 7)}),
            "is a network for volumes .a kernel of 7 x 7 x 7",
        ),
        (lambda state: state.pop("conv1.weight"), r"1 tensors missing \(conv1.weight\)"),
        (lambda state: state["bn1.running_var"][0].fill_(-1), r"has values below 0 in 1 tensors \(bn1.running_var\)"),
        (lambda state: state.pop("layer1.0.conv1.weight"), "contains no trunk of a ResNet: it has no conv1.weight"),
        (lambda state: state.clear(), "contains no named tensors"),
        (
            lambda state: state.update(prefixed(zeros(state), "student.")),
            "contains 2 trunks, with the prefixes '' and 'student'; set prefix, beside the file, to one of them",
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
