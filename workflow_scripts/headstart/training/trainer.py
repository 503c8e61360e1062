"""The training of one network, step by step: the same for every network and task, and the same bytes for one seed."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from headstart.job import UserError, logger
from headstart.networks.architectures import count_parameters
from headstart.seeds import seed_for
from headstart.training import distributed, optimisers, plateau
from headstart.training.augment import Augmentation
from headstart.training.checkpoint import Checkpoint
from headstart.training.cuda_graphs import Graphs, Step, between
from headstart.training.devices import autocast, choose_precision, memory_format
from headstart.training.feed import Batch, Feed
from headstart.training.settings import TrainingSettings
from headstart.training.synthesis import Synthesis
from headstart.training.tasks import Change, Task

# Slices from which the statistics of batch norm are estimated again, at most: Wu and Johnson 2021 (section 3) find no
# gain from more than 10^3 to 10^4.
_NORM_SLICES = 10_000


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
        Defines loss and score, and how slices are corrupted if it is to restore them.
    settings
        Length, batch size, learning rates, norms and precision.
    seed
        Determines the order of the slices in each epoch and all randomness of each step.
    rows
        Numbers of the slices to train on; all of them if None.
    validation
        ``validation(model)``, called in evaluation mode after each epoch; its value goes into the history.
    augment
        Changes slices, and label maps with them, each time they are seen; a synthesis makes images of label maps.
    checkpoint
        Keeps the state from which a killed training resumes, to the same bytes.

    Attributes
    ----------
    history
        One row per epoch with ``epoch`` (from 1), ``learning_rate`` (of its last step), ``loss`` (mean over slices),
        ``validation``, ``fall`` (:func:`headstart.training.plateau.fall`) and the task's own metrics. All of it
        follows from the seed; speed and remaining time go to the log only.

    Notes
    -----
    Every epoch visits every slice once, in an order drawn from the seed and the number of the epoch alone; a training
    of a given number of steps ends within its last epoch. A last batch too small for batch norm, or for the processes
    that share it, is merged with the batch before it.
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
        augment: Augmentation | Synthesis | None = None,
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
        model.to(self._device, memory_format=memory_format(self._device, settings.batch_size * slices.pixels))
        self._network = distributed.wrap_ddp(model)
        adam = optimisers.adam(settings, self._device)
        self._steps_per_epoch = len(_batches(len(self._rows), settings.batch_size, seed))
        self._total = settings.total_steps(self._steps_per_epoch)
        self._epochs = -(-self._total // self._steps_per_epoch)
        self._optimiser = adam(optimisers.parameter_groups(model, settings.encoder_factor))
        self._optimisers = [self._optimiser, *task.prepare(self._device, self._precision, adam)]
        self._loss = torch.zeros((), device=self._device, dtype=torch.float64)
        self._batches_done = 0  # of the current epoch
        self._last_good: dict[str, torch.Tensor] = {}
        # Of a training whose steps are recorded.
        self._stream = torch.cuda.Stream(self._device) if on_gpu and distributed.world_size() == 1 else None
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
        states = contextlib.closing(self._checkpoint) if self._writes_state else contextlib.nullcontext()
        # No attribute: a recording refers to its training, and Python frees such a cycle late, or while another step is
        # recorded, which a GPU does not allow.
        run_step = self._step if self._stream is None else Graphs(self._step, self._state_tensors)
        with between(self._stream, self._device), states:
            while len(self.history) < self._epochs:
                yield from self._epoch(len(self.history), run_step)
            for optimiser in () if self._stream is None else self._optimisers:
                optimiser.zero_grad()  # gradients lie in the recordings' memory
            if self._writes_state and self._epochs_before < self._epochs:
                with torch.cuda.stream(self._stream):
                    self._checkpoint.write({"history": self.history, "model": self.model.state_dict()})

    def _epoch(self, epoch: int, run_step: Step) -> Iterator[None]:
        with torch.cuda.stream(self._stream):
            self._begin_epoch()
        first = epoch * self._steps_per_epoch
        order = _batches(len(self._rows), self._settings.batch_size, seed_for(self._seed, "epoch", epoch))
        batches = [self._rows[batch] for batch in order[: self._total - first]]
        left = range(self._batches_done, len(batches))
        seeds = (seed_for(self._seed, "step", epoch, number) for number in left)
        fed = self._shards(batches[self._batches_done :], seeds, self._augment, self._task.corrupt)
        for number in left:
            with torch.cuda.stream(self._stream):
                images, targets = next(fed)
                rate = self._settings.rate(first + number, self._steps_per_epoch)
                for optimiser in self._optimisers:
                    optimiser.set_rate(rate)
                run_step(images, targets, len(batches[number]))
                self._batches_done = number + 1
                if self._writes_state and self._checkpoint.due():
                    self._checkpoint.write(self._state())  # on the stream: after this step and before the next
            yield
        with torch.cuda.stream(self._stream):
            self._end_epoch(epoch, first + len(batches) - 1, sum(map(len, batches)))

    def _begin_epoch(self) -> None:
        self.model.train()
        if not self._batches_done:
            state = self.model.state_dict()
            self._last_good = self._last_good or {name: torch.empty_like(tensor) for name, tensor in state.items()}
            for name, tensor in state.items():
                self._last_good[name].copy_(tensor)
            self._loss.zero_()

    def _shards(
        self, batches: Sequence[torch.Tensor], seeds: Iterable[int], *changes: Change | None
    ) -> Iterator[Batch]:
        """Read batches, given by the numbers of their slices, change them, and yield this process's shard of each.

        All randomness of a batch comes from its own seed, whatever ran before. Changes are drawn for the whole batch,
        so that they do not depend on the number of processes; None changes nothing.
        """
        changes = [change for change in changes if change]
        read = self._slices.batches(batches if changes else map(distributed.local_shard, batches))
        for seed, (images, targets) in zip(seeds, read, strict=True):
            torch.manual_seed(seed)
            generator = _generator(seed)
            with torch.autocast(self._device.type, enabled=False):
                for change in changes:
                    images, targets = change(images, targets, generator)
            if changes:
                images, targets = (
                    part if part is None else distributed.local_shard(part) for part in (images, targets)
                )
            yield images, targets

    def _step(self, images: torch.Tensor, targets: torch.Tensor | None, slices: int) -> None:
        """One optimiser step on this process's share of a batch; ``slices``: size of the whole batch."""
        with autocast(self._device, self._precision):
            output = self._network(images)
        loss = self._task.loss(output, images, targets)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self._task.after_step(output, images)
        self._loss.add_(loss.detach() * slices)  # stays on the device: reading it would wait for every batch

    def _end_epoch(self, epoch: int, last_step: int, slices: int) -> None:
        """Add the row of an epoch that ended with this step and saw this many slices."""
        loss = distributed.average(self._loss).item() / slices
        if not np.isfinite(loss):
            self.model.load_state_dict(self._last_good)
            raise DivergedError(
                f"training diverged in epoch {epoch + 1} (the loss is {loss}); lower learning_rate, now "
                f"{self._settings.learning_rate:g}."
            )
        if self._settings.norms == "reestimated" and (self._validation or epoch + 1 == self._epochs):
            self._reestimate_norms()
        rate = self._settings.rate(last_step, self._steps_per_epoch)
        row = {"epoch": epoch + 1, "learning_rate": rate, "loss": loss, "validation": self._validated()}
        losses = [*(earlier["loss"] for earlier in self.history), loss]
        self.history.append(row | {"fall": plateau.fall(losses)} | self._task.epoch_metrics())
        self._batches_done = 0
        elapsed = time.monotonic() - self._started
        _log_epoch(self.history[-1], self._epochs, slices, elapsed, self._epochs_before)

    def _reestimate_norms(self) -> None:
        """Replace the statistics of batch norm by means over batches of the training slices (precise batch norm).

        The running averages of a training of few steps still hold their start (mean 0, variance 1) and describe weights
        that have changed since (Wu and Johnson 2021, "Rethinking 'Batch' in BatchNorm", section 3). A task that
        corrupts its inputs is validated on corrupted slices, so that these are what the statistics describe.
        """
        order = _batches(len(self._rows), self._settings.batch_size, seed_for(self._seed, "norms"))
        batches = [self._rows[batch] for batch in order[: -(-_NORM_SLICES // self._settings.batch_size)]]
        seeds = (seed_for(self._seed, "norms", number) for number in range(len(batches)))
        made = self._augment if isinstance(self._augment, Synthesis) else None
        with autocast(self._device, self._precision):
            update_bn((images for images, _ in self._shards(batches, seeds, made, self._task.corrupt)), self.model)

    def _validated(self) -> float | None:
        if self._validation is None or distributed.rank() > 0:
            return None
        self.model.eval()
        return self._validation(self.model)

    def _state_tensors(self) -> Iterator[torch.Tensor]:
        """All tensors that a step changes."""
        yield from self.model.state_dict().values()
        yield from self._task.state().values()
        for optimiser in self._optimisers:
            yield from optimiser.state().values()
        yield self._loss

    def _state(self) -> dict:
        return {
            "history": self.history,
            "model": self.model.state_dict(),
            "batches_done": self._batches_done,
            "last_good": self._last_good,
            "optimisers": [optimiser.state() for optimiser in self._optimisers],
            "task": self._task.state(),
            "loss": self._loss,
        }

    def _restore(self, kept: Mapping) -> None:
        """Continue from the state of a training that was interrupted, or that had ended."""
        self.history = kept["history"]
        self.model.load_state_dict(kept["model"])
        logger.info("resuming after epoch %d of %d", len(self.history), self._epochs)
        if "batches_done" in kept:
            self._batches_done, self._last_good = kept["batches_done"], kept["last_good"]
            changed = [self._task.state(), *(optimiser.state() for optimiser in self._optimisers)]
            for tensors, values in zip(changed, [kept["task"], *kept["optimisers"]], strict=True):
                for name, tensor in tensors.items():
                    tensor.copy_(values[name])
            self._loss.copy_(kept["loss"])


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
