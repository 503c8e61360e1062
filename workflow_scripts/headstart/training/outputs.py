"""What a source's network makes of slices: its score on those held out, and examples for the report."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from headstart.slices import store
from headstart.training import feed
from headstart.training.loop import predict
from headstart.training.tasks import Task

# Slices of which the outputs are kept for the report.
_EXAMPLES = 6
# Slices that are corrupted at once.
_CHUNK = 64

Targets = np.ndarray | None


def validation(
    task: Task, images: np.ndarray, targets: Targets, seed: int, **options: str
) -> Callable[[nn.Module], float]:
    """A function that scores a model on slices (N, H, W) uint16, which ``seed`` corrupts in the same way each time.

    ``options``: those of :func:`headstart.training.loop.predict`.
    """
    images, targets = corrupted(task, images, targets, seed)
    inputs = images.astype(np.float32) / store.SCALE
    return lambda model: task.score(predict(model, images, task.postprocess, **options), inputs, targets)


def examples(
    model: nn.Module, task: Task, images: np.ndarray, targets: Targets, seed: int, **options: str
) -> dict[str, np.ndarray]:
    """A few slices, evenly spaced, with the model's outputs and, where there are any, their targets."""
    chosen = np.linspace(0, len(images) - 1, min(_EXAMPLES, len(images)) + 2).round().astype(int)[1:-1]
    images, targets = corrupted(task, images[chosen], None if targets is None else targets[chosen], seed)
    found = {"images": images, "outputs": predict(model, images, task.postprocess, **options)}
    return found if targets is None else found | {"targets": targets}


def corrupted(task: Task, images: np.ndarray, targets: Targets, seed: int) -> tuple[np.ndarray, Targets]:
    """Slices (N, H, W) uint16 and their targets as the network and the score take them, see :class:`Task`."""
    if task.corrupt is None:
        return images, targets
    generator = torch.Generator().manual_seed(seed)
    stored = feed.Resident(images, targets, torch.device("cpu"))
    parts = [task.corrupt(*batch, generator) for batch in stored.batches(torch.arange(len(images)).split(_CHUNK))]
    inputs, wanted = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    return store.to_uint16(inputs[:, 0]), wanted
