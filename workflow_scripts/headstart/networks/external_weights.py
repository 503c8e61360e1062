"""Weights from other projects: loads the trunk of a ResNet from torchvision, timm, MONAI or Taskonomy into an encoder.

All four name the trunk's tensors as torchvision does. They differ in prefixes and wrappers, and in details that are
adapted here.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from headstart import job
from headstart.job import UserError
from headstart.networks.architectures import Encoder
from headstart.networks.model_files import read_state

# Keys under which checkpoints keep the weights, and prefixes that wrapped modules add to the names.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "encoder")
_PREFIXES = re.compile(r"^(module\.|model\.|encoder\.|backbone\.|resnet\.)+")
# Tensors that are not part of the trunk: classifiers, and the last layer of an encoder of Taskonomy or headstart.
_NOT_TRUNK = re.compile(r"(fc|last_linear|classifier|head|compress\w*)\.")
_DOWNSAMPLE_BIAS = re.compile(r"(layer\d\.0\.downsample)\.0\.bias")


@dataclass(frozen=True)
class Loaded:
    """Names of the encoder's tensors: ``loaded`` unchanged, ``adapted``, or ``missing`` from the file, so left random.

    ``unused``: names of the file's tensors that are not part of the trunk.
    """

    loaded: tuple[str, ...]
    adapted: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]


def load_trunk(encoder: Encoder, path: str | os.PathLike, sha256: str | None) -> Loaded:
    """Load a whole trunk from safetensors or a torch file into ``encoder``.

    A first convolution of three (RGB) channels is summed over them, so that a grey image gives what it would give in
    three equal channels. Biases of shortcuts before batch norm are subtracted from its running mean. ``sha256``: the
    file's expected checksum, or None. Raises :class:`UserError` if the file is missing or has another checksum, or
    naming the tensors that are unknown, missing or of another shape.
    """
    _check_file(Path(path), sha256)
    state, unused = _trunk_of(_unwrapped(path, read_state(path)))
    wanted = {name: tensor for name, tensor in encoder.state_dict().items() if not name.startswith("compress.")}
    adapted = _sum_channels(state, wanted) + _fold_biases(state)
    # Older files have no count of batches; nothing here uses it.
    counted = [name for name in wanted if name.endswith("num_batches_tracked") and name not in state]
    state |= {name: wanted[name] for name in counted}
    for what, names in (
        ("unknown", [name for name in state if name not in wanted]),
        ("missing", [name for name in wanted if name not in state]),
        ("of another shape", [name for name in wanted if name in state and state[name].shape != wanted[name].shape]),
    ):
        if names:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise UserError(f"{path} is not the network.encoder of this study: {len(names)} tensors {what} ({shown}).")
    encoder.load_state_dict(state, strict=False)
    missing = [name for name in encoder.state_dict() if name not in wanted or name in counted]
    loaded = [name for name in wanted if name not in (*adapted, *counted)]
    return Loaded(tuple(loaded), tuple(adapted), tuple(missing), tuple(unused))


def _check_file(path: Path, sha256: str | None) -> None:
    if not path.exists():
        raise UserError(f"{path} does not exist; check the path of the weights.")
    if sha256 is not None and (found := job.sha256(path)) != sha256.lower():
        raise UserError(f"{path} has the SHA-256 {found}, not {sha256}; download it again, or correct the checksum.")


def _unwrapped(path: str | os.PathLike, state: object) -> Mapping:
    """The weights within a checkpoint that may contain other things too."""
    if not isinstance(state, Mapping):
        raise UserError(f"{path} contains {type(state).__name__}, not named tensors; save the network's state_dict.")
    for key in _WRAPPERS:
        if isinstance(state.get(key), Mapping):
            return _unwrapped(path, state[key])
    return state


def _trunk_of(state: Mapping) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The trunk's tensors by torchvision's names, and the names of all others."""
    trunk, unused = {}, []
    for name, tensor in state.items():
        plain = _PREFIXES.sub("", name)
        if _NOT_TRUNK.match(plain) or not isinstance(tensor, torch.Tensor):
            unused.append(name)
        else:
            trunk[plain] = tensor.float() if tensor.is_floating_point() else tensor
    return trunk, unused


def _sum_channels(state: dict[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> list[str]:
    """Sum an RGB stem over its channels, in place; returns the names of what changed."""
    stem = state.get("conv1.weight")
    if stem is None or stem.ndim != 4 or stem.shape[1] == wanted["conv1.weight"].shape[1]:
        return []
    state["conv1.weight"] = stem.sum(dim=1, keepdim=True)
    return ["conv1.weight"]


def _fold_biases(state: dict[str, torch.Tensor]) -> list[str]:
    """Move biases of shortcuts into the batch norm that follows, in place; returns the names of what changed."""
    folded = []
    for name in [name for name in state if _DOWNSAMPLE_BIAS.fullmatch(name)]:
        mean = f"{_DOWNSAMPLE_BIAS.fullmatch(name)[1]}.1.running_mean"
        if mean in state:
            state[mean] = state[mean] - state.pop(name)
            folded.append(mean)
    return folded
