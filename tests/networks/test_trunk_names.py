"""The names of tensors in checkpoints of other projects: each tensor is loaded under its own."""

import argparse
import re

import pytest
import torch
from bad_settings import numbered, prefixed
from resnet50_by_hand import encoder, marked_state, zeros

from headstart.job import UserError
from headstart.networks.external_weights import WeightFile, load_trunk


def load(model, path, prefix=None):
    return load_trunk(model, WeightFile(path, None, prefix, expects=None))


@pytest.fixture(scope="module")
def marked():
    return marked_state()


def holds(model, marked):
    """Whether an encoder has each tensor of a trunk under its name, the stem summed over its channels."""
    trunk = {name: tensor for name, tensor in marked.items() if not name.startswith("fc.")}
    trunk["conv1.weight"] = trunk["conv1.weight"].sum(dim=1, keepdim=True)
    weights = [name for name in trunk if not name.endswith("num_batches_tracked")]
    return all(torch.equal(model.state_dict()[name], trunk[name]) for name in weights)


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


def lightning(state):
    """What PyTorch Lightning saves beside the weights."""
    return {
        "state_dict": state,
        "hyper_parameters": {"lr": 0.1},
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.5)}},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}}],
    }


@pytest.mark.parametrize(
    "wrapped",
    [
        pytest.param(lambda state: {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}, id="ddp"),
        pytest.param(lambda state: {f"encoder.{k}": v for k, v in state.items()}, id="within a model"),
        *(
            pytest.param(lambda state, prefix=prefix: lightning(prefixed(state, prefix)), id=f"Lightning, {prefix}")
            for prefix in ("model.", "encoder.", "backbone.", "model.encoder.", "model.backbone.")
        ),
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
        pytest.param(
            lambda state: (
                prefixed(state, "encoder.")
                | {"decoder.blocks.0.conv1.0.weight": torch.ones(2), "decoder.blocks.4.conv2.1.weight": torch.ones(2)}
                | {"segmentation_head.0.weight": torch.ones(2)}
            ),
            id="segmentation_models_pytorch",
        ),
        pytest.param(
            lambda state: {
                "epoch": 100,
                "arch": "resnet50",
                "state_dict": prefixed(state, "backbone.") | {"backbone.fc.0.weight": torch.ones(2)},
            },
            id="SimCLR",
        ),
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
        pytest.param(
            lambda state: {k: v.amax().double().expand(v.shape) if v.ndim else v for k, v in state.items()}, id="double"
        ),
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
def test_checkpoints_of_other_projects_are_read(marked, tmp_path, wrapped):
    torch.save(wrapped(marked), tmp_path / "weights.pth")
    model = encoder()
    load(model, tmp_path / "weights.pth")
    assert holds(model, marked)


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
def test_one_of_several_networks_is_chosen_by_its_prefix(marked, tmp_path, prefix, taken):
    """As in the checkpoints of DINO, where neither of the two is a copy, and beside them are the command's options."""
    states = {"student": zeros(marked) | {"bn1.bias": torch.ones(64)}, "teacher": marked}
    inner = {"student": "module.backbone.", "teacher": "backbone."}
    held = {name: prefixed(states[name], inner[name]) for name in states}
    torch.save({**held, "epoch": 100, "args": argparse.Namespace(arch="resnet50")}, tmp_path / "weights.pth")
    model = encoder()
    loaded = load(model, tmp_path / "weights.pth", prefix=prefix)
    assert torch.equal(model.bn1.bias, states[taken]["bn1.bias"])
    assert torch.equal(model.layer4[2].conv3.weight, states[taken]["layer4.2.conv3.weight"])
    assert len(loaded.unused) == len(marked) + 1


def test_an_averaged_copy_can_be_chosen(marked, tmp_path):
    torch.save({"state_dict": zeros(marked), "state_dict_ema": marked}, tmp_path / "weights.pth")
    model = encoder()
    load(model, tmp_path / "weights.pth", prefix="state_dict_ema")
    assert holds(model, marked)


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        (None, "contains 2 trunks, with the prefixes 'a.student' and 'a.teacher'; name one as prefix, or save it"),
        ("a", "contains 2 trunks below the prefix 'a', with the prefixes 'a.student' and 'a.teacher'; name one as"),
        ("b", "contains no trunk below the prefix 'b', but 2 with the prefixes 'a.student' and 'a.teacher'; name"),
        ("", "contains no trunk below the prefix '', but 2 with the prefixes"),
        ("a.stud", "contains no trunk below the prefix 'a.stud', but 2 with the prefixes"),
    ],
)
def test_a_prefix_of_several_or_no_networks_is_refused(marked, tmp_path, prefix, message):
    state = {"a": {"student": marked, "teacher": zeros(marked)}}
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(UserError, match=message):
        load(encoder(), tmp_path / "weights.pth", prefix=prefix)
