"""Training of one or several networks, and inference. The result depends on the seed, not on what ran before."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import nn

from headstart.job import logger
from headstart.training import feed
from headstart.training.devices import autocast, choose_device, choose_precision, deterministic_mode
from headstart.training.settings import TrainingSettings
from headstart.training.tasks import Task
from headstart.training.trainer import DivergedError, Trainer

_ENDED = object()


def train(
    model: nn.Module, slices: feed.Feed, task: Task, settings: TrainingSettings, seed: int, **options: object
) -> list[dict]:
    """Train ``model`` in place on the device of ``slices``, and return its history, one row per epoch.

    All arguments, ``options`` too, are those of :class:`headstart.training.trainer.Trainer`.
    """
    start = [lambda: Trainer(model, slices, task, settings, seed, **options)]
    (trained,) = train_together(start, slices.device, settings, runs_per_gpu=1)
    return trained.history


def train_together(
    trainings: Sequence[Callable[[], Trainer]], device: torch.device, settings: TrainingSettings, runs_per_gpu: int
) -> Iterator[Trainer]:
    """Run trainings, and yield each when it has ended, in the order in which they are given.

    On a GPU up to ``runs_per_gpu`` of them run at once, as far as they fit in its memory, one step of each in turn:
    each queues its steps on its own stream, because the steps of a small network do not fill a large GPU. On a CPU
    they run one after the other. The results are the same.

    Raises the :class:`headstart.training.trainer.DivergedError` of the first that diverges, after all others have ended
    and kept their states.
    """
    waiting, running, ended, diverged = deque(enumerate(trainings)), {}, {}, []
    at_once = runs_per_gpu if device.type == "cuda" else 1
    precision = choose_precision(settings.precision, device)
    held = gpu_memory(device)
    for number in range(len(trainings)):
        # Not around the yield: what is never asked for again would restore torch's random state at any later moment.
        with deterministic_mode(device, precision, settings.deterministic):
            while number not in ended:
                if waiting and len(running) < at_once and another_fits(device, len(running), held):
                    key, start = waiting.popleft()
                    trainer = start()
                    running[key] = trainer, trainer.run()
                for key, (trainer, steps) in list(running.items()):
                    try:
                        if next(steps, _ENDED) is not _ENDED:
                            continue
                    except DivergedError as error:
                        logger.warning("%s", error)
                        diverged.append(error.with_traceback(None))  # its frames hold the recordings
                    ended[key] = trainer
                    del running[key]
        trainer = ended.pop(number)
        if not diverged:
            yield trainer
    if diverged:
        raise diverged[0]


def predict(
    model: nn.Module,
    images: np.ndarray,
    postprocess: Callable[[torch.Tensor], torch.Tensor] | None = None,
    *,
    precision: str,
    seen: np.ndarray | None = None,
    batch_size: int = 64,
    device: str = "auto",
) -> np.ndarray:
    """A model's predictions for slices.

    Parameters
    ----------
    model
        Put in evaluation mode for the call, and back into its mode afterwards. Its layout is kept.
    images
        (N, H, W) uint16; an array, or one of :class:`headstart.slices.store.SliceArray`. With ``seen`` there may be
        more, of several images of each scan.
    postprocess
        Turns outputs (B, ...) on the device into predictions, see :meth:`headstart.training.tasks.Task.postprocess`.
        Without it a prediction is the most likely class of each pixel, the smaller one in case of a tie.
    precision
        See :class:`headstart.training.settings.TrainingSettings`.
    seen
        Numbers of the slices that are the channels of each input, (N, I); None for the slice alone.
    batch_size
        Slices at once.
    device
        See :func:`headstart.training.devices.choose_device`.

    Returns
    -------
    np.ndarray
        (N, ...); without ``postprocess`` (N, H, W) uint8.
    """
    postprocess = postprocess or _most_likely
    chosen = choose_device(device)
    precision = choose_precision(precision, chosen)
    model.to(chosen)
    training = model.training
    model.eval()
    parts = []
    with deterministic_mode(chosen, precision, True), torch.inference_mode(), autocast(chosen, precision):
        for start in range(0, len(images if seen is None else seen), batch_size):
            rows = slice(start, start + batch_size)
            chunk = feed.to_device(images[rows] if seen is None else feed.gather(images, seen[rows]), chosen)
            parts.append(postprocess(model(feed.as_input(chunk))).cpu().numpy())
    model.train(training)
    return np.concatenate(parts)


def gpu_memory(device: torch.device) -> int:
    """Bytes of a GPU's memory that this process has taken."""
    return torch.cuda.memory_reserved(device) if device.type == "cuda" else 0


def another_fits(device: torch.device, running: int, held: int) -> bool:
    """Whether one more training like those running fits in the GPU's memory.

    ``held``: what was taken before the first, as by the slices that they share. Each needs its memory once more, for a
    moment, to record the last batch of an epoch: steps before a recording cannot use the memory of another.
    """
    if not running:
        return True
    each = (gpu_memory(device) - held) / running
    return torch.cuda.mem_get_info(device)[0] > 2.2 * each


def _most_likely(scores: torch.Tensor) -> torch.Tensor:
    """Class of the highest score: (B, C, H, W) -> (B, H, W) uint8."""
    return scores.argmax(dim=1).to(torch.uint8)
