"""What weights are that the networks of a study cannot take, so that a refusal gives the true reason."""

import re
from collections.abc import Mapping, Sequence

import torch

from headstart.job import shown
from headstart.networks.trunks import RESNETS

_PLAIN = f"take weights of a plain 2D ResNet ({', '.join(RESNETS)})"
_OPTIMISER = re.compile(r"(^|\.)(exp_avg\w*|momentum_buffer|square_avg|step)$")
_DECODER = re.compile(r"(^|\.)(decoder|segmentation_head|up\d*|upconv\d*|final)\.")
# Names by which networks that are no ResNets are known, and what each is.
_FAMILIES = (
    (r"relative_position_bias_table", "a Swin transformer"),
    (r"(^|\.)(cls_token|class_token|class_embedding|patch_embed)", "a vision transformer (ViT)"),
    (r"(^|\.)denseblock1\.", "a DenseNet"),
    (r"(^|\.)(downsample_layers\.0|stages\.0\.(blocks\.)?0\.(dwconv|conv_dw))\.|layer_scale", "a ConvNeXt"),
    (r"(^|\.)(conv_stem|_conv_stem|features\.0\.0)\.weight", "an EfficientNet or MobileNet"),
    (r"(^|\.)features\.0\.weight", "a VGG, AlexNet or SqueezeNet"),
    (r"(^|\.)(Conv2d_1a_3x3|Mixed_5b|conv2d_1a)\.", "an Inception network"),
    (r"(^|\.)stages\.0\.blocks\.0\.conv1\.weight", "a ResNet of the second kind (ResNetV2, BiT)"),
    (r"(^|\.)layer1\.0\.conv1\.0\.", "a ResNet whose norms were merged into its convolutions, as for quantising"),
    (r"(^|\.)res2\.0\.", "a ResNet of Detectron2, whose strides lie in other convolutions"),
    (r"(^|\.)3\.0\.conv1\.weight", "a ResNet with numbered layers and without max pooling, as for small images"),
    (
        r"(^|\.)(down_tr\d+|stages\.0\.0\.convs\.0|conv_blocks_context|model\.1\.submodule|inc|down1|inconv)\.",
        "a U-Net with an encoder of its own",
    ),
)
# Tensors of blocks that a plain ResNet lacks: squeeze and excitation, attention, scales.
_ATTENTION = re.compile(r"layer\d\.\d+\.(se|se_module|attn|eca|cbam|ca|sa)\.")


def instead(names: Sequence[str]) -> str:
    """What tensors of these names are if they are no trunk of a ResNet, and the remedy; the end of a sentence."""
    if all(map(_OPTIMISER.search, names)):
        return "; it holds the state of an optimiser, and no network; save the network's state_dict"
    for pattern, what in _FAMILIES:
        if any(re.search(pattern, name) for name in names):
            return f"; it holds {what}; {_PLAIN}"
    if all(_DECODER.search(name) or _OPTIMISER.search(name) for name in names):
        return f"; it holds a decoder without its encoder ({shown(names)}); take the file with the encoder"
    return (
        ": it has no conv1.weight with a layer1.0.conv1.weight beside it, nor layers numbered in torchvision's order, "
        f"but {shown(names)}; rename its tensors to torchvision's names, or take other weights"
    )


def variant(trunk: Mapping[str, torch.Tensor], wanted: str, layers: int) -> str | None:
    """What a trunk is if not the architecture ``wanted``, and the remedy; the end of a sentence, None if it may be it.

    ``layers``: how many of its layers are compared, the first ones. ``trunk``: tensors by torchvision's names, with a
    ``layer1.0.conv1.weight``.
    """
    if what := _stem(trunk) or _blocks(trunk):
        return f"{what}; {_PLAIN}"
    kind, counts = layout(trunk, layers)
    own = architecture(trunk, layers)
    if own is None:
        return f"is a ResNet of {', '.join(map(str, counts))} {kind} blocks in its layers; {_PLAIN}"
    if own != wanted:
        return f"is a {own}, and network.encoder of this study is {wanted}; change one of them"
    return None


def architecture(trunk: Mapping[str, torch.Tensor], layers: int) -> str | None:
    """The name of the trunk in :data:`RESNETS` with as many blocks of the same kind; None if there is none."""
    found = layout(trunk, layers)
    return next((name for name, (kind, counts, _) in RESNETS.items() if (kind, counts[:layers]) == found), None)


def layout(trunk: Mapping[str, torch.Tensor], layers: int) -> tuple[str, list[int]]:
    """The kind of blocks of a trunk, and their number in each of its first ``layers`` layers."""
    numbers = range(1, layers + 1)
    counts = [len({name.split(".")[1] for name in trunk if name.startswith(f"layer{n}.")}) for n in numbers]
    return "bottleneck" if "layer1.0.conv3.weight" in trunk else "basic", counts


def _stem(trunk: Mapping[str, torch.Tensor]) -> str | None:
    """What is unlike a plain ResNet in the layers before the first block."""
    if "conv2.weight" in trunk or any(re.match(r"(conv1|stem)\.\d", name) for name in trunk):
        return "has a stem of several 3 x 3 convolutions (a deep stem, as of timm's resnet50d and of CLIP)"
    kernel = trunk["conv1.weight"].shape[2:] if "conv1.weight" in trunk else None
    if kernel is not None and len(kernel) == 3:
        return f"is a network for volumes (a kernel of {_by(kernel)} in conv1.weight), not for slices"
    if kernel is not None and kernel != (7, 7):
        return f"has a stem of {_by(kernel)} (conv1.weight), as for small images, and not of 7 x 7"
    return None


def _blocks(trunk: Mapping[str, torch.Tensor]) -> str | None:
    """What is unlike a plain ResNet in the blocks."""
    if attention := [name for name in trunk if _ATTENTION.match(name)]:
        return f"has attention in its blocks ({shown(attention)})"
    if not any(".bn" in f".{name}" for name in trunk):
        return "has no batch norm, which was merged into its convolutions or is of another name"
    if not any(name.endswith("running_mean") for name in trunk):
        return "has no running statistics of batch norm, as with group norm"
    inner = trunk.get("layer1.0.conv2.weight")
    if inner is None or inner.ndim != 4:
        return None
    if inner.shape[0] != inner.shape[1]:
        return f"has grouped convolutions (layer1.0.conv2.weight is {_by(inner.shape)}), as a ResNeXt"
    if inner.shape[0] != 64:
        return f"has {inner.shape[0]} channels in its first block where a plain ResNet has 64, as a wide ResNet"
    return None


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
