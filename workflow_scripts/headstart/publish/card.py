"""The model card of a published model: what it is, how good it is, what it was made from, and how to load it.

``tests/publish`` runs its blocks of Python as they stand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from headstart.datasets.scan import T1W, image_title, image_word
from headstart.networks import model_card
from headstart.networks.architectures import Architecture
from headstart.networks.trunks import LAYERS, RESNETS
from headstart.publish.choice import Choice
from headstart.slices.channels import Channels
from headstart.sources import BASELINE
from headstart.version import __version__

_DECODERS = {"unet": "a U-Net with a {}", "paper": "the decoder of Zoetmulder et al. 2022 on a {}"}
_CITATION = (
    "Please cite headstart (its `CITATION.cff`), the study that it follows (Zoetmulder et al. 2022, doi "
    "10.1016/j.cmpb.2021.106539), and the datasets above."
)


@dataclass(frozen=True)
class Pretraining:
    """``model.json`` of the encoder that a model started from, and the rows of its ``training.tsv``."""

    metadata: Mapping
    history: Sequence[Mapping]


@dataclass(frozen=True)
class Study:
    """What the card says of the study.

    people: participants in the test set; overlap: what pre-training and test have, or may have, in common, in words;
    terms: those of the data (:func:`headstart.publish.terms.of_model`).
    """

    name: str
    people: int
    overlap: str
    terms: Sequence[str]


def text(choice: Choice, study: Study, pretraining: Pretraining) -> str:
    """The card in Markdown."""
    network = choice.metadata["network"]
    sections = {
        "Scores": _scores(choice, study),
        "Intended use and limits": _limits(choice.metadata),
        "Data and their terms": [*(f"- {line}" for line in study.terms), "", *_BEFORE_PASSING_ON],
        "Load it": _loading(choice.metadata),
        "Training": _training(choice, pretraining),
        "Citation and versions": [_CITATION, "", _versions(choice.metadata)],
    }
    kind = _DECODERS[network.get("decoder", "paper")].format(network["encoder"])
    lines = [
        f"# {choice.target}: {choice.source}",
        "",
        f"**Research use only; not a medical device.** This network, {kind}, segments "
        f"{', '.join(choice.metadata['classes'][1:])} in axial slices of "
        f"{_images(choice.metadata)} MRI of the brain. It was "
        f"{_origin(choice)} in the study `{study.name}`. It is published because {choice.reason}.",
    ]
    for title, content in sections.items():
        lines += ["", f"## {title}", "", *content]
    return "\n".join(lines) + "\n"


def _origin(choice: Choice) -> str:
    """How the network came to be, in words."""
    if not choice.size:
        return f"pre-trained as the source `{choice.source}`, and not fine-tuned on any labelled scan,"
    scans = f"{choice.size} labelled scan{'s' * (choice.size != 1)}"
    return f"fine-tuned on {scans} from the source `{choice.source}` (resample {choice.resample})"


def _scores(choice: Choice, study: Study) -> list[str]:
    """The scores of the source at each set size, that of this model, and the verdict."""
    rows = [
        f"| {row['size']} | {row['level']} | {_interval(row['score'], row['low'], row['high'])} | "
        f"{_interval(row['gain'], row['gain_low'], row['gain_high'], '+')} | {_number(row['p_adjusted'])} | "
        f"{row['resamples']} | {row['scans']} |"
        for row in choice.scores
    ]
    return [
        f"Mean {choice.measure} with 95 % confidence intervals of all models of this source, on test scans of "
        f"{study.people} participants, on whom the model that was tested was not fine-tuned:",
        "",
        f"| labelled scans | per | {choice.measure} | gain over {BASELINE} | adjusted p | training sets | test scans |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
        f"This very model: {_number(choice.own)} per volume. A source that is chosen for its score on these test scans "
        "does a little worse on others. The study's verdict: " + choice.verdict,
        *(["", f"Pre-training and test have, or may have, in common: {study.overlap}."] if study.overlap else []),
    ]


_BEFORE_PASSING_ON = [
    "Terms of data may also hold for weights that were trained on them; who passes the weights on has to see to that."
]


def _limits(metadata: Mapping) -> list[str]:
    """What the network is for, and what its input must be."""
    height, width = metadata["size"]
    low, high = metadata["percentiles"]
    discarded = metadata["discard_mm"]
    return [
        "For research on segmentation and transfer learning; for no diagnosis, treatment or other clinical use. Scores "
        "hold for scans like the test scans: other scanners, field strengths, sequences, ages and diseases were not "
        "tested.",
        "",
        "The input must be made as that of the study, which `snakemake predict` does:",
        "",
        f"- {_images(metadata)} scans, registered to {metadata['template']} by an affine transform, voxels of "
        f"{metadata['voxel_mm']:g} mm{_registered(metadata)};",
        f"- axial slices of {height} x {width} pixels, rows from posterior to anterior, columns from left to right, "
        "padded with 0 on all sides;",
        *_channels(metadata),
        f"- intensities clipped at percentiles {low:g} and {high:g} of the head's voxels and scaled to [0, 1], 0 being "
        "black;",
        f"- slices of the top {discarded['top']:g} mm and the bottom {discarded['bottom']:g} mm of the template's "
        "field of view were not trained on.",
    ]


def _images(metadata: Mapping) -> str:
    """The images of each person that the network sees, in words."""
    return " and ".join(map(image_title, metadata.get("images", [T1W])))


def _registered(metadata: Mapping) -> str:
    """How images other than the first of a scan are registered, in words."""
    first = metadata.get("first_image", T1W)
    others = [image_title(image) for image in metadata.get("images", ()) if image != first]
    if not others:
        return ""
    return f", {' and '.join(others)} images rigidly to the {image_word(first)} of the same person first"


def _channels(metadata: Mapping) -> list[str]:
    """What the channels of a slice are, if the network sees several images, or its neighbours."""
    channels = Channels.of(metadata)
    lines = []
    if channels.images > 1:
        lines.append(f"- channels in the order of the images: {', '.join(metadata['images'])};")
    if beside := channels.neighbours:
        distance = channels.step * metadata["voxel_mm"]
        lines.append(
            f"- {2 * beside + 1} channels from bottom to top, {distance:g} mm apart"
            f"{', of each image' * (channels.images > 1)}: the slice itself in the middle, {beside} on each side of "
            "it, and beyond the ends of a scan its last slice again;"
        )
    return lines


def _loading(metadata: Mapping) -> list[str]:
    """Blocks of code that load the files in another project, each on its own, from the folder of the card."""
    height, width = metadata["size"]
    architecture = Architecture.of(metadata["network"])
    encoder, inputs, layers = architecture.encoder, architecture.inputs, architecture.layers
    channels = "one channel" if inputs == 1 else f"{inputs} channels"
    lacking = " without its last layer" if layers < LAYERS else ""
    classes = ", ".join(f"{k} {name}" for k, name in enumerate(metadata["classes"]))
    return [
        "**With headstart**, which prepares the scans, too: `snakemake predict --cores 4 --config "
        "'predict={model: <this folder>, folder: <new scans>}'`.",
        "",
        "**The whole network in plain torch.** `network.pt2` is a program of torch's own operations, for slices "
        f"of {height} x {width}, in evaluation mode and float32. To train the whole network further, take "
        "`model.safetensors` and headstart's code. Load such programs only from those you trust.",
        "",
        "```python",
        "import torch",
        "",
        'network = torch.export.load("network.pt2").module()',
        f"slices = torch.zeros(3, {inputs}, {height}, {width})  # any number of slices",
        f"labels = network(slices).argmax(1)  # {classes}",
        "```",
        "",
        f"**Its encoder in {model_card.library_of(encoder)}**, a {encoder} for {channels}{lacking}, which can be "
        "trained:",
        "",
        *model_card.in_library(encoder, inputs, layers),
        *(_resnet_elsewhere(encoder, inputs, layers) if encoder in RESNETS else []),
    ]


def _resnet_elsewhere(encoder: str, inputs: int, layers: int) -> list[str]:
    """Blocks of code that load a ResNet in libraries other than torchvision."""
    left_out = model_card.left_out(layers)
    maps = f", out_indices={tuple(range(layers + 1))}" if left_out else ""
    without_maps = "" if left_out else " (without `features_only`, add `num_classes=0`)"
    return [
        "",
        f"**In timm**, with the maps of all stages{without_maps}:",
        "",
        "```python",
        "import timm",
        "from safetensors.torch import load_file",
        "",
        f'network = timm.create_model("{encoder}", in_chans={inputs}, features_only=True{maps})',
        'network.load_state_dict(load_file("encoder.safetensors"))',
        "```",
        "",
        "**In MONAI**, whose first stride and shortcuts are others by default:",
        "",
        "```python",
        *(["import torch"] if left_out else []),
        f"from monai.networks.nets import {encoder}",
        "from safetensors.torch import load_file",
        "",
        'options = {"conv1_t_stride": 2, "bias_downsample": False, "feed_forward": False}',
        f"network = {encoder}(spatial_dims=2, n_input_channels={inputs}, **options)",
        *left_out,
        'network.load_state_dict(load_file("encoder.safetensors"))',
        "```",
    ]


def _training(choice: Choice, pretraining: Pretraining) -> list[str]:
    """How the model was pre-trained and fine-tuned."""
    settings = choice.metadata["training"]
    length = f"{settings['steps']} updates" if settings.get("steps") else f"{settings['epochs']} epochs"
    before = model_card.training(pretraining.metadata, pretraining.history)
    if not choice.size:
        return [*before, "", "`model.json` has all settings, the seed and the hashes of the data."]
    return [
        "The encoder before fine-tuning:",
        "",
        *before,
        "",
        f"Fine-tuning: {length} in batches of {settings['batch_size']}, learning rate {settings['learning_rate']:g}, "
        f"{'with' if choice.metadata['augment'] else 'without'} augmentation; the scores were computed with "
        f"`precision: {settings['precision']}`. `model.json` has all settings, the seed and the hashes of the data.",
    ]


def _versions(metadata: Mapping) -> str:
    """The versions with which the model was trained and packed."""
    trained = ", ".join(f"{name} {version}" for name, version in metadata["versions"].items())
    return f"Trained with {trained}; packed by headstart {__version__}."


def _interval(value: float, low: float, high: float, sign: str = "") -> str:
    """A value with its 95 % confidence interval."""
    if pd.isna(value):
        return "n/a"
    return f"{value:{sign}.3f} [{_number(low, sign)}, {_number(high, sign)}]"


def _number(value: float, sign: str = "") -> str:
    return "n/a" if pd.isna(value) else f"{value:{sign}.3f}"
