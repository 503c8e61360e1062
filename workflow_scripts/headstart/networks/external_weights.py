"""Weights from other projects: loads the trunk of a ResNet from torchvision, timm, MONAI or Taskonomy into an encoder.

Most projects name the trunk's tensors as torchvision does, below a prefix of their own (``module.``, ``encoder_q.``,
``state_dict`` ...), or number its layers in the order of torchvision's. The prefix is found, whatever it is.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from headstart import job, stand_ins
from headstart.job import UserError
from headstart.networks.trunks import RESNETS, Trunk
from headstart.networks.weight_files import read_state, shown

# Torchvision's layers that have tensors, by their place among the children of its ResNet, and that of its classifier.
_NUMBERED = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4", "8": "fc", "9": "fc"}
# The first convolution of the first block, which together with the stem shows where a trunk is.
_FIRST_BLOCK = re.compile(r"((?:.*\.)?)(layer1|4)\.0\.conv1\.weight")
# Words in the prefix of a second, averaged copy of a network, as checkpoints of MoCo, BYOL and timm hold it.
_COPY = re.compile(r"(^|[._])(ema|momentum|encoder_k|target|averaged?)([._]|$)")
# Tensors that are not part of the trunk: classifiers, and the last layer of an encoder of Taskonomy or headstart.
_NOT_TRUNK = re.compile(r"(fc|last_linear|classifier|head|compress\w*)\.")
_DOWNSAMPLE_BIAS = re.compile(r"(layer\d\.0\.downsample)\.0\.bias")
_RGB = 3


@dataclass(frozen=True)
class Loaded:
    """Names of the encoder's tensors: ``loaded`` unchanged, ``adapted``, or ``missing`` from the file, so left random.

    ``unused``: names of the file's tensors that are not part of the trunk.
    """

    loaded: tuple[str, ...]
    adapted: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]


def load_trunk(encoder: Trunk, path: str | os.PathLike, sha256: str | None) -> Loaded:
    """Load a whole trunk from safetensors or a torch file into ``encoder``.

    A first convolution of three (RGB) channels is summed over them, so that a grey image gives what it would give in
    three equal channels. Biases of shortcuts before batch norm are subtracted from its running mean. ``sha256``: the
    file's expected checksum, or None. Raises :class:`UserError` if the file is missing or has another checksum, has no
    trunk or several, or naming the tensors that are unknown, missing, of another shape, or not finite.
    """
    _check_file(path, sha256)
    state, unused = _trunk_of(path, read_state(path))
    wanted = {name: tensor for name, tensor in encoder.state_dict().items() if not name.startswith("compress.")}
    adapted = _sum_channels(path, state, wanted) + _fold_biases(state)
    # Older files have no count of batches; nothing here uses it.
    counted = [name for name in wanted if name.endswith("num_batches_tracked") and name not in state]
    state |= {name: wanted[name] for name in counted}
    _check_fit(path, state, wanted)
    encoder.load_state_dict(state, strict=False)
    missing = [name for name in encoder.state_dict() if name not in wanted or name in counted]
    loaded = [name for name in wanted if name not in (*adapted, *counted)]
    return Loaded(tuple(loaded), tuple(adapted), tuple(missing), tuple(unused))


def _check_file(path: str | os.PathLike, sha256: str | None) -> None:
    # A pointer or a page has another checksum, too, but what it is says more.
    stand_ins.first_bytes(path)
    if sha256 is not None and (found := job.sha256(path)) != sha256.lower():
        raise UserError(f"{path} has the SHA-256 {found}, not {sha256}; download it again, or correct the checksum.")


def _tensors(held: object, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """All tensors within the dictionaries of a checkpoint; names of nested ones are joined by dots."""
    if isinstance(held, torch.Tensor) and prefix:
        yield prefix, held
    elif isinstance(held, Mapping):
        for name, item in held.items():
            yield from _tensors(item, f"{prefix}.{name}" if prefix else str(name))


def _trunk_of(path: str | os.PathLike, held: object) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The trunk's tensors by torchvision's names, floating-point ones as float32, and the names of all others."""
    tensors = dict(_tensors(held))
    trunks = _trunks(tensors)
    prefix = _choose(path, tensors, trunks)
    # Without a prefix of its own, the trunk must not take the tensors of a copy.
    others = tuple(other for other in trunks if other.startswith(prefix) and other != prefix)
    trunk, unused = {}, []
    for name, tensor in tensors.items():
        plain = name.removeprefix(prefix)
        if trunks[prefix]:
            first, dot, rest = plain.partition(".")
            plain = f"{_NUMBERED.get(first, first)}{dot}{rest}"
        if not name.startswith(prefix) or name.startswith(others) or _NOT_TRUNK.match(plain):
            unused.append(name)
        else:
            trunk[plain] = tensor.float() if tensor.is_floating_point() else tensor
    return trunk, unused


def _trunks(tensors: Mapping[str, torch.Tensor]) -> dict[str, bool]:
    """The prefix before the names of each trunk in a file, and whether its layers are numbered."""
    found = {}
    for match in filter(None, map(_FIRST_BLOCK.fullmatch, tensors)):
        numbered = match[2] != "layer1"
        if f"{match[1]}{'0' if numbered else 'conv1'}.weight" in tensors:
            found[match[1]] = numbered
    return found


def _choose(path: str | os.PathLike, tensors: Mapping[str, torch.Tensor], trunks: Mapping[str, bool]) -> str:
    """The prefix of the only trunk in a file that is not an averaged copy of another."""
    if not tensors:
        raise UserError(f"{path} contains no named tensors; save the network's state_dict.")
    if not trunks:
        raise UserError(
            f"{path} contains no trunk of a ResNet: it has no conv1.weight with a layer1.0.conv1.weight beside it, nor "
            f"layers numbered in torchvision's order, but {shown(list(tensors))}; rename its tensors to torchvision's "
            "names, or take other weights."
        )
    own = [prefix for prefix in trunks if not _COPY.search(prefix)] or list(trunks)
    if len(own) > 1:
        raise UserError(
            f"{path} contains {len(own)} trunks, with the prefixes {' and '.join(map(repr, own))}; save the tensors of "
            "one of them alone."
        )
    return own[0]


def _check_fit(path: str | os.PathLike, state: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> None:
    """Raise :class:`UserError` unless the trunk has the tensors that the encoder wants, with finite values."""
    own = _architecture(state)
    if own != (needed := _architecture(wanted)) and own in RESNETS:
        raise UserError(f"{path} is a {own}, and network.encoder of this study is {needed}; change one of them.")
    kinds = {name: tensor.is_floating_point() for name, tensor in wanted.items()}
    for what, names in (
        ("unknown", [name for name in state if name not in wanted]),
        ("missing", [name for name in wanted if name not in state]),
        ("of another shape", [name for name in wanted if name in state and state[name].shape != wanted[name].shape]),
        (
            "quantised",
            [name for name, real in kinds.items() if name in state and state[name].is_floating_point() != real],
        ),
    ):
        if names:
            raise UserError(
                f"{path} is not the network.encoder of this study: {len(names)} tensors {what} ({shown(names)}); take "
                "weights of that architecture, or change it."
            )
    if broken := [name for name, tensor in state.items() if kinds[name] and not torch.isfinite(tensor).all()]:
        raise UserError(
            f"{path} has values that are NaN or infinite in {len(broken)} tensors ({shown(broken)}); make or download "
            "it again."
        )


def _architecture(state: Mapping[str, torch.Tensor]) -> str | None:
    """The name of the trunk in :data:`RESNETS` with as many blocks of the same kind; None if there is none."""
    blocks = [len({name.split(".")[1] for name in state if name.startswith(f"layer{n}.")}) for n in range(1, 5)]
    kind = "bottleneck" if "layer1.0.conv3.weight" in state else "basic"
    return next((name for name, row in RESNETS.items() if row[:2] == (kind, blocks)), None)


def _sum_channels(
    path: str | os.PathLike, state: dict[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]
) -> list[str]:
    """Sum an RGB stem over its channels, in place; returns the names of what changed."""
    stem = state["conv1.weight"]
    if stem.ndim != wanted["conv1.weight"].ndim or stem.shape[1] == wanted["conv1.weight"].shape[1]:
        return []
    if stem.shape[1] != _RGB:
        raise UserError(
            f"{path} takes images of {stem.shape[1]} channels (conv1.weight); only weights for one channel, or three "
            "(RGB), suit a grey image."
        )
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
