"""The network of a source as a model of a target, as it is pre-trained: set size 0."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from headstart import without_labels
from headstart.job import read_json
from headstart.networks import model_files
from headstart.networks.architectures import Architecture, Segmenter

# What model.json says of the training of the source.
_OF_TRAINING = ("training", "augment", "seed", "data_sha256", "versions")


def make(
    encoder_path: str | os.PathLike,
    decoder_path: str | os.PathLike,
    architecture: Architecture,
    classes: Sequence[str],
    expects: Mapping,
) -> tuple[Segmenter, dict]:
    """The model and what its ``model.json`` says, with the same keys as that of a fine-tuned one.

    The last layer scores the classes of the target first, in their order, and then those that the target lacks, which
    count as background (``counted_as_background``): each pixel has the class that is the most likely of all.

    Parameters
    ----------
    encoder_path, decoder_path
        Weights of the source, with the ``model.json`` that describes both.
    architecture
        That of the study.
    classes
        Those of the target in the order of their values, the background (0) first. The source must have them all
        (:func:`headstart.without_labels.unmatched`).
    expects
        See :class:`headstart.finetune.FinetuneSettings`.

    Raises
    ------
    UserError
        If the source was not made for this study.
    """
    source = read_json(Path(encoder_path).with_name("model.json"))
    given = source["classes"]
    order = without_labels.places(given, classes)
    others = [place for place in range(len(given)) if place not in order]
    model = architecture.make_segmenter(len(classes), seed=0, others=len(others))
    expected = {**architecture.encoder_metadata, **expects}
    model_files.load_state(model.encoder, encoder_path, expected, architecture=architecture)
    model_files.load_state(model.decoder, decoder_path, {}, architecture=architecture)
    scores = model.decoder.get_submodule(model.decoder.layer_names[-1])
    scores.load_state_dict({name: tensor[[*order, *others]] for name, tensor in scores.state_dict().items()})
    return model, {
        "kind": "segmentation",
        "labelled_scans": 0,
        "classes": list(classes),
        "counted_as_background": [given[place] for place in others],
        "network": architecture.metadata,
        "start_sha256": model_files.hashes(encoder_path, decoder_path),
        **{key: source[key] for key in _OF_TRAINING},
        **expects,
    }
