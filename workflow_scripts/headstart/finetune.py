"""Fine-tuning: a source's encoder and a fresh decoder, all of it trained on the target's labelled scans."""

import os
from collections.abc import Mapping, Sequence

from headstart import models, store
from headstart.loop import Training, train
from headstart.losses import median_frequency_weights
from headstart.networks import Architecture, Segmenter
from headstart.seeds import seed_for
from headstart.tasks import Segmentation

Paths = Sequence[store.Slices]


def finetune(
    encoder_path: str | os.PathLike,
    image_paths: Paths,
    label_paths: Paths,
    classes: int,
    architecture: Architecture,
    training: Training,
    seed: int,
    *,
    expect: Mapping | None = None,
    device: str = "auto",
) -> tuple[Segmenter, list[dict]]:
    """Fine-tune a source's encoder on the given scans (paper, section 4.3).

    ``image_paths`` and ``label_paths`` say where each scan's slices lie (:mod:`headstart.store`), in the same order.
    The seed must not name the source: decoder and order of slices are then the same for every source, so that sources
    differ by their encoder alone. The loss is cross-entropy per voxel, weighted by median frequency over these labels.
    ``expect`` is what the encoder's ``model.json`` must say (template, voxel size, size); what follows from
    ``architecture`` is asked for in any case. Returns (model on the CPU, in evaluation mode; history).
    """
    encoder = architecture.make_encoder(seed_for(seed, "encoder"))
    required = {"encoder": architecture.encoder, "latent_channels": architecture.latent_channels}
    models.load_state(encoder, encoder_path, required | dict(expect or {}))
    images, labels = store.gather_pairs(image_paths, label_paths)
    task = Segmentation(median_frequency_weights(labels, classes))
    model = task.network(encoder, architecture, images.shape[1], seed)
    history = train(model, images, labels, task, training, seed_for(seed, "train"), device=device)
    return model.cpu().eval(), history
