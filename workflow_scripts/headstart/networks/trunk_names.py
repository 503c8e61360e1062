"""The names of tensors in files of other projects: finds trunks there, whatever stands before their names.

Most projects name the tensors of a ResNet as torchvision does, below a prefix of their own (``module.``,
``encoder_q.``, ``state_dict`` ...), or number its layers in the order of torchvision's. Transformers (Hugging Face) has
its own names.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence

import torch

from headstart.job import UserError, shown
from headstart.networks import foreign_weights
from headstart.networks.trunks import LAYERS

# Torchvision's layers that have tensors, by their place among the children of its ResNet, and that of its classifier.
_NUMBERED = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4", "8": "fc", "9": "fc"}
# The first convolution of the first block, which shows where a trunk is.
_FIRST_BLOCK = re.compile(r"((?:.*\.)?)(layer1|4)\.0\.conv1\.weight")
# Words in the prefix of a second, averaged copy of a network, as checkpoints of MoCo, BYOL, timm and others hold it.
_COPY = re.compile(r"(^|[._])(ema|momentum|encoder_k|target|averaged?|swa|shadow)([._]|$)")
# First words of what may belong to a trunk; what else stands beside it is a classifier, projector, decoder, queue ...
_OF_TRUNK = re.compile(r"(conv\d*|bn\d*|norm\d*|layer\d+|stem)\.")
_NORM, _BLOCK = "normalization", r"(^|\.)encoder\.stages\.(\d)\.layers\.(\d+)\."
# Other names of the same layers, and what torchvision calls them; a function where numbers begin at 1 there.
_ALIASES = (
    (r"(^|\.)layer0\.(?:0|conv1)\.", r"\1conv1."),
    (r"(^|\.)layer0\.(?:1|bn1)\.", r"\1bn1."),
    (r"(^|\.)embedder\.embedder\.convolution\.", r"\1conv1."),
    (rf"(^|\.)embedder\.embedder\.{_NORM}\.", r"\1bn1."),
    (rf"{_BLOCK}shortcut\.convolution\.", lambda found: f"{_block(found)}.downsample.0."),
    (rf"{_BLOCK}shortcut\.{_NORM}\.", lambda found: f"{_block(found)}.downsample.1."),
    (rf"{_BLOCK}layer\.(\d)\.convolution\.", lambda found: f"{_block(found)}.conv{int(found[4]) + 1}."),
    (rf"{_BLOCK}layer\.(\d)\.{_NORM}\.", lambda found: f"{_block(found)}.bn{int(found[4]) + 1}."),
)


def named_tensors(held: object, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """All tensors within the dictionaries of a checkpoint; names of nested ones are joined by dots."""
    if isinstance(held, torch.Tensor) and prefix:
        yield prefix, held
    elif isinstance(held, Mapping):
        for name, item in held.items():
            yield from named_tensors(item, f"{prefix}.{name}" if prefix else str(name))


def trunk_of(
    path: str | os.PathLike, tensors: Mapping[str, torch.Tensor], prefix: str | None, layers: int
) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The tensors of a file's trunk by torchvision's names, and the file's names of all others.

    ``prefix``: which trunk, by what stands before its names, or by the beginning of that; None for the only one. An
    averaged copy of a network, and a second name of the same tensors, are none beside the network itself. ``layers``:
    how many of its layers are wanted, the first ones. Raises :class:`UserError` if there is no trunk, or several, or
    none with that prefix.
    """
    if not tensors:
        raise UserError(f"{path} contains no named tensors; save the network's state_dict.")
    standard = {_standard(name): name for name in tensors}
    trunks = _trunks(standard)
    if not trunks:
        raise UserError(f"{path} contains no trunk of a ResNet{foreign_weights.instead(list(tensors))}.")
    own = _choose(path, {name: tensors[standard[name]] for name in standard}, trunks, prefix)
    # Without a prefix of its own, the trunk must not take the tensors of a copy.
    others = tuple(other for other in trunks if other.startswith(own) and other != own)
    beyond = tuple(f"layer{number}." for number in range(layers + 1, LAYERS + 1))
    trunk = {}
    for name, original in standard.items():
        plain = name.removeprefix(own)
        if trunks[own]:
            first, dot, rest = plain.partition(".")
            plain = f"{_NUMBERED.get(first, first)}{dot}{rest}"
        wanted = _OF_TRUNK.match(plain) and not plain.startswith(beyond)
        if wanted and name.startswith(own) and not name.startswith(others):
            trunk[plain] = original
    taken = set(trunk.values())
    return {plain: tensors[name] for plain, name in trunk.items()}, [name for name in tensors if name not in taken]


def backbone_of(
    path: str | os.PathLike, tensors: Mapping[str, torch.Tensor], prefix: str | None, wanted: Sequence[str]
) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The tensors of a file's backbone by the names ``wanted``, those of its library, and the file's names of others.

    ``prefix``: see :func:`trunk_of`. Raises :class:`UserError` if the file has none of them, or several backbones.
    """
    prefixes = [name.removesuffix(wanted[0]) for name in tensors if f".{name}".endswith(f".{wanted[0]}")]
    if not prefixes:
        raise UserError(
            f"{path} contains no {wanted[0]}, with which network.encoder begins, but {shown(list(tensors))}; take "
            "weights of that network with its library's names of tensors."
        )
    held = {own: sum(own + name in tensors for name in wanted) for own in prefixes}
    whole = [own for own, count in held.items() if count == max(held.values())]
    own = _choose(path, tensors, dict.fromkeys(whole, False), prefix)
    found = {name: tensors[own + name] for name in wanted if own + name in tensors}
    return found, [name for name in tensors if not (name.startswith(own) and name.removeprefix(own) in found)]


def _block(found: re.Match) -> str:
    """A block of a stage by torchvision's name, which counts stages from 1."""
    return f"{found[1]}layer{int(found[2]) + 1}.{found[3]}"


def _standard(name: str) -> str:
    for pattern, own in _ALIASES:
        name = re.sub(pattern, own, name)
    return name


def _trunks(names: Mapping[str, str]) -> dict[str, bool]:
    """The prefix before the names of each trunk in a file, and whether its layers are numbered."""
    found = {}
    for match in filter(None, map(_FIRST_BLOCK.fullmatch, names)):
        prefix, numbered = match[1], match[2] != "layer1"
        # Where a layer without pooling comes third, the fourth is the second stage.
        if not numbered or (f"{prefix}0.weight" in names and f"{prefix}3.0.conv1.weight" not in names):
            found[prefix] = numbered
    return found


def _choose(
    path: str | os.PathLike, tensors: Mapping[str, torch.Tensor], trunks: Mapping[str, bool], prefix: str | None
) -> str:
    """The prefix of the trunk that is asked for."""
    if prefix is None:
        own = _distinct(tensors, [name for name in trunks if not _COPY.search(name)] or list(trunks))
        below = ""
    else:
        asked = f"{prefix.rstrip('.')}." if prefix else ""
        own = [asked] if asked in trunks else [name for name in trunks if asked and name.startswith(asked)]
        below = f" below the prefix {prefix!r}"
    if len(own) == 1:
        return own[0]
    wrong = f"contains {len(own)} trunks{below}," if own else f"contains no trunk{below}, but {len(trunks)}"
    there = " and ".join(repr(name.removesuffix(".")) for name in own or trunks)
    raise UserError(f"{path} {wrong} with the prefixes {there}; name one as prefix, or save it in a file of its own.")


def _distinct(tensors: Mapping[str, torch.Tensor], prefixes: Sequence[str]) -> list[str]:
    """The prefixes without those below which the tensors are the same as below an earlier one."""

    def below(prefix: str) -> dict[str, torch.Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

    def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
        # torch does not compare floats of 8 bits; quantised weights are refused later.
        return one.keys() == other.keys() and all(
            one[name].itemsize > 1 and torch.equal(one[name], other[name]) for name in one
        )

    kept: list[str] = []
    for prefix in prefixes:
        if not any(same(below(prefix), below(other)) for other in kept):
            kept.append(prefix)
    return kept
