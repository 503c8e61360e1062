"""Weights from other projects: loads a trunk from torchvision, timm, MONAI, Taskonomy and others into an encoder.

What stands before the names of its tensors is found (:mod:`headstart.networks.trunk_names`); what the trunk expects of
an image is folded into its first layer (:mod:`headstart.networks.expected_input`).
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from headstart import job, stand_ins
from headstart.job import UserError, shown
from headstart.networks import expected_input, foreign_weights
from headstart.networks.backbones import Backbone
from headstart.networks.expected_input import ExpectedInput, Stem
from headstart.networks.trunk_names import backbone_of, named_tensors, trunk_of
from headstart.networks.trunks import STEM, Trunk
from headstart.networks.weight_files import misfit, read_state

_COUNT = "num_batches_tracked"
# Biases of convolutions before batch norm, as of MONAI's shortcuts.
_BIAS = re.compile(r"(layer\d\.\d+\.)?(?:conv(\d)|(downsample)\.0)\.bias")
# The name of one of several files of a network, as Hugging Face writes them: model-00001-of-00002.safetensors.
_PART = re.compile(r"-0*(\d+)-of-0*(\d+)\.")


@dataclass(frozen=True)
class WeightFile:
    """A file of weights.

    ``sha256``: its expected checksum, or None. ``prefix``: which of several networks in it, by what stands before the
    names of its tensors; None for the only one. ``expects``: the input for which it was trained; None if that is an
    image of [0, 1], equal in all channels.
    """

    path: str | os.PathLike
    sha256: str | None
    prefix: str | None
    expects: ExpectedInput | None


@dataclass(frozen=True)
class Loaded:
    """Names of the encoder's tensors: ``loaded`` unchanged, ``adapted``, or ``missing`` from the file, so left random.

    ``unused``: names of the file's tensors that are not part of the trunk.
    """

    loaded: tuple[str, ...]
    adapted: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]


def load_trunk(encoder: Trunk | Backbone, file: WeightFile) -> Loaded:
    """Load a whole trunk from safetensors or a torch file into ``encoder``.

    A first convolution of three (RGB) channels is summed over them, so that a grey image gives what it would give in
    three equal channels, normalised as the file expects. Biases of a ResNet before batch norm are subtracted from its
    running mean. A backbone of another library takes files with that library's names.
    Raises :class:`UserError` if the file is missing or has another checksum, has no trunk or several, has a trunk of
    another architecture, or naming the tensors that are unknown, missing, of another shape, or not finite.
    """
    path = file.path
    _check_file(path, file.sha256)
    tensors = dict(named_tensors(read_state(path)))
    wanted = {name: tensor for name, tensor in encoder.state_dict().items() if not name.startswith("compress.")}
    biased: list[str] = []
    if isinstance(encoder, Backbone):
        plain = [name.removeprefix(encoder.prefix) for name in wanted]
        found, unused = backbone_of(path, tensors, file.prefix, plain)
        state = _float32(path, {encoder.prefix + name: tensor for name, tensor in found.items()})
        stem = encoder.stem
    else:
        layers = len(encoder.channels) - 1
        found, unused = trunk_of(path, tensors, file.prefix, layers)
        state, stem = _float32(path, found), STEM
        if reason := foreign_weights.variant(state, foreign_weights.architecture(wanted, layers), layers):
            raise UserError(f"{path} {reason}.")
        biased = _fold_biases(state)
    # Older files have no count of batches; nothing here uses it.
    counted = [name for name in wanted if name.endswith(_COUNT) and name not in state]
    state |= {name: wanted[name] for name in counted}
    _check_fit(path, state, wanted, stem.kernel)
    _check_values(path, state)
    adapted = list(dict.fromkeys((*_fold_input(path, state, file.expects, stem), *biased)))
    encoder.load_state_dict(state, strict=False)
    missing = [name for name in encoder.state_dict() if name not in wanted or name in counted]
    loaded = [name for name in wanted if name not in (*adapted, *counted)]
    return Loaded(tuple(loaded), tuple(adapted), tuple(missing), tuple(unused))


def _check_file(path: str | os.PathLike, sha256: str | None) -> None:
    # A pointer or a page has another checksum, too, but what it is says more.
    stand_ins.first_bytes(path)
    if (part := _PART.search(os.path.basename(path))) and int(part[2]) > 1:
        raise UserError(f"{path} is part {int(part[1])} of {int(part[2])} of a network; join the parts in one file.")
    if sha256 is not None and (found := job.sha256(path)) != sha256.lower():
        raise UserError(f"{path} has the SHA-256 {found}, not {sha256}; download it again, or correct the checksum.")


def _float32(path: str | os.PathLike, trunk: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """All tensors but counts as float32; raises :class:`UserError` for those of 8 bits or fewer."""
    weights = [name for name in trunk if not name.endswith(_COUNT)]
    # Of 8 bits, too, are the floats that need a scale beside them.
    small = [name for name in weights if not trunk[name].is_floating_point() or trunk[name].itemsize < 2]
    if small:
        raise UserError(
            f"{path} is quantised: {len(small)} tensors are of {str(trunk[small[0]].dtype).removeprefix('torch.')} "
            f"({shown(small)}); take the weights from which it was made."
        )
    return {**trunk, **{name: trunk[name].float() for name in weights}}


def _check_fit(
    path: str | os.PathLike, state: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], kernel: str
) -> None:
    """Raise :class:`UserError` unless the trunk has the tensors that the encoder wants, of one or three channels."""
    shapes = {name: tensor.shape for name, tensor in state.items()}
    if kernel in shapes:
        outputs, channels, *sides = shapes[kernel]
        if channels not in expected_input.CHANNELS:
            raise UserError(
                f"{path} takes images of {channels} channels ({kernel}); take weights for one channel (grey) or "
                "three (RGB)."
            )
        shapes[kernel] = torch.Size((outputs, 1, *sides))
    if difference := misfit(shapes, {name: tensor.shape for name, tensor in wanted.items()}):
        raise UserError(
            f"{path} is not the network.encoder of this study: {difference}; take weights of that architecture, or "
            "change it."
        )


def _check_values(path: str | os.PathLike, state: Mapping[str, torch.Tensor]) -> None:
    """Raise :class:`UserError` for values with which nothing can be computed."""
    for what, names in (
        ("that are NaN or infinite", [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]),
        ("below 0", [name for name in state if name.endswith("running_var") and (state[name] < 0).any()]),
    ):
        if names:
            raise UserError(
                f"{path} has values {what} in {len(names)} tensors ({shown(names)}); make or download it again."
            )


def _fold_input(
    path: str | os.PathLike, state: dict[str, torch.Tensor], expects: ExpectedInput | None, stem: Stem
) -> list[str]:
    """Adapt the first layer to a grey image of [0, 1], in place; returns the names of what changed."""
    kernel = state[stem.kernel]
    if expects is None:
        if kernel.shape[1] == 1:
            return []
        state[stem.kernel] = kernel.sum(dim=1, keepdim=True)
        return [stem.kernel]
    if len(expects.mean) != kernel.shape[1]:
        channels = f"{kernel.shape[1]} channel{'s' * (kernel.shape[1] > 1)}"
        raise UserError(
            f"{path} takes images of {channels} ({stem.kernel}), and expects has {len(expects.mean)}; correct its "
            "mean and std."
        )
    if not (stem.bias or stem.running_mean):
        raise UserError(f"{path}: expects cannot be folded into this network.encoder; remove it, or take another one.")
    return expected_input.fold(state, expects, stem)


def _fold_biases(state: dict[str, torch.Tensor]) -> list[str]:
    """Move biases of convolutions into the batch norm that follows, in place; returns the names of what changed."""
    folded = []
    for name, found in [(name, found) for name in state if (found := _BIAS.fullmatch(name))]:
        block, number, shortcut = found.groups()
        mean = f"{block or ''}{'downsample.1' if shortcut else f'bn{number}'}.running_mean"
        if mean in state:
            state[mean] = state[mean] - state.pop(name)
            folded.append(mean)
    return folded
