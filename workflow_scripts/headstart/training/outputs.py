"""What a source's network makes of slices: its score on those held out, and examples for the report."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from headstart.slices import store
from headstart.training import feed
from headstart.training.devices import choose_device
from headstart.training.loop import predict
from headstart.training.synthesis import Synthesis
from headstart.training.tasks import SourceTask

# Slices of which the outputs are kept for the report.
_EXAMPLES = 6
# Slices that are corrupted and predicted at once.
_CHUNK = 64

# Images (B, H, W) uint16 and their targets (B, ...).
Chunk = tuple[np.ndarray, np.ndarray | None]


@dataclass(frozen=True)
class Slices:
    """Slices of a source, of which only those at work are in memory.

    ``images`` (N, H, W) uint16 and ``targets`` (N, ...) uint8 or None, as :mod:`headstart.slices.store` keeps them;
    ``synthesis``: makes the images of the targets, which are label maps, from ``seed``, the same each time.
    """

    images: feed.Array | None
    targets: feed.Array | None
    synthesis: Synthesis | None = None
    seed: int = 0

    def __len__(self) -> int:
        return len(self.targets if self.images is None else self.images)

    def chunks(self, device: torch.device) -> Iterator[Chunk]:
        """All slices in their order; a synthesis makes them on ``device``."""
        if self.synthesis:
            yield from self.synthesis.render(self.targets, self.seed, device)
            return
        for start in range(0, len(self), _CHUNK):
            yield self._stored(slice(start, start + _CHUNK))

    def pick(self, numbers: np.ndarray, device: torch.device) -> Chunk:
        """The slices with these numbers, in ascending order, as :meth:`chunks` gives them."""
        if not self.synthesis:
            return self._stored(numbers)
        found, first = [], 0
        for images, classes in self.chunks(device):
            here = numbers[(numbers >= first) & (numbers < first + len(images))] - first
            found.append((images[here], classes[here]))
            first += len(images)
        images, classes = map(np.concatenate, zip(*found, strict=True))
        return images, classes

    def _stored(self, rows: slice | np.ndarray) -> Chunk:
        return self.images[rows], None if self.targets is None else self.targets[rows]


def validation(
    task: SourceTask, slices: Slices, seed: int, *, precision: str, device: str = "auto"
) -> Callable[[nn.Module], float]:
    """A function that scores a model on slices, which ``seed`` corrupts in the same way each time.

    Each call reads, corrupts, predicts and tallies the slices chunk by chunk: all of them at once, with what a network
    makes of them, would take tens of GB for a source of large images.

    ``precision`` and ``device``: as in :func:`headstart.training.loop.predict`.
    """
    chosen = choose_device(device)

    def score(model: nn.Module) -> float:
        generator, tallies = torch.Generator().manual_seed(seed), []
        for chunk in slices.chunks(chosen):
            images, targets = corrupted(task, *chunk, generator, chosen)
            predictions = predict(model, images, task.postprocess, precision=precision, device=device)
            tallies.append(task.tally(predictions, images.astype(np.float32) / store.SCALE, targets))
        return task.score(tallies)

    return score


def examples(
    model: nn.Module, task: SourceTask, slices: Slices, seed: int, *, precision: str, device: str = "auto"
) -> dict[str, np.ndarray]:
    """A few slices, evenly spaced, with the model's outputs and, where there are any, their targets."""
    numbers = np.linspace(0, len(slices) - 1, min(_EXAMPLES, len(slices)) + 2).round().astype(int)[1:-1]
    chosen = choose_device(device)
    chunk = slices.pick(numbers, chosen)
    images, targets = corrupted(task, *chunk, torch.Generator().manual_seed(seed), chosen)
    found = {"images": images, "outputs": predict(model, images, task.postprocess, precision=precision, device=device)}
    return found if targets is None else found | {"targets": targets}


def corrupted(
    task: SourceTask,
    images: np.ndarray,
    targets: np.ndarray | None,
    generator: torch.Generator,
    device: torch.device,
) -> Chunk:
    """Slices (B, H, W) uint16 and their targets as the network and the score take them, see :class:`SourceTask`."""
    if task.corrupt is None:
        return images, targets
    given = feed.as_input(feed.to_device(images, device))
    stored = None if targets is None else feed.to_device(targets, device)
    inputs, wanted = task.corrupt(given, stored, generator)
    return store.to_uint16(inputs[:, 0].cpu().numpy()), wanted.cpu().numpy()
