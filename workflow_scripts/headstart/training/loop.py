"""Training of one or several networks, and inference. One seed gives one network, whatever ran before or beside it."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import nn

from headstart.training import feed
from headstart.training.devices import autocast, choose_device, choose_precision, deterministic_mode
from headstart.training.tasks import Task
from headstart.training.trainer import Trainer, Training

_ENDED = object()


def train(
    model: nn.Module,
    images: feed.Array,
    targets: feed.Array | None,
    task: Task,
    settings: Training,
    seed: int,
    *,
    device: str = "auto",
    resident_gb: float | None = None,
    **options: object,
) -> list[dict]:
    """Train ``model`` in place on a task, and return one row an epoch; see :class:`Trainer`, which takes ``options``.

    ``images`` (N, H, W) uint16 and ``targets`` (N, ...) uint8 as :mod:`headstart.slices.store` keeps them, None where the task
    has only images; see :func:`headstart.training.feed.load` for where they lie.
    """
    where = choose_device(device)
    slices = feed.load(images, targets, where, resident_gb)
    (trained,) = train_together([lambda: Trainer(model, slices, task, settings, seed, **options)], where, settings)
    return trained.history


def train_together(
    trainings: Sequence[Callable[[], Trainer]], device: torch.device, settings: Training, most: int = 1
) -> Iterator[Trainer]:
    """Run trainings, and yield each, in the order in which they are given, when it is at its end.

    On a GPU up to ``most`` of them share it, as long as its memory has room, a step of each in turn: the steps are
    queued on streams of their own, and small ones do not fill a large GPU. On a CPU they take turns, which changes
    nothing of their results.
    """
    waiting, running, ended = deque(enumerate(trainings)), {}, {}
    most = most if device.type == "cuda" else 1
    with deterministic_mode(device, choose_precision(settings.precision, device), settings.deterministic):
        for number in range(len(trainings)):
            while number not in ended:
                if waiting and len(running) < most and _has_room(device, len(running)):
                    key, start = waiting.popleft()
                    trainer = start()
                    running[key] = trainer, trainer.run()
                for key, (trainer, steps) in list(running.items()):
                    if next(steps, _ENDED) is _ENDED:
                        ended[key] = trainer
                        del running[key]
            yield ended.pop(number)


def predict(
    model: nn.Module,
    images: np.ndarray,
    finish: Callable[[torch.Tensor], torch.Tensor] | None = None,
    *,
    batch_size: int = 64,
    precision: str = "float32",
    device: str = "auto",
) -> np.ndarray:
    """A model's outputs for ``images`` (N, H, W) uint16, made what they say by ``finish``: (N, ...).

    Without ``finish`` the most likely class of every pixel, (N, H, W) uint8; ties go to the smaller class. The model is
    put in evaluation mode for it, and back as it was.
    """
    finish = finish or _most_likely
    where = choose_device(device)
    precision = choose_precision(precision, where)
    model.to(where, memory_format=torch.channels_last)
    training = model.training
    model.eval()
    parts = []
    with torch.inference_mode(), autocast(where, precision):
        for start in range(0, len(images), batch_size):
            chunk = feed.on_device(images[start : start + batch_size], where)
            parts.append(finish(model(feed.as_input(chunk))).cpu().numpy())
    model.train(training)
    return np.concatenate(parts)


def _has_room(device: torch.device, running: int) -> bool:
    """Whether another training like those that run fits into the GPU's memory."""
    if not running:
        return True
    each = torch.cuda.memory_reserved(device) / running
    return torch.cuda.mem_get_info(device)[0] > 1.2 * each


def _most_likely(scores: torch.Tensor) -> torch.Tensor:
    """Class of the highest score: (B, C, H, W) -> (B, H, W) uint8."""
    return scores.argmax(dim=1).to(torch.uint8)
