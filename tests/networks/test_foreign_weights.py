"""Weights of other networks, and what is said of each; names as in timm 1.0, torchvision 0.28, MONAI and others."""

import re

import pytest
import torch
from bad_settings import small_state

from headstart.job import UserError
from headstart.networks.external_weights import WeightFile, load_trunk
from headstart.networks.trunks import RESNETS, Encoder

FOREIGN = {
    "vision transformer": (["cls_token", "pos_embed", "patch_embed.proj.weight"], "it holds a vision transformer"),
    "of torchvision": (["class_token", "conv_proj.weight"], "it holds a vision transformer"),
    "Swin": (["layers.0.blocks.0.attn.relative_position_bias_table", "patch_embed.proj.weight"], "a Swin transformer"),
    "DenseNet": (["features.conv0.weight", "features.denseblock1.denselayer1.norm1.weight"], "it holds a DenseNet"),
    "ConvNeXt": (["stem.0.weight", "stages.0.blocks.0.conv_dw.weight"], "it holds a ConvNeXt"),
    "EfficientNet": (["conv_stem.weight", "blocks.0.0.conv_dw.weight"], "it holds an EfficientNet or MobileNet"),
    "VGG": (["features.0.weight", "features.0.bias"], "it holds a VGG, AlexNet or SqueezeNet"),
    "Inception": (["Conv2d_1a_3x3.conv.weight"], "it holds an Inception network"),
    "BiT": (["stem.conv.weight", "stages.0.blocks.0.conv1.weight"], "it holds a ResNet of the second kind"),
    "Detectron2": (["backbone.bottom_up.res2.0.conv1.weight"], "it holds a ResNet of Detectron2, whose strides"),
    "SimCLR of CIFAR": (
        ["f.0.weight", "f.3.0.conv1.weight", "f.4.0.conv1.weight"],
        "it holds a ResNet with numbered layers and without max pooling",
    ),
    "merged norms": (["conv1.0.weight", "layer1.0.conv1.0.weight"], "it holds a ResNet whose norms were merged"),
    "Models Genesis": (["module.down_tr64.ops.0.conv1.weight", "module.up_tr256.up_conv.weight"], "it holds a U-Net"),
    "nnU-Net": (["encoder.stages.0.0.convs.0.conv.weight", "decoder.seg_layers.0.weight"], "it holds a U-Net"),
    "decoder": (
        ["decoder.blocks.0.conv1.0.weight", "segmentation_head.0.weight"],
        r"it holds a decoder without its encoder \(decoder.blocks.0.conv1.0.weight, segmentation_head.0.weight\); take",
    ),
    "optimiser": (
        ["state.0.exp_avg", "state.0.exp_avg_sq", "state.0.step", "state.1.momentum_buffer"],
        "it holds the state of an optimiser, and no network; save the network's state_dict.",
    ),
    "unknown": (["something.weight"], "no conv1.weight with a layer1.0.conv1.weight .*, but something.weight; rename"),
}


def refusal(folder, state, name="resnet18"):
    torch.save(state, folder / "weights.pth")
    with pytest.raises(UserError) as caught:
        load_trunk(
            Encoder(name, latent_channels=4), WeightFile(folder / "weights.pth", None, prefix=None, expects=None)
        )
    return str(caught.value)


@pytest.mark.parametrize(("names", "sentence"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_resnet_is_said_to_be_what_it_is(tmp_path, names, sentence):
    said = refusal(tmp_path, {name: torch.ones(2) for name in names})
    assert re.search(f"weights.pth contains no trunk of a ResNet.*{sentence}", said), said
    assert "\n" not in said


def renamed(state, old, new):
    return {name.replace(old, new): tensor for name, tensor in state.items()}


def without(state, word):
    return {name: tensor for name, tensor in state.items() if word not in name}


DEEP = "has a stem of several 3 x 3 convolutions"
VARIANTS = {
    "deep stem": (
        "resnet50",
        lambda state: (
            without(state, "conv1.weight")
            | {"conv1.0.weight": torch.ones(32, 3, 3, 3), "layer1.0.conv1.weight": torch.ones(64, 64, 1, 1)}
        ),
        DEEP,
    ),
    "deep stem of CLIP": ("resnet50", lambda state: state | {"conv2.weight": torch.ones(32, 32, 3, 3)}, DEEP),
    "stem of OpenMMLab": ("resnet50", lambda state: state | {"stem.0.weight": torch.ones(32, 3, 3, 3)}, DEEP),
    "small images": (
        "resnet18",
        lambda state: state | {"conv1.weight": torch.ones(64, 3, 3, 3)},
        r"has a stem of 3 x 3 .conv1.weight., as for small images, and not of 7 x 7",
    ),
    "3D": (
        "resnet18",
        lambda state: {name: t[..., None] if t.ndim == 4 else t for name, t in state.items()},
        "is a network for volumes",
    ),
    "SE-ResNet": (
        "resnet50",
        lambda state: state | {"layer1.0.se.fc1.weight": torch.ones(8)},
        r"has attention in its blocks .layer1.0.se.fc1.weight.",
    ),
    "ResNeXt": (
        "resnet50",
        lambda state: state | {"layer1.0.conv2.weight": torch.ones(128, 4, 3, 3)},
        "has grouped convolutions .layer1.0.conv2.weight is 128 x 4 x 3 x 3., as a ResNeXt",
    ),
    "wide": (
        "resnet50",
        lambda state: state | {"layer1.0.conv2.weight": torch.ones(128, 128, 3, 3)},
        "has 128 channels in its first block where a plain ResNet has 64, as a wide ResNet",
    ),
    "group norm": ("resnet50", lambda state: without(state, "running"), "has no running statistics of batch norm"),
    "merged norms": ("resnet18", lambda state: without(without(state, "bn"), "downsample.1"), "has no batch norm"),
    "another depth": (
        "resnet50",
        lambda state: without(state, "layer3.5"),
        "is a ResNet of 3, 4, 5, 3 bottleneck blocks in its layers",
    ),
    "cut": ("resnet50", lambda state: without(state, "layer4"), "is a ResNet of 3, 4, 6, 0 bottleneck blocks"),
    "quantised": (
        "resnet18",
        lambda state: {name: t.to(torch.int8) if t.ndim == 4 else t for name, t in state.items()},
        "is quantised: 20 tensors are of int8 .conv1.weight, ",
    ),
    "floats of 8 bits": (
        "resnet18",
        lambda state: state | {"conv1.weight": torch.ones(64, 1, 7, 7).to(torch.float8_e4m3fn)},
        "is quantised: 1 tensors are of float8_e4m3fn .conv1.weight.",
    ),
}


@pytest.mark.parametrize(("name", "change", "sentence"), VARIANTS.values(), ids=VARIANTS)
def test_what_is_no_plain_resnet_is_said_to_be_what_it_is(tmp_path, name, change, sentence):
    said = refusal(tmp_path, change(small_state(name)), name)
    assert re.search(rf"weights.pth {sentence}", said), said
    assert "\n" not in said


@pytest.mark.parametrize("held", RESNETS)
def test_each_resnet_is_loaded_as_itself_and_refused_as_another(tmp_path, held):
    state = small_state(held)
    for wanted in RESNETS:
        if wanted != held:
            said = refusal(tmp_path, state, wanted)
            assert f"is a {held}, and network.encoder of this study is {wanted}; change one of them." in said
    file = WeightFile(tmp_path / "weights.pth", None, prefix=None, expects=None)
    assert len(load_trunk(Encoder(held, latent_channels=4), file).loaded) == len(state)
