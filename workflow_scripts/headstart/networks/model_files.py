"""Models on disk: ``<name>.safetensors`` with ``model.json`` (metadata) and ``training.tsv`` (history) beside it."""

import importlib.metadata
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import torch
from safetensors.torch import save_file
from torch import nn

from headstart.job import UserError, atomic, read_json, sha256, write_json, write_text
from headstart.networks.architectures import Architecture, Segmenter
from headstart.networks.decoders import Decoder, UNetDecoder
from headstart.networks.trunks import LAYERS
from headstart.networks.weight_files import misfit, read_state
from headstart.version import __version__

HISTORY = ("epoch", "learning_rate", "loss", "validation", "fall")
# What is true of an encoder whose ``model.json`` does not say it.
_UNSAID = {"layers": LAYERS}


def save(
    model: nn.Module,
    path: str | os.PathLike,
    metadata: Mapping,
    history: Iterable[Mapping] = (),
    beside: Mapping[str, nn.Module | None] = MappingProxyType({}),
) -> None:
    """Write a model's weights to ``path``, and ``model.json`` and ``training.tsv`` beside it.

    ``metadata`` describes the model (kind, encoder, template, size, intensities, classes, seed, training data); the
    ``sha256`` of each file of weights is added to it. ``history``: the rows of
    :func:`headstart.training.loop.train`, none for a network that was not trained. ``beside``: further weights, by the
    names of their files. Equal weights give equal bytes: neither time nor machine is recorded.
    """
    path = Path(path)
    weights = {path.name: model, **beside}
    for name, part in weights.items():
        save_weights(part, path.with_name(name))
    history = list(history)
    columns = list(dict.fromkeys((*HISTORY, *(name for row in history for name in row))))
    rows = ["\t".join(columns), *("\t".join(map(_cell, map(row.get, columns))) for row in history)]
    write_text(path.with_name("training.tsv"), "\n".join(rows) + "\n")
    write_json(path.with_name("model.json"), {**metadata, "sha256": hashes(*map(path.with_name, weights))})


def save_weights(model: nn.Module | None, path: str | os.PathLike) -> None:
    """Write a model's weights without metadata; None has none."""
    held = {} if model is None else model.state_dict()
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in held.items()}
    with atomic(path) as partial:
        save_file(state, partial)


def load_state(
    model: nn.Module,
    path: str | os.PathLike,
    expect: Mapping | None = None,
    *,
    trained_only: bool = False,
    architecture: Architecture | None = None,
) -> None:
    """Load all weights by name into ``model``.

    ``expect``: values that keys of ``model.json`` must have for this study (template, voxel size, size, encoder); with
    None there need be no ``model.json``. ``trained_only``: leave the tensors as they are that ``model.json`` lists as
    ``untrained``. ``architecture``: that of the model, if the weights may be for images of one channel
    (:func:`widened`).

    Raises :class:`UserError`, before anything is loaded, naming the key and both values where one differs or is
    missing, for a file other than the one that ``model.json`` describes, and for weights that do not fit the network.
    """
    if expect is not None:
        _check_metadata(Path(path), expect)
    state = read_state(path)
    if trained_only:
        own = model.state_dict()
        state |= {name: own[name].clone() for name in read_json(Path(path).with_name("model.json"))["untrained"]}
    if architecture is not None:
        state = widened(state, model.state_dict(), architecture)
    shapes = [{name: tensor.shape for name, tensor in each.items()} for each in (state, model.state_dict())]
    if difference := misfit(*shapes):
        raise UserError(
            f"{path} does not fit the network: {difference}; use weights made with the same encoder and settings."
        )
    model.load_state_dict(state)


def load_layers(
    decoder: Decoder | UNetDecoder, path: str | os.PathLike, classes: Sequence[str], architecture: Architecture
) -> list[str]:
    """Load the layers of a pre-trained decoder that fit, each as a whole; returns their names.

    The last layer is loaded only if the ``model.json`` beside the file names the same ``classes`` in the same order:
    scores of others mean nothing here, though their number may be the same. ``architecture``: that of the network.
    Raises :class:`UserError` for a file other than the one that ``model.json`` describes.
    """
    metadata = _check_metadata(Path(path), {})
    own = decoder.state_dict()
    given = widened(read_state(path), own, architecture)
    *inner, scores = decoder.layer_names
    state: dict[str, torch.Tensor] = {}
    loaded = []
    for layer in (*inner, scores) if metadata.get("classes") == list(classes) else inner:
        wanted = {name: tensor for name, tensor in own.items() if name.startswith(f"{layer}.")}
        if all(name in given and given[name].shape == tensor.shape for name, tensor in wanted.items()):
            state |= {name: given[name] for name in wanted}
            loaded.append(layer)
    decoder.load_state_dict(state, strict=False)
    return loaded


def widened(
    given: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor], architecture: Architecture
) -> dict[str, torch.Tensor]:
    """Weights for images of one channel as weights for all channels of an architecture.

    Kernels that take the image, as the first of their channels, get zeros for all but the slice itself in the scan's
    first image: until it is trained, the network computes what it did. ``own``: the tensors of the network, whose
    kernels are wider by the other channels then; all others stay as they are.
    """
    found, others = dict(given), architecture.inputs - 1
    for name in given.keys() & own.keys() if others else ():
        kernel, wanted = given[name], own[name].shape
        if kernel.ndim == 4 and wanted == (kernel.shape[0], kernel.shape[1] + others, *kernel.shape[2:]):
            found[name] = kernel.new_zeros(wanted)
            found[name][:, architecture.neighbours] = kernel[:, 0]
            found[name][:, 1 + others :] = kernel[:, 1:]
    return found


def load_segmenter(path: str | os.PathLike, architecture: Architecture, expect: Mapping) -> Segmenter:
    """The model of a target in ``path``, as the ``model.json`` beside it describes it.

    ``expect`` and errors: see :func:`load_state`.
    """
    metadata = _check_metadata(Path(path), expect)
    others = len(metadata.get("counted_as_background", ()))
    model = architecture.make_segmenter(len(metadata["classes"]), seed=0, others=others)
    load_state(model, path)
    return model


def hashes(*paths: str | os.PathLike | None) -> dict[str, str]:
    """The SHA-256 of each file of weights, by its name; None is no file."""
    return {Path(path).name: sha256(path) for path in paths if path is not None}


def versions(encoder: str) -> dict[str, str]:
    """Versions of the packages on which the result of a training depends.

    ``encoder``: the name of its backbone, ``monai/efficientnet-b0`` for one of another library.
    """
    library, of_library, _ = encoder.partition("/")
    packages = ("torch", library) if of_library else ("torch",)
    return {"headstart": __version__, **{name: importlib.metadata.version(name) for name in packages}}


def _check_metadata(path: Path, expect: Mapping) -> dict:
    """The ``model.json`` beside a file of weights, which must have these values and the hash of the file."""
    beside = path.with_name("model.json")
    if not path.exists() or not beside.exists():
        gone = beside if path.exists() else path
        raise UserError(f"{gone} does not exist; weights are used only with the model.json that describes them.")
    metadata = read_json(beside)
    for key, value in expect.items():
        said = metadata.get(key, _UNSAID.get(key))
        if said != value:
            raise UserError(
                f"{beside} says {key} is {said!r} but this study needs {value!r}; use weights made for it, or change "
                "the study."
            )
    if metadata.get("sha256", {}).get(path.name) != sha256(path):
        raise UserError(f"{path} is not the file that {beside} describes; make or download both again.")
    return metadata


def _cell(value: float | None) -> str:
    return "n/a" if value is None else repr(value)
