"""A study's own labeller: a network learns the labels made for some scans of a cohort, and labels the rest.

It sees registered scans slice by slice and says of each pixel which tissue and which deep structure it is, on the
study's grid. What it says is as good as what it learnt from, less what the held-out scans show.
"""

import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from monai.losses import DiceLoss
from typing_extensions import override

from headstart import images, job
from headstart.images import Volume
from headstart.label.labels import Labels
from headstart.metrics import overlap
from headstart.networks import model_files
from headstart.networks.architectures import Architecture, Labeller
from headstart.seeds import seed_for
from headstart.slices import cut, store
from headstart.template.template import STRUCTURES, TISSUES
from headstart.training import losses
from headstart.training.checkpoint import Checkpoint
from headstart.training.loop import predict, train
from headstart.training.tasks import Task
from headstart.training.trainer import Training
from headstart.version import __version__

Paths = Sequence[str | os.PathLike]

# Values of the two label maps, in the order of the network's scores.
_MAPS = ((0, *TISSUES), (0, *STRUCTURES))
_CLASSES = [len(values) for values in _MAPS]


class Labelling(Task):
    """Say of each pixel its tissue and its structure.

    The loss of either is cross-entropy weighted by median frequency plus Dice over the batch, background left out of
    the latter (Isensee 2021): the smallest structures are a hundredth of a percent of the pixels, and unweighted they
    are not learnt within the epochs that a study can spend. ``targets`` (N, 2, H, W), those to be learnt: for each map
    the place of its value among the map's values. Scored by the mean IoU over both maps' classes but for the
    backgrounds.
    """

    measure = "mean IoU"

    def __init__(self, targets: np.ndarray) -> None:
        self.weights = [
            torch.as_tensor(losses.median_frequency_weights(targets[:, k], count), dtype=torch.float32)
            for k, count in enumerate(_CLASSES)
        ]
        self._dice = DiceLoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)

    @override
    def begin(
        self, device: torch.device, optimiser: Callable[..., torch.optim.Optimizer]
    ) -> list[torch.optim.Optimizer]:
        self.weights = [weights.to(device) for weights in self.weights]
        return []

    @override
    def loss(self, output: torch.Tensor, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        maps = zip(output.float().split(_CLASSES, dim=1), targets.split(1, dim=1), self.weights, strict=True)
        return sum(
            losses.cross_entropy(scores, labels[:, 0].long(), weights) + self._dice(scores, labels)
            for scores, labels, weights in maps
        )

    @override
    def finish(self, output: torch.Tensor) -> torch.Tensor:
        return _most_likely(output)

    @override
    def score(self, finished: np.ndarray, images: np.ndarray, targets: np.ndarray) -> float:
        found = [
            overlap.counts(finished[:, k], targets[:, k], count).over_volume().iou()[0, 1:]
            for k, count in enumerate(_CLASSES)
        ]
        return float(np.nanmean(np.concatenate(found)))


def learn(
    t1s: Paths,
    tissues: Paths,
    structures: Paths,
    architecture: Architecture,
    training: Training,
    size: int,
    seed: int,
    *,
    checkpoint: Checkpoint | None = None,
    device: str = "auto",
) -> tuple[Labeller, list[dict]]:
    """Train a labeller on registered scans and the labels made for them, each in the same order.

    ``size``: side of the slices, into which the study's grid must fit. Returns the labeller (on the CPU, in evaluation
    mode) and its training's rows. See :class:`headstart.training.trainer.Trainer` for ``checkpoint`` and for what it raises.
    """
    pictures = np.concatenate([_pictures(images.read(path), size) for path in t1s])
    targets = np.concatenate([_targets(pair, size) for pair in zip(tissues, structures, strict=True)])
    labeller = architecture.make_labeller(sum(_CLASSES), seed_for(seed, "labeller"))
    history = train(
        labeller,
        pictures,
        targets,
        Labelling(targets),
        training,
        seed_for(seed, "train"),
        checkpoint=checkpoint,
        device=device,
    )
    return labeller.cpu().eval(), history


def label(
    path: str | os.PathLike,
    weights: str | os.PathLike,
    architecture: Architecture,
    size: int,
    *,
    expect: Mapping | None = None,
    precision: str = "float32",
    device: str = "auto",
) -> Labels:
    """Label the registered T1 scan in ``path`` with the labeller in ``weights``; the brain is where a tissue is.

    ``expect``: what the labeller's ``model.json`` must say (template, voxel size, size), beside the encoder.
    """
    labeller = architecture.make_labeller(sum(_CLASSES), seed=0)
    model_files.load_state(labeller, weights, {"encoder": architecture.encoder} | dict(expect or {}))
    t1 = images.read(path)
    options = {"precision": precision, "device": device}
    said = predict(labeller, _pictures(t1, size), _most_likely, **options)
    tissue, structures = (
        cut.restore(np.asarray(values, np.uint8)[said[:, k]], t1.grid) for k, values in enumerate(_MAPS)
    )
    return Labels(
        tissue=tissue,
        structures=structures,
        brain=Volume((tissue.data > 0).astype(np.uint8), t1.affine),
        made_by={"Backend": "labeller", "BackendVersion": f"headstart {__version__}", "Weights": job.sha256(weights)},
    )


def _most_likely(output: torch.Tensor) -> torch.Tensor:
    """Class of the highest score in either map: (B, classes of both, H, W) -> (B, 2, H, W) uint8."""
    return torch.stack([scores.argmax(dim=1).to(torch.uint8) for scores in output.split(_CLASSES, dim=1)], dim=1)


def _pictures(t1: Volume, size: int) -> np.ndarray:
    """A registered scan's slices (N, size, size) uint16."""
    return store.to_uint16(cut.whole(t1, size))


def _targets(paths: tuple[str | os.PathLike, str | os.PathLike], size: int) -> np.ndarray:
    """A scan's tissues and structures, slice by slice, each value by its place: (N, 2, size, size) uint8."""
    stacks = [cut.whole(images.read(path, np.uint8), size) for path in paths]
    return np.stack([np.searchsorted(values, stack) for values, stack in zip(_MAPS, stacks, strict=True)], 1).astype(
        np.uint8
    )
