"""The tasks that a network is trained on (paper, section 4.1): segmentation, auto-encoding, classification.

A task defines the loss. The task of a source also defines the network that follows the encoder, and the score.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from typing_extensions import override

from headstart.metrics import overlap, ranking, variance
from headstart.networks.architectures import Architecture, Classifier, Segmenter
from headstart.networks.trunks import Trunk
from headstart.seeds import seed_for
from headstart.training import distributed, losses
from headstart.training.devices import autocast
from headstart.training.optimisers import Adam, MakeAdam

# Images and targets of a batch after a change, drawn from a generator on the CPU.
Change = Callable[[torch.Tensor, torch.Tensor | None, torch.Generator], tuple[torch.Tensor, torch.Tensor | None]]

L1_WEIGHT, GAN_WEIGHT = 0.996, 0.004
# Columns that auto-encoding adds to the history: the two parts of the loss, the discriminator's loss, and the fractions
# of real and of generated patches that it recognises.
_GAN_METRICS = ("l1", "gan", "discriminator", "real_accuracy", "generated_accuracy")


class Task(ABC):
    """One task, for one training.

    A network's inputs are (B, I, H, W) float32 in [0, 1], with a batch of ``targets`` (B, ...): uint8 as they are
    stored, what ``corrupt`` makes of them, or None.
    """

    # What happens to a batch before the network sees it, for a task that undoes it: random numbers that a step drew
    # would be the same each time that a GPU replays its recording.
    corrupt: Change | None = None

    @abstractmethod
    def loss(self, output: torch.Tensor, images: torch.Tensor, targets: torch.Tensor | None) -> torch.Tensor:
        """The loss of a step, a scalar; ``output`` is the network's output for ``images``."""

    def prepare(self, device: torch.device, precision: str, optimiser: MakeAdam) -> list[Adam]:
        """Move to a device; returns the task's own optimisers, whose learning rates follow the training's.

        ``precision``: in which the task's own networks compute, see :func:`headstart.training.devices.autocast`.
        """
        return []

    def after_step(self, output: torch.Tensor, images: torch.Tensor) -> None:  # noqa: B027 - most tasks need none
        """Called after each optimiser step of the network, with the output that the step used."""

    def epoch_metrics(self) -> dict[str, float]:
        """Further columns for the history row of the epoch that ends; resets them."""
        return {}

    def state(self) -> dict[str, torch.Tensor]:
        """The tensors that steps change in place, optimisers' apart: what a checkpoint must contain."""
        return {}

    def metadata(self) -> dict:
        """Entries of ``model.json`` about the loss."""
        return {}


class SourceTask(Task):
    """A task for the pre-training of an encoder.

    Its score on held-out slices is computed in two steps, because they need not fit in memory: a tally of each chunk of
    them, then the score of all tallies.
    """

    # Name of the score, for the report.
    measure: str

    @abstractmethod
    def network(self, encoder: Trunk, architecture: Architecture, size: int, seed: int) -> nn.Module:
        """The encoder followed by the task's own part, initialised from ``seed``, for slices of ``size`` x ``size``."""

    @abstractmethod
    def postprocess(self, output: torch.Tensor) -> torch.Tensor:
        """The prediction for an output, as :meth:`tally` takes it."""

    @abstractmethod
    def tally(self, predictions: np.ndarray, images: np.ndarray, targets: np.ndarray | None) -> Any:
        """What the score needs to know of a chunk of slices.

        ``predictions`` (N, ...) as :meth:`postprocess` makes them, ``images`` (N, H, W) float32 in [0, 1], the inputs,
        and their ``targets`` (N, ...).
        """

    @abstractmethod
    def score(self, tallies: Sequence[Any]) -> float:
        """How well the predictions of all chunks fit, at best 1; :attr:`measure` is its name."""


class Segmentation(SourceTask):
    """Label each pixel: cross-entropy with class weights (section 4.1.1).

    ``weights`` (C,); class c has the value ``first + c`` in the targets (N, H, W), and pixels of lower values are
    ignored. The score is the mean IoU over the classes.
    """

    measure = "mean IoU"

    def __init__(self, weights: np.ndarray, first: int = 0) -> None:
        self.weights = torch.as_tensor(weights, dtype=torch.float32)
        self.first = first

    @override
    def network(self, encoder: Trunk, architecture: Architecture, size: int, seed: int) -> Segmenter:
        return Segmenter(encoder, architecture.make_decoder(len(self.weights), seed_for(seed, "decoder")))

    @override
    def prepare(self, device: torch.device, precision: str, optimiser: MakeAdam) -> list[Adam]:
        self.weights = self.weights.to(device)
        return []

    @override
    def loss(self, output: torch.Tensor, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return losses.cross_entropy(output, targets.long(), self.weights, self.first)

    @override
    def postprocess(self, output: torch.Tensor) -> torch.Tensor:
        return output.argmax(dim=1).to(torch.uint8) + self.first

    @override
    def tally(self, predictions: np.ndarray, images: np.ndarray, targets: np.ndarray) -> overlap.Counts:
        taken = targets >= self.first
        pair = (labels[taken][np.newaxis] - self.first for labels in (predictions, targets))
        return overlap.counts(*pair, len(self.weights))

    @override
    def score(self, tallies: Sequence[overlap.Counts]) -> float:
        joined = overlap.Counts(*map(np.concatenate, zip(*tallies, strict=True)))
        return overlap.defined_mean(joined.over_volume().iou("skip"))

    @override
    def metadata(self) -> dict:
        return {"class_weights": self.weights.tolist()}


class ImageTask(SourceTask):
    """Restore an image (B, H, W) float32: L1; the score is the fraction of its variance that the output explains."""

    measure = "variance explained"

    @override
    def network(self, encoder: Trunk, architecture: Architecture, size: int, seed: int) -> Segmenter:
        # With skip connections the decoder could copy most of the image, and the encoder would learn nothing of it.
        return Segmenter(encoder, architecture.make_decoder(1, seed_for(seed, "decoder"), skips=False))

    @override
    def loss(self, output: torch.Tensor, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return losses.absolute(output[:, 0], targets)

    @override
    def postprocess(self, output: torch.Tensor) -> torch.Tensor:
        return output[:, 0].float().clamp(0, 1)

    @override
    def tally(self, predictions: np.ndarray, images: np.ndarray, targets: np.ndarray) -> variance.Sums:
        return variance.sums(predictions, targets)

    @override
    def score(self, tallies: Sequence[variance.Sums]) -> float:
        return variance.explained(tallies)


class AutoEncoding(ImageTask):
    """Reproduce the input: 0.996 L1 + 0.004 GAN, with a discriminator (section 4.1.2)."""

    def __init__(self, architecture: Architecture, seed: int) -> None:
        self.discriminator = architecture.make_discriminator(seed_for(seed, "discriminator"))

    @override
    def prepare(self, device: torch.device, precision: str, optimiser: MakeAdam) -> list[Adam]:
        self._compute = functools.partial(autocast, device, precision)
        self.discriminator.to(device, memory_format=torch.channels_last).train()
        self._wrapped = distributed.wrap_ddp(self.discriminator)
        self._optimiser = optimiser([{"params": list(self.discriminator.parameters())}])
        self._sums = {name: torch.zeros((), dtype=torch.float64, device=device) for name in ("steps", *_GAN_METRICS)}
        return [self._optimiser]

    @override
    def loss(self, output: torch.Tensor, images: torch.Tensor, targets: None) -> torch.Tensor:
        absolute = losses.absolute(output, images)
        self.discriminator.requires_grad_(False)  # it only judges here; its own step is in after_step
        with self._compute():
            judged = self.discriminator(images, output.float())
        fooled = losses.adversarial(judged, real=True)
        self._add(l1=absolute, gan=fooled)
        return L1_WEIGHT * absolute + GAN_WEIGHT * fooled

    @override
    def after_step(self, output: torch.Tensor, images: torch.Tensor) -> None:
        self.discriminator.requires_grad_(True)
        candidates = torch.cat([images, output.detach().float()])
        with self._compute():
            real, generated = self._wrapped(torch.cat([images, images]), candidates).chunk(2)
        loss = (losses.adversarial(real, real=True) + losses.adversarial(generated, real=False)) / 2
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self._add(
            steps=torch.ones_like(loss),
            discriminator=loss,
            real_accuracy=losses.mean_of((real > 0).float()),
            generated_accuracy=losses.mean_of((generated < 0).float()),
        )

    @override
    def epoch_metrics(self) -> dict[str, float]:
        """Means over the steps of the epoch: both parts of the loss, and the discriminator's loss and accuracies."""
        sums = {name: distributed.average(total).item() for name, total in self._sums.items()}
        for total in self._sums.values():
            total.zero_()
        return {name: sums[name] / sums["steps"] for name in _GAN_METRICS}

    @override
    def state(self) -> dict[str, torch.Tensor]:
        return {**self.discriminator.state_dict(), **self._sums}

    @override
    def tally(self, predictions: np.ndarray, images: np.ndarray, targets: None) -> variance.Sums:
        return variance.sums(predictions, images)

    @override
    def metadata(self) -> dict:
        return {"loss_weights": {"l1": L1_WEIGHT, "gan": GAN_WEIGHT}}

    def _add(self, **values: torch.Tensor) -> None:
        for name, value in values.items():
            self._sums[name].add_(value.detach())


class Classification(SourceTask):
    """Recognise what a slice shows: binary cross-entropy for each class (section 4.1.3).

    ``classes``: their names, in the order of the columns of the targets (N, C); ``activation``: "softmax" or
    "sigmoid". The score is the area under the ROC curve, averaged over the classes that some slices show and others do
    not; 0.5 is chance.
    """

    measure = "mean area under ROC"

    def __init__(self, classes: Sequence[str], activation: str) -> None:
        self.classes = tuple(classes)
        self.activation = activation

    @override
    def network(self, encoder: Trunk, architecture: Architecture, size: int, seed: int) -> Classifier:
        return Classifier(encoder, architecture.make_head(len(self.classes), size, seed_for(seed, "head")))

    @override
    def loss(self, output: torch.Tensor, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return losses.class_wise(output, targets, self.activation)

    @override
    def postprocess(self, output: torch.Tensor) -> torch.Tensor:
        scores = output.float()
        return scores.sigmoid() if self.activation == "sigmoid" else scores.softmax(dim=1)

    @override
    def tally(self, predictions: np.ndarray, images: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return predictions, targets > 0

    @override
    def score(self, tallies: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
        scores, shown = map(np.concatenate, zip(*tallies, strict=True))
        areas = [ranking.roc_area(scores[:, c], shown[:, c]) for c in range(shown.shape[1])]
        return overlap.defined_mean(np.array(areas))

    @override
    def metadata(self) -> dict:
        return {"activation": self.activation}
