"""The files of a published model.

``model.safetensors`` and ``model.json``
    As :mod:`headstart.predict` takes them; ``model.json`` has the hashes of all files, and the scores.
``encoder.safetensors``
    The trunk of the fine-tuned network, its tensors named as in torchvision, or in the library that it is from.
``network.pt2``
    The whole network as a program of torch's own operations (:mod:`torch.export`), for slices of the study's size.
``README.md``
    The model card.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch

from headstart.job import atomic, read_json, read_table, sha256, write_bytes, write_json, write_text
from headstart.networks import fine_tuned, model_files
from headstart.networks.architectures import Architecture, Segmenter
from headstart.networks.backbones import Backbone
from headstart.networks.trunks import Trunk
from headstart.publish import card
from headstart.publish.choice import METADATA, WEIGHTS, Choice

ENCODER, NETWORK, CARD = "encoder.safetensors", "network.pt2", "README.md"
# What torch.export keeps of the code that a program was made from, paths of this machine among it.
_TRACES = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")


def pack(folder: str | os.PathLike, choice: Choice, study: card.Study) -> None:
    """Write the files of a model to a folder; equal models give equal bytes.

    Raises :class:`headstart.job.UserError` if the weights are not those that ``model.json`` describes.
    """
    folder, weights = Path(folder), Path(choice.model, WEIGHTS)
    model = fine_tuned.load(weights, choice.metadata)
    write_bytes(folder / WEIGHTS, weights.read_bytes())
    architecture = Architecture.of(choice.metadata["network"])
    model_files.save_weights(trunk(model, architecture), folder / ENCODER)
    with atomic(folder / NETWORK) as partial, open(partial, "wb") as file:
        torch.export.save(exported(model, architecture.inputs, choice.metadata["size"]), file)
    hashes = {name: sha256(folder / name) for name in (WEIGHTS, ENCODER, NETWORK)}
    told = {"study": study.name, "size": choice.size, "resample": choice.resample, "reason": choice.reason}
    published = {**told, "measure": choice.measure, "scores": _rows(choice.scores), "score": _json(choice.own)}
    write_json(folder / METADATA, {**choice.metadata, "sha256": hashes, "published": published})
    history = _rows(read_table(Path(choice.pretrained, "training.tsv")).to_dict("records"))
    pretraining = card.Pretraining(read_json(Path(choice.pretrained, METADATA)), history)
    write_text(folder / CARD, card.text(choice, study, pretraining))


def trunk(model: Segmenter, architecture: Architecture) -> Trunk | Backbone:
    """The trunk of a network, without the layer to the paper's latent map."""
    if isinstance(model.encoder, Backbone):
        return model.encoder
    state = model.encoder.state_dict()
    own = Trunk(architecture.encoder, architecture.inputs, architecture.layers)
    own.load_state_dict({key: tensor for key, tensor in state.items() if not key.startswith("compress.")})
    return own


def exported(model: Segmenter, inputs: int, size: Sequence[int]) -> torch.export.ExportedProgram:
    """A network as a program that needs torch alone: (B, I, H, W) -> (B, C, H, W), for any B and ``size`` (H, W).

    It computes exactly what the network computes, in evaluation mode, in float32.
    """
    batch = torch.export.Dim("batch", min=1)
    with torch.no_grad():
        program = torch.export.export(model, (torch.zeros(2, inputs, *size),), dynamic_shapes=({0: batch},))
    for node in program.graph.nodes:
        for trace in _TRACES:
            node.meta.pop(trace, None)
    return program


def _rows(records: Iterable[Mapping]) -> list[dict]:
    """The rows of a table as JSON has them."""
    return [{name: _json(value) for name, value in row.items()} for row in records]


def _json(value: object) -> object:
    """A value of a table as JSON has it: None for NaN, numbers without NumPy."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value
