"""A study's own labeller: a network trained on the labels of some scans of a cohort, which labels the others.

It sees registered scans slice by slice and predicts tissue and deep structure of each pixel, on the study's grid. Its
labels are as good as those that it was trained on, less the error measured on held-out scans.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from typing_extensions import override

from headstart import images, job
from headstart.images import Volume
from headstart.label.labels import Labels
from headstart.networks import model_files
from headstart.networks.architectures import Architecture, Segmenter
from headstart.seeds import seed_for
from headstart.slices import cut, store
from headstart.template.template import STRUCTURES, TISSUES
from headstart.training import feed, loop, losses
from headstart.training.checkpoint import Checkpoint
from headstart.training.devices import choose_device
from headstart.training.optimisers import Adam, MakeAdam
from headstart.training.settings import TrainingSettings
from headstart.training.tasks import Task
from headstart.version import __version__

PathLike = str | os.PathLike

# Values of the two label maps, in the order of the network's scores.
_MAPS = ((0, *TISSUES), (0, *STRUCTURES))
_CLASSES = [len(values) for values in _MAPS]


@dataclass(frozen=True)
class LabelledScans:
    """Paths of registered scans and of their labels, in the same order."""

    t1s: Sequence[PathLike]
    tissues: Sequence[PathLike]
    structures: Sequence[PathLike]


@dataclass(frozen=True)
class LabellerSettings:
    """How a labeller is trained.

    ``expects``: what ``model.json`` says of the input (template, voxel size, size), of which ``size``, the sides of the
    slices, must hold the study's grid; ``resident_gb``: see :func:`headstart.training.feed.load`.
    """

    architecture: Architecture
    training: TrainingSettings
    expects: Mapping
    resident_gb: float | None


class Labelling(Task):
    """Label the tissue and the structure of each pixel.

    The loss of either map is cross-entropy weighted by median frequency plus Dice over the batch without the background
    (Isensee 2021). The smallest structures are a hundredth of a percent of the pixels; without weights they are not
    learned within the epochs that a study can afford. ``targets`` (N, 2, H, W), those to train on: the index of each
    pixel's value among the values of either map.
    """

    def __init__(self, targets: np.ndarray) -> None:
        self.weights = [
            torch.as_tensor(losses.median_frequency_weights(counts), dtype=torch.float32)
            for counts in (losses.class_counts(targets[:, k], classes) for k, classes in enumerate(_CLASSES))
        ]

    @override
    def prepare(self, device: torch.device, precision: str, optimiser: MakeAdam) -> list[Adam]:
        self.weights = [weights.to(device) for weights in self.weights]
        return []

    @override
    def loss(self, output: torch.Tensor, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        maps = zip(output.float().split(_CLASSES, dim=1), targets.split(1, dim=1), self.weights, strict=True)
        return sum(
            losses.cross_entropy(scores, labels[:, 0].long(), weights) + losses.dice(scores, labels)
            for scores, labels, weights in maps
        )


def train(
    scans: LabelledScans,
    settings: LabellerSettings,
    seed: int,
    *,
    checkpoint: Checkpoint | None = None,
    device: str = "auto",
) -> tuple[Segmenter, list[dict]]:
    """Train a labeller on registered scans and their labels.

    Parameters
    ----------
    scans
        Scans and labels to train on.
    settings
        Network, training and size of the slices.
    seed
        Determines weights and training.
    checkpoint
        See :class:`headstart.training.trainer.Trainer`.
    device
        See :func:`headstart.training.devices.choose_device`.

    Returns
    -------
    tuple
        The labeller on the CPU in evaluation mode, and the history of its training.
    """
    size = settings.expects["size"][0]
    slices = np.concatenate([_slices(images.read(path), size) for path in scans.t1s])
    pairs = zip(scans.tissues, scans.structures, strict=True)
    targets = np.concatenate([_targets(pair, size) for pair in pairs])
    labeller = settings.architecture.make_labeller(sum(_CLASSES), seed_for(seed, "labeller"))
    history = loop.train(
        labeller,
        feed.load(slices, targets, choose_device(device), settings.resident_gb),
        Labelling(targets),
        settings.training,
        seed_for(seed, "train"),
        checkpoint=checkpoint,
    )
    return labeller.cpu().eval(), history


def metadata(settings: LabellerSettings, scans: LabelledScans, seed: int, trained_on: Mapping) -> dict:
    """What ``model.json`` says of a labeller; ``trained_on``: its subjects, and what made their labels."""
    return {
        "kind": "labeller",
        "encoder": settings.architecture.encoder,
        "trained_on": dict(trained_on),
        "training": asdict(settings.training),
        "seed": seed,
        "data_sha256": store.fingerprint([*scans.t1s, *scans.tissues, *scans.structures]),
        "versions": model_files.versions(settings.architecture.encoder),
        **settings.expects,
    }


def label(
    path: PathLike,
    weights: PathLike,
    architecture: Architecture,
    expects: Mapping,
    precision: str,
    *,
    device: str = "auto",
) -> Labels:
    """Label a registered T1 scan; its brain is where it has a tissue.

    Parameters
    ----------
    path
        The scan.
    weights
        The labeller's weights, with ``model.json`` beside them.
    architecture
        The study's network.
    expects
        What ``model.json`` must say (template, voxel size, size), besides the encoder.
    precision
        See :class:`headstart.training.settings.TrainingSettings`.
    device
        See :func:`headstart.training.devices.choose_device`.

    Raises
    ------
    UserError
        If the labeller was not made for this study.
    """
    labeller = architecture.make_labeller(sum(_CLASSES), seed=0)
    model_files.load_state(labeller, weights, {"encoder": architecture.encoder, **expects})
    labeller.to(memory_format=torch.channels_last)
    t1 = images.read(path)
    slices = _slices(t1, expects["size"][0])
    predictions = loop.predict(labeller, slices, _most_likely, precision=precision, device=device)
    tissue, structures = (
        cut.restore(np.asarray(values, np.uint8)[predictions[:, k]], t1.grid) for k, values in enumerate(_MAPS)
    )
    return Labels(
        tissue=tissue,
        structures=structures,
        brain=Volume((tissue.data > 0).astype(np.uint8), t1.affine),
        made_by={"Backend": "labeller", "BackendVersion": f"headstart {__version__}", "Weights": job.sha256(weights)},
    )


def _most_likely(output: torch.Tensor) -> torch.Tensor:
    """Class of the highest score in either map: (B, C of both maps, H, W) -> (B, 2, H, W) uint8."""
    return torch.stack([scores.argmax(dim=1).to(torch.uint8) for scores in output.split(_CLASSES, dim=1)], dim=1)


def _slices(t1: Volume, size: int) -> np.ndarray:
    """Slices of a registered scan (N, size, size) uint16."""
    return store.to_uint16(cut.whole(t1, size))


def _targets(paths: tuple[PathLike, PathLike], size: int) -> np.ndarray:
    """Tissues and structures of a scan's slices, each value as its index: (N, 2, size, size) uint8."""
    stacks = [cut.whole(images.read(path, np.uint8), size) for path in paths]
    return np.stack([np.searchsorted(values, stack) for values, stack in zip(_MAPS, stacks, strict=True)], 1).astype(
        np.uint8
    )
