"""Pre-training: encoders that have seen a source task, and the one that has seen nothing.

Every source leaves through one door, ``models.save(encoder, path, facts, history)``.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict

from torch import nn

from headstart import models, overlap, store
from headstart.job import UserError
from headstart.loop import Training, choose_device, choose_precision, predict, train
from headstart.losses import median_frequency_weights
from headstart.networks import Architecture, Encoder, Segmenter
from headstart.seeds import generator, seed_for

Paths = Sequence[str | os.PathLike]


def scratch(architecture: Architecture, seed: int) -> tuple[Encoder, list[dict], dict]:
    """The baseline source: an encoder as it was initialised. Returns (encoder, no history, facts)."""
    encoder = architecture.make_encoder(seed_for(seed, "encoder"))
    return encoder, [], _facts("scratch", architecture, seed)


def pretrain_segmentation(
    image_paths: Paths,
    label_paths: Paths,
    classes: int,
    architecture: Architecture,
    training: Training,
    seed: int,
    *,
    validation_scans: int = 0,
    device: str = "auto",
) -> tuple[Encoder, list[dict], dict]:
    """Train encoder and decoder to segment the source labels, and keep the encoder (paper, section 4.1.1).

    ``image_paths`` and ``label_paths`` name each scan's slices (:mod:`headstart.store`), in the same order; for
    the T1 source ``classes`` is 4, background and three tissues. ``validation_scans`` whole scans, drawn from the
    seed, are held out: the history's ``validation`` is the mean IoU over their voxels. The encoder starts as
    :func:`scratch` of the same seed does. Returns (encoder on the CPU, history, facts for ``model.json``).
    """
    kept, held_out = hold_out(len(image_paths), validation_scans, seed)
    images, labels = store.gather_pairs(*_chosen(kept, image_paths, label_paths))
    validation = _validation(*_chosen(held_out, image_paths, label_paths), classes, training, device)
    encoder = architecture.make_encoder(seed_for(seed, "encoder"))
    model = Segmenter(encoder, architecture.make_decoder(classes, seed_for(seed, "decoder")))
    weights = median_frequency_weights(labels, classes)
    history = train(
        model, images, labels, weights, training, seed_for(seed, "train"), validation=validation, device=device
    )
    facts = _facts("segmentation", architecture, seed) | {
        "classes": classes,
        "size": list(images.shape[1:]),
        "scans": len(kept),
        "validation_scans": len(held_out),
        "data_sha256": store.fingerprint([*image_paths, *label_paths]),
        "training": asdict(training) | {"precision": choose_precision(training.precision, choose_device(device))},
    }
    return encoder.cpu(), history, facts


def hold_out(scans: int, validation_scans: int, seed: int) -> tuple[list[int], list[int]]:
    """Indices of the scans to train on and of those to validate on, each in ascending order, drawn from the seed."""
    if validation_scans >= scans:
        raise UserError(
            f"validation_scans is {validation_scans} but the source has {scans} scans; lower it, so that some are "
            "left to train on."
        )
    order = generator(seed, "validation").permutation(scans).tolist()
    return sorted(order[validation_scans:]), sorted(order[:validation_scans])


def _chosen(scans: list[int], image_paths: Paths, label_paths: Paths) -> tuple[Paths, Paths]:
    return [image_paths[scan] for scan in scans], [label_paths[scan] for scan in scans]


def _validation(
    image_paths: Paths, label_paths: Paths, classes: int, training: Training, device: str
) -> Callable[[nn.Module], float] | None:
    """A function that scores a model on the held-out scans; None if there are none."""
    if not image_paths:
        return None
    images, labels = store.gather_pairs(image_paths, label_paths)

    def score(model: nn.Module) -> float:
        prediction = predict(model, images, precision=training.precision, device=device)
        return overlap.mean_iou(prediction, labels, classes)

    return score


def _facts(kind: str, architecture: Architecture, seed: int) -> dict:
    return {
        "kind": kind,
        "encoder": architecture.encoder,
        "latent_channels": architecture.latent_channels,
        "intensities": "[0, 1]",
        "seed": seed,
        "versions": models.versions(),
    }
