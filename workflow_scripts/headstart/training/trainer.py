"""The training of one network, step by step: the same for every network and task, and the same bytes for one seed."""

import copy
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from headstart.job import UserError, logger
from headstart.networks.architectures import count_parameters
from headstart.seeds import seed_for
from headstart.training import distributed
from headstart.training.augment import Augment
from headstart.training.checkpoint import Checkpoint
from headstart.training.cuda_graphs import Graphs
from headstart.training.devices import autocast, choose_precision
from headstart.training.feed import Feed
from headstart.training.tasks import Task


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained (paper, section 4.3, which names neither optimiser nor precision).

    ``decay_after``: fraction of the epochs after which the learning rate is multiplied by ``decay_factor``.
    ``precision``: "float32", "tf32" (on a GPU), "bfloat16" (automatic mixed precision) or "auto", see
    :func:`headstart.training.devices.choose_precision`. ``deterministic``: the same bytes each time on a GPU too, see
    :func:`headstart.training.devices.deterministic_mode`.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    decay_after: float
    decay_factor: float
    precision: str
    deterministic: bool

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 0."""
        return self.learning_rate * (self.decay_factor if epoch >= self.decay_after * self.epochs else 1)


class DivergedError(UserError):
    """The loss is no longer finite. ``encoder``, if set, is the encoder after the last epoch with a finite loss."""

    encoder: nn.Module | None = None


class Trainer:
    """The training of one network; it pauses after each step, so that several trainings can share a GPU.

    Parameters
    ----------
    model
        Trained in place.
    slices
        The images and targets; their device is that of the training.
    task
        Defines loss and score.
    settings
        Epochs, batch size, learning rates and precision.
    seed
        Determines the order of the slices in each epoch and all randomness of each step.
    rows
        Numbers of the slices to train on; all of them if None.
    validation
        ``validation(model)``, called in evaluation mode after each epoch; its value goes into the history.
    augment
        Changes slices, and label maps with them, each time they are seen.
    checkpoint
        Keeps the state from which a killed training resumes, to the same bytes.

    Attributes
    ----------
    history
        One row per epoch with ``epoch`` (from 1), ``learning_rate``, ``loss`` (mean over slices), ``validation`` and
        the task's own metrics. All of it follows from the seed; speed and remaining time go to the log only.

    Notes
    -----
    Every epoch visits every slice once, in an order drawn from the seed and the number of the epoch alone. A last
    batch too small for batch norm, or for the processes that share it, is merged with the batch before it.
    """

    def __init__(
        self,
        model: nn.Module,
        slices: Feed,
        task: Task,
        settings: TrainingSettings,
        seed: int,
        *,
        rows: np.ndarray | None = None,
        validation: Callable[[nn.Module], float] | None = None,
        augment: Augment | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.model, self.history = model, []
        self._slices, self._task, self._settings, self._seed = slices, task, settings, seed
        self._rows = torch.arange(len(slices)) if rows is None else torch.as_tensor(rows)
        self._validation, self._augment, self._checkpoint = validation, augment, checkpoint
        _check(len(self._rows), settings)
        self._device = slices.device
        self._precision = choose_precision(settings.precision, self._device)
        on_gpu = self._device.type == "cuda"
        model.to(self._device, memory_format=torch.channels_last)
        self._network = distributed.wrap_ddp(model)
        adam = _adam(settings, self._device)
        self._optimiser = adam(model.parameters())
        self._optimisers = [self._optimiser, *task.prepare(self._device, adam)]
        self._loss = torch.zeros((), device=self._device, dtype=torch.float64)
        self._batches_done = 0  # of the current epoch
        self._last_good: Mapping[str, torch.Tensor] = {}
        graphed = on_gpu and distributed.world_size() == 1
        self._stream = torch.cuda.Stream(self._device) if graphed else None
        self._run_step = Graphs(self._step, self._state_tensors) if graphed else self._step
        self._writes_state = checkpoint is not None and distributed.rank() == 0
        if checkpoint and (kept := checkpoint.read(self._device)):
            self._restore(kept)

    def run(self) -> Iterator[None]:
        """Train to the end, pausing after each step.

        Raises :class:`DivergedError` when the loss is no longer finite; the model is then restored to its state after
        the last epoch with a finite loss.
        """
        parameters, slices = count_parameters(self.model), len(self._rows)
        logger.info("training %d parameters on %d slices, %s, %s", parameters, slices, self._device, self._precision)
        self._started, self._epochs_before = time.monotonic(), len(self.history)
        if self._stream:
            self._stream.wait_stream(torch.cuda.current_stream(self._device))
        while len(self.history) < self._settings.epochs:
            yield from self._epoch(len(self.history))
        if self._writes_state and self._epochs_before < self._settings.epochs:
            self._checkpoint.write({"history": self.history, "model": self.model.state_dict()})

    def _epoch(self, epoch: int) -> Iterator[None]:
        with torch.cuda.stream(self._stream):
            self._begin_epoch(epoch)
        order = _batches(len(self._rows), self._settings.batch_size, seed_for(self._seed, "epoch", epoch))
        batches = [self._rows[batch] for batch in order]
        fed = self._slices.batches(map(distributed.local_shard, batches[self._batches_done :]))
        for number in range(self._batches_done, len(batches)):
            with torch.cuda.stream(self._stream):
                images, targets = self._augmented(*next(fed), seed_for(self._seed, "step", epoch, number))
                self._run_step(images, targets, len(batches[number]))
            self._batches_done = number + 1
            if self._writes_state and self._checkpoint.due():
                self._checkpoint.write(self._state())
            yield
        with torch.cuda.stream(self._stream):
            self._end_epoch(epoch)

    def _begin_epoch(self, epoch: int) -> None:
        self.model.train()
        for group in itertools.chain.from_iterable(optimiser.param_groups for optimiser in self._optimisers):
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(self._settings.rate(epoch))
            else:
                group["lr"] = self._settings.rate(epoch)
        if not self._batches_done:
            self._last_good = copy.deepcopy(self.model.state_dict())
            self._loss.zero_()

    def _augmented(
        self, images: torch.Tensor, targets: torch.Tensor | None, seed: int
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """A batch after augmentation. All randomness of a step comes from its own seed, whatever ran before."""
        torch.manual_seed(seed)
        return self._augment(images, targets, _generator(seed)) if self._augment else (images, targets)

    def _step(self, images: torch.Tensor, targets: torch.Tensor | None, slices: int) -> None:
        """One optimiser step on this process's share of a batch; ``slices``: size of the whole batch."""
        with autocast(self._device, self._precision):
            output = self._network(images)
        loss = self._task.loss(output, images, targets)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        self._task.after_step(output, images)
        self._loss.add_(loss.detach() * slices)  # stays on the device: reading it would wait for every batch

    def _end_epoch(self, epoch: int) -> None:
        loss = distributed.average(self._loss).item() / len(self._rows)
        if not np.isfinite(loss):
            self.model.load_state_dict(self._last_good)
            raise DivergedError(
                f"training diverged in epoch {epoch + 1} (the loss is {loss}); lower learning_rate, now "
                f"{self._settings.learning_rate:g}."
            )
        row = {"epoch": epoch + 1, "learning_rate": self._settings.rate(epoch), "loss": loss}
        self.history.append(row | {"validation": self._validated()} | self._task.epoch_metrics())
        self._batches_done = 0
        elapsed = time.monotonic() - self._started
        _log_epoch(self.history[-1], self._settings.epochs, len(self._rows), elapsed, self._epochs_before)

    def _validated(self) -> float | None:
        if self._validation is None or distributed.rank() > 0:
            return None
        self.model.eval()
        return self._validation(self.model)

    def _state_tensors(self) -> Iterator[torch.Tensor]:
        """All tensors that a step changes."""
        yield from self.model.state_dict().values()
        yield from self._task.state().values()
        for state in itertools.chain.from_iterable(optimiser.state.values() for optimiser in self._optimisers):
            yield from (value for value in state.values() if isinstance(value, torch.Tensor))
        yield self._loss

    def _state(self) -> dict:
        return {
            "history": self.history,
            "model": self.model.state_dict(),
            "batches_done": self._batches_done,
            "last_good": self._last_good,
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
            "task": self._task.state(),
            "loss": self._loss,
        }

    def _restore(self, kept: Mapping) -> None:
        """Continue from the state of a training that was interrupted, or that had ended."""
        self.history = kept["history"]
        self.model.load_state_dict(kept["model"])
        logger.info("resuming after epoch %d of %d", len(self.history), self._settings.epochs)
        if "batches_done" in kept:
            self._batches_done, self._last_good = kept["batches_done"], kept["last_good"]
            for optimiser, state in zip(self._optimisers, kept["optimisers"], strict=True):
                optimiser.load_state_dict(state)
            for name, tensor in self._task.state().items():
                tensor.copy_(kept["task"][name])
            self._loss.copy_(kept["loss"])


def _adam(settings: TrainingSettings, device: torch.device) -> Callable[..., torch.optim.Optimizer]:
    """Makes an optimiser for parameters. In a CUDA graph the rate must be on the GPU, where it can be changed."""
    on_gpu = device.type == "cuda"
    rate = torch.tensor(settings.learning_rate, device=device) if on_gpu else settings.learning_rate
    return functools.partial(
        torch.optim.Adam, lr=rate, weight_decay=settings.weight_decay, fused=True, capturable=on_gpu
    )


def _batches(slices: int, batch_size: int, seed: int) -> list[torch.Tensor]:
    """Numbers of the slices of each batch, in a seeded order; a last batch that is too small joins the one before."""
    order = torch.randperm(slices, generator=_generator(seed))
    batches = list(order.split(batch_size))
    if len(batches) > 1 and len(batches[-1]) < max(2, distributed.world_size()):
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _check(slices: int, settings: TrainingSettings) -> None:
    least = max(2, distributed.world_size())
    if min(slices, settings.batch_size) < least:
        raise UserError(
            f"batch norm needs at least {least} slices per batch, but there are {slices} slices and batch_size is "
            f"{settings.batch_size}; raise batch_size or keep more slices."
        )


def _log_epoch(row: dict, epochs: int, slices: int, elapsed: float, epochs_before: int) -> None:
    """``epochs_before``: epochs that an earlier process had run."""
    per_epoch = elapsed / (row["epoch"] - epochs_before)
    score = "" if row["validation"] is None else f", validation {row['validation']:.3f}"
    logger.info(
        "epoch %d/%d: loss %.4f%s, %.0f images/s, %.0f s left",
        row["epoch"], epochs, row["loss"], score, slices / per_epoch, per_epoch * (epochs - row["epoch"]),
    )  # fmt: skip
