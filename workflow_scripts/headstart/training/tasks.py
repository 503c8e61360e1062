"""What a network may be trained to do (paper, section 4.1): segment, auto-encode, classify.

A task says what its loss is and how well it is done, and the loop knows no more of it; a source's task says what stands
behind the encoder too.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from typing_extensions import override

from headstart.metrics import overlap
from headstart.networks.architectures import Architecture, Classifier, Encoder, Segmenter
from headstart.seeds import seed_for
from headstart.training import distributed, losses

L1_WEIGHT, GAN_WEIGHT = 0.996, 0.004
# What auto-encoding tells of each epoch.
_GAN_NUMBERS = ("l1", "gan", "discriminator", "real_known", "made_known")


class Task(ABC):
    """One task, for one training.

    Networks' inputs and what they are compared with are (B, 1, H, W) float32 in [0, 1] and a batch of ``targets``.
    """

    # What is measured of an output on held-out slices, for the report.
    measure: str

    @abstractmethod
    def loss(self, output: torch.Tensor, images: torch.Tensor, targets: torch.Tensor | None) -> torch.Tensor:
        """What a step minimises, a scalar; ``output`` is the network's for ``images``."""

    @abstractmethod
    def finish(self, output: torch.Tensor) -> torch.Tensor:
        """What an output says, in the form that :meth:`score` takes."""

    @abstractmethod
    def score(self, finished: np.ndarray, images: np.ndarray, targets: np.ndarray | None) -> float:
        """How well finished outputs (N, ...) fit held-out slices, 1 at best; :attr:`measure` names it."""

    def begin(
        self, device: torch.device, optimiser: Callable[..., torch.optim.Optimizer]
    ) -> list[torch.optim.Optimizer]:
        """Get ready on a device; returns optimisers of the task's own, whose learning rates follow the training's."""
        return []

    def after_step(self, output: torch.Tensor, images: torch.Tensor) -> None:  # noqa: B027 - most have nothing to do
        """Called after each step of the network, with the output that it was made from."""

    def numbers(self) -> dict[str, float]:
        """Further numbers of the epoch that ends, for its row; the next epoch's begin anew."""
        return {}

    def state(self) -> dict[str, torch.Tensor]:
        """The tensors that steps change in place, but for the optimisers', so that a training can go on from them."""
        return {}

    def metadata(self) -> dict:
        """What ``model.json`` should say of the loss."""
        return {}


class SourceTask(Task):
    """A task that stands behind an encoder."""

    @abstractmethod
    def network(self, encoder: Encoder, architecture: Architecture, size: int, seed: int) -> nn.Module:
        """The encoder with what the task puts behind it, drawn from ``seed``, for slices of ``size`` x ``size``."""


class Segmentation(SourceTask):
    """Label each pixel: cross-entropy with weighted classes (section 4.1.1).

    ``weights`` (classes,); class c has the value ``first + c`` in the targets (N, H, W), and pixels of lower values
    take no part. Scored by the mean IoU over the classes.
    """

    measure = "mean IoU"

    def __init__(self, weights: np.ndarray, first: int = 0) -> None:
        self.weights = torch.as_tensor(weights, dtype=torch.float32)
        self.first = first

    @override
    def network(self, encoder: Encoder, architecture: Architecture, size: int, seed: int) -> Segmenter:
        return Segmenter(encoder, architecture.make_decoder(len(self.weights), seed_for(seed, "decoder")))

    @override
    def begin(
        self, device: torch.device, optimiser: Callable[..., torch.optim.Optimizer]
    ) -> list[torch.optim.Optimizer]:
        self.weights = self.weights.to(device)
        return []

    @override
    def loss(self, output: torch.Tensor, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return losses.cross_entropy(output, targets.long(), self.weights, self.first)

    @override
    def finish(self, output: torch.Tensor) -> torch.Tensor:
        return output.argmax(dim=1).to(torch.uint8) + self.first

    @override
    def score(self, finished: np.ndarray, images: np.ndarray, targets: np.ndarray) -> float:
        taken = targets >= self.first
        return overlap.mean_iou(finished[taken] - self.first, targets[taken] - self.first, len(self.weights))

    @override
    def metadata(self) -> dict:
        return {"class_weights": self.weights.tolist()}


class AutoEncoding(SourceTask):
    """Make the image again: 0.996 L1 + 0.004 GAN, with a discriminator (section 4.1.2).

    Scored by the share of the images' variance that the outputs explain: 0 for the mean image's grey, 1 for the image.
    """

    measure = "variance explained"

    def __init__(self, architecture: Architecture, seed: int) -> None:
        self.discriminator = architecture.make_discriminator(seed_for(seed, "discriminator"))

    @override
    def network(self, encoder: Encoder, architecture: Architecture, size: int, seed: int) -> Segmenter:
        return Segmenter(encoder, architecture.make_decoder(1, seed_for(seed, "decoder")))

    @override
    def begin(
        self, device: torch.device, optimiser: Callable[..., torch.optim.Optimizer]
    ) -> list[torch.optim.Optimizer]:
        self.discriminator.to(device, memory_format=torch.channels_last).train()
        self._learner = distributed.wrap_ddp(self.discriminator)
        self._optimiser = optimiser(self.discriminator.parameters())
        self._sums = {name: torch.zeros((), dtype=torch.float64, device=device) for name in ("steps", *_GAN_NUMBERS)}
        return [self._optimiser]

    @override
    def loss(self, output: torch.Tensor, images: torch.Tensor, targets: None) -> torch.Tensor:
        absolute = losses.absolute(output, images)
        self.discriminator.requires_grad_(False)  # it judges here, and learns in after_step
        fooled = losses.adversarial(self.discriminator(images, output.float()), real=True)
        self._add(l1=absolute, gan=fooled)
        return L1_WEIGHT * absolute + GAN_WEIGHT * fooled

    @override
    def after_step(self, output: torch.Tensor, images: torch.Tensor) -> None:
        self.discriminator.requires_grad_(True)
        candidates = torch.cat([images, output.detach().float()])
        real, made = self._learner(torch.cat([images, images]), candidates).chunk(2)
        loss = (losses.adversarial(real, real=True) + losses.adversarial(made, real=False)) / 2
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        known = {"real_known": losses.mean_of((real > 0).float()), "made_known": losses.mean_of((made < 0).float())}
        self._add(steps=torch.ones_like(loss), discriminator=loss, **known)

    @override
    def numbers(self) -> dict[str, float]:
        """Means over the epoch's steps: the loss's two parts, the discriminator's own, and the patches it got right."""
        sums = {name: distributed.average(total).item() for name, total in self._sums.items()}
        for total in self._sums.values():
            total.zero_()
        return {name: sums[name] / sums["steps"] for name in _GAN_NUMBERS}

    @override
    def state(self) -> dict[str, torch.Tensor]:
        return {**self.discriminator.state_dict(), **self._sums}

    @override
    def finish(self, output: torch.Tensor) -> torch.Tensor:
        return output[:, 0].float().clamp(0, 1)

    @override
    def score(self, finished: np.ndarray, images: np.ndarray, targets: None) -> float:
        spread = np.square(images - images.mean(), dtype=np.float64).sum()
        return float(1 - np.square(finished - images, dtype=np.float64).sum() / max(spread, np.finfo(float).tiny))

    @override
    def metadata(self) -> dict:
        return {"loss_weights": {"l1": L1_WEIGHT, "gan": GAN_WEIGHT}}

    def _add(self, **values: torch.Tensor) -> None:
        for name, value in values.items():
            self._sums[name].add_(value.detach())


class Classification(SourceTask):
    """Say what a slice shows: binary cross-entropy, class by class (section 4.1.3).

    ``classes``: their names, in the order of the targets' columns (N, classes); ``activation``: "softmax" or "sigmoid".
    Scored by the area under the ROC curve, averaged over the classes that some slices show and others do not: 0.5 by
    chance.
    """

    measure = "mean area under ROC"

    def __init__(self, classes: Sequence[str], activation: str) -> None:
        self.classes = tuple(classes)
        self.activation = activation

    @override
    def network(self, encoder: Encoder, architecture: Architecture, size: int, seed: int) -> Classifier:
        return Classifier(encoder, architecture.make_head(len(self.classes), size, seed_for(seed, "head")))

    @override
    def loss(self, output: torch.Tensor, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return losses.class_wise(output, targets, self.activation)

    @override
    def finish(self, output: torch.Tensor) -> torch.Tensor:
        scores = output.float()
        return scores.sigmoid() if self.activation == "sigmoid" else scores.softmax(dim=1)

    @override
    def score(self, finished: np.ndarray, images: np.ndarray, targets: np.ndarray) -> float:
        areas = [roc_area(finished[:, c], targets[:, c] > 0) for c in range(targets.shape[1])]
        return float(np.nanmean(areas)) if np.isfinite(areas).any() else float("nan")

    @override
    def metadata(self) -> dict:
        return {"activation": self.activation}


def roc_area(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties counting half; NaN without both."""
    above, below = scores[positive], np.sort(scores[~positive])
    if not len(above) or not len(below):
        return float("nan")
    passed = np.searchsorted(below, above, "left") + np.searchsorted(below, above, "right")
    return float(passed.sum() / (2 * len(above) * len(below)))
