"""The kinds of source tasks, and how each is made for a source."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.networks.architectures import Architecture
from headstart.slices.store import SliceArray
from headstart.training.losses import class_counts, median_frequency_weights
from headstart.training.restoring import MaskedAutoEncoding, Restoring
from headstart.training.synthesis import ClassMaps
from headstart.training.tasks import AutoEncoding, Classification, Segmentation, SourceTask

Targets = np.ndarray | SliceArray | ClassMaps


@dataclass(frozen=True)
class SourceTaskSpec:
    """A source task: its ``kind``, a key of :data:`TASKS`, and the names of its ``classes``.

    ``first``: value of the first class in label maps, lower values belong to no class; ``activation``: that of a
    classification; ``hidden`` and ``patch``: fraction and side, in pixels, of the patches that masked auto-encoding
    hides.
    """

    kind: str
    classes: Sequence[str] = ()
    first: int = 0
    activation: str | None = None
    hidden: float | None = None
    patch: int | None = None

    def task(self, targets: Targets | None, architecture: Architecture, seed: int) -> SourceTask:
        """The task for these training targets (N, ...)."""
        return TASKS[self.kind](self, targets, architecture, seed)


# Kinds of source tasks, and how each is made from its spec, the training targets, the architecture and the seed.
TASKS: dict[str, Callable[[SourceTaskSpec, Targets | None, Architecture, int], SourceTask]] = {
    "segmentation": lambda spec, targets, architecture, seed: Segmentation(
        median_frequency_weights(class_counts(targets, len(spec.classes), spec.first)), spec.first
    ),
    "autoencoding": lambda spec, targets, architecture, seed: AutoEncoding(architecture, seed),
    "classification": lambda spec, targets, architecture, seed: Classification(spec.classes, spec.activation),
    "masked-autoencoding": lambda spec, targets, architecture, seed: MaskedAutoEncoding(spec.hidden, spec.patch),
    "restoring": lambda spec, targets, architecture, seed: Restoring(),
}
