"""Fine-tuning: a source's encoder and a fresh decoder, all of it trained on the target's labelled scans."""

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.networks import model_files
from headstart.networks.architectures import Architecture, Segmenter
from headstart.seeds import seed_for
from headstart.slices import store
from headstart.training import feed
from headstart.training.checkpoint import Checkpoint
from headstart.training.devices import choose_device
from headstart.training.loop import train_together
from headstart.training.losses import median_frequency_weights
from headstart.training.tasks import Segmentation
from headstart.training.trainer import Trainer, Training

Paths = Sequence[store.Slices]


@dataclass(frozen=True)
class Draw:
    """One fine-tuning set: the places of its ``scans`` among those of the job, its ``seed``, what keeps its state.

    The seed must not name the source: decoder and order of slices are then the same for every source, so that sources
    differ by their encoder alone.
    """

    scans: Sequence[int]
    seed: int
    checkpoint: Checkpoint | None = None


def finetune(
    encoder_path: str | os.PathLike,
    image_paths: Paths,
    label_paths: Paths,
    draws: Sequence[Draw],
    classes: int,
    architecture: Architecture,
    training: Training,
    *,
    expect: Mapping | None = None,
    device: str = "auto",
    together: int = 1,
    resident_gb: float | None = None,
) -> Iterator[tuple[Segmenter, list[dict]]]:
    """Fine-tune a source's encoder on each draw of scans (paper, section 4.3), ``together`` at most at once on a GPU.

    ``image_paths`` and ``label_paths`` say where the slices of all draws' scans lie (:mod:`headstart.slices.store`), in the
    same order; they go to the device once. The loss is cross-entropy per voxel, weighted by median frequency over the
    draw's labels. ``expect`` is what the encoder's ``model.json`` must say (template, voxel size, size); what follows
    from ``architecture`` is asked for in any case. Yields, draw by draw, the model on the CPU, in evaluation mode, and
    its training's rows (:class:`headstart.training.trainer.Trainer`).
    """
    required = {"encoder": architecture.encoder, "latent_channels": architecture.latent_channels} | dict(expect or {})
    images, labels = store.join_pairs(image_paths, label_paths)
    where = choose_device(device)
    slices = feed.load(images, labels, where, resident_gb)

    def start(draw: Draw) -> Trainer:
        encoder = architecture.make_encoder(seed_for(draw.seed, "encoder"))
        model_files.load_state(encoder, encoder_path, required)
        rows = np.concatenate([images.rows(place) for place in draw.scans])
        task = Segmentation(median_frequency_weights(labels[rows], classes))
        model = task.network(encoder, architecture, images.shape[1], draw.seed)
        return Trainer(
            model, slices, task, training, seed_for(draw.seed, "train"), rows=rows, checkpoint=draw.checkpoint
        )

    starts = [functools.partial(start, draw) for draw in draws]
    for trainer in train_together(starts, where, training, together):
        yield trainer.model.cpu().eval(), trainer.history
