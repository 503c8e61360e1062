"""Model cards: a page beside an encoder for those who use it in another project."""

import os
from collections.abc import Mapping, Sequence

from headstart.job import write_text
from headstart.networks.trunks import LAYERS
from headstart.version import __version__

# Names of a card's list; model.json has all.
_NAMES = 10


def write(path: str | os.PathLike, metadata: Mapping, history: Sequence[Mapping]) -> None:
    """Write a model card: what an encoder is, what it was trained on, and how to use it in another project."""
    size = " x ".join(map(str, metadata["size"]))
    lines = [
        f"# Encoder: {metadata.get('source', metadata['kind'])}",
        "",
        f"A {metadata['encoder']} with one input channel{_without(metadata)}, pre-trained by headstart {__version__}.",
        "",
        *training(metadata, history),
        f"- input: slices of {size} pixels, one channel, intensities in {metadata['intensities']}",
        *_of_file(metadata),
        "",
        "`model.json` has all settings, `training.tsv` each epoch. The trunk's tensors are named as in "
        f"{library_of(metadata['encoder'])}:",
        "",
        *in_library(metadata["encoder"], layers=metadata.get("layers", LAYERS)),
    ]
    write_text(path, "\n".join(lines) + "\n")


def training(metadata: Mapping, history: Sequence[Mapping]) -> list[str]:
    """How an encoder was trained, as items of a list."""
    last = history[-1] if history else {}
    data = f"{metadata['slices']} slices in {metadata['files']} files" if "slices" in metadata else "nothing"
    score = last.get("validation")
    return [
        f"- task: {metadata['kind']}",
        f"- trained on: {metadata.get('file', data)}",
        *([f"- started from: the source {metadata['start']} of the same study"] if "start" in metadata else []),
        *([f"- repeat: {metadata['repeat']}"] if "repeat" in metadata else []),
        f"- epochs: {last.get('epoch', 0)}",
        *([f"- {metadata['measure']} on held-out slices: {score:.3f}"] if score is not None else []),
    ]


def library_of(encoder: str) -> str:
    """The library whose names the tensors of a backbone have: torchvision, monai or timm."""
    return encoder.rpartition("/")[0] or "torchvision"


def in_library(encoder: str, inputs: int = 1, layers: int = LAYERS) -> list[str]:
    """A block of code that loads ``encoder.safetensors`` into the network of :func:`library_of`.

    ``inputs``: channels of its images; ``layers``: of the four of a ResNet, those that the encoder has.
    """
    model = encoder.rpartition("/")[2]
    lines = {
        "torchvision": [
            "import torch, torchvision",
            "",
            f"network = torchvision.models.{model}()",
            f"network.conv1 = torch.nn.Conv2d({inputs}, 64, 7, stride=2, padding=3, bias=False)",
            *left_out(layers),
            'weights = {k: v for k, v in load_file("encoder.safetensors").items() if not k.startswith("compress.")}',
            "network.load_state_dict(weights, strict=False)  # all but fc",
        ],
        "monai": [
            "from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE",
            "",
            f'row = FLEXUNET_BACKBONE.register_dict["{model}"]',
            f'options = {{**row["parameter"], "pretrained": False, "spatial_dims": 2, "in_channels": {inputs}}}',
            'network = row["type"](**options)',
            'weights = {k.removeprefix("net."): v for k, v in load_file("encoder.safetensors").items()}',
            "network.load_state_dict(weights, strict=False)  # all but the classifier",
        ],
        "timm": [
            "import timm",
            "",
            f'network = timm.create_model("{model}", in_chans={inputs}, features_only=True, feature_cls="getter")',
            'weights = {k.removeprefix("net."): v for k, v in load_file("encoder.safetensors").items()}',
            "network.load_state_dict(weights)",
        ],
    }
    return ["```python", "from safetensors.torch import load_file", *lines[library_of(encoder)], "```"]


def left_out(layers: int) -> list[str]:
    """The line that takes the last layer out of a library's ResNet for an encoder without it; none for a whole one."""
    return ["network.layer4 = torch.nn.Identity()  # which this encoder lacks"] if layers < LAYERS else []


def _without(metadata: Mapping) -> str:
    """What the encoder lacks of the network of that name, in words."""
    return " and without its last layer" if "layers" in metadata else ""


def _of_file(metadata: Mapping) -> list[str]:
    """What became of the tensors of a file of weights, and what it expected of an image; none for other encoders."""
    if "tensors" not in metadata:
        return []
    lines = [f"- {how}: {_counted(names)}" for how, names in metadata["tensors"].items()]
    if expects := metadata.get("file_expects"):
        values = [", ".join(f"{value:g}" for value in expects[name]) for name in ("mean", "std")]
        lines.append("- input of the file, folded into the first layer: mean {}; standard deviation {}".format(*values))
    return ["", "Tensors of the file:", "", *lines]


def _counted(names: Sequence[str]) -> str:
    """How many names there are, with the names if they are few."""
    return f"{len(names)} tensors" + (f" ({', '.join(names)})" if 0 < len(names) <= _NAMES else "")
