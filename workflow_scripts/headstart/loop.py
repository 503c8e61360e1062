"""The one training loop, and inference. One seed gives one network: byte for byte on a CPU at one thread count."""

import contextlib
import copy
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from headstart.augment import Augment
from headstart.job import UserError, logger
from headstart.networks import count_parameters
from headstart.seeds import seed_for
from headstart.store import SCALE
from headstart.tasks import Task


@dataclass(frozen=True)
class Training:
    """How a network is trained (paper, section 4.3, except where the paper is silent: Adam, precision).

    ``decay_after`` is the share of the epochs after which the learning rate is multiplied by ``decay_factor``.
    ``precision`` is "float32", "bfloat16" (automatic mixed precision) or "auto": bfloat16 where the device has it.
    """

    epochs: int
    batch_size: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 2e-4
    decay_after: float = 0.5
    decay_factor: float = 0.1
    precision: str = "auto"

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 0."""
        return self.learning_rate * (self.decay_factor if epoch >= self.decay_after * self.epochs else 1)


class DivergedError(UserError):
    """The loss is no longer a number. ``encoder``, if set, is the network's after the last epoch that went well."""

    encoder: nn.Module | None = None


def train(
    model: nn.Module,
    images: np.ndarray,
    targets: np.ndarray | None,
    task: Task,
    settings: Training,
    seed: int,
    *,
    validation: Callable[[nn.Module], float] | None = None,
    augment: Augment | None = None,
    on_epoch: Callable[[dict], None] | None = None,
    device: str = "auto",
) -> list[dict]:
    """Train ``model`` in place on a task, and return one row an epoch.

    ``images`` (N, H, W) uint16 and ``targets`` (N, ...) uint8 as :mod:`headstart.store` keeps them, None where the task
    has only images; they stay integers on the device, and images are scaled to [0, 1] there, a batch at a time.

    ``augment`` changes slices, and label maps with them, anew in each epoch.

    Every epoch visits every slice once, in an order drawn from the seed and the epoch's number alone. A last batch
    of one slice joins the batch before it, because batch norm cannot normalise a single value.

    Rows hold what the seed determines: ``epoch`` (from 1), ``learning_rate``, ``loss`` (mean over slices),
    ``validation`` (``validation(model)`` in evaluation mode, or None) and the task's own numbers. Speed and time left
    go to the log only. Raises :class:`DivergedError` when the loss is no longer a number; the model then is as it was
    after the last epoch that went well.
    """
    _check(images, targets, settings)
    where = choose_device(device)
    data = _resident(images, np.int16, where), None if targets is None else _resident(targets, np.uint8, where)
    model.to(where, memory_format=torch.channels_last)
    adam = functools.partial(
        torch.optim.Adam, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    optimiser = adam(model.parameters())
    optimisers = [optimiser, *task.begin(where, adam)]
    precision = choose_precision(settings.precision, where)
    parameters = count_parameters(model)
    logger.info("training %d parameters on %d slices, %s, %s", parameters, len(images), where, precision)
    history, started = [], time.monotonic()
    with _reproducible(seed, where):
        for epoch in range(settings.epochs):
            for group in itertools.chain.from_iterable(one.param_groups for one in optimisers):
                group["lr"] = settings.rate(epoch)
            good = copy.deepcopy(model.state_dict())
            batches = _batches(len(images), settings.batch_size, seed_for(seed, "epoch", epoch))
            change = augment and functools.partial(augment, generator=_generator(seed_for(seed, "augment", epoch)))
            loss = _train_epoch(model, data, task, optimiser, batches, precision, change)
            if not np.isfinite(loss):
                model.load_state_dict(good)
                raise DivergedError(
                    f"training diverged in epoch {epoch + 1} (the loss is {loss}); lower learning_rate, now "
                    f"{settings.learning_rate:g}."
                )
            row = {"epoch": epoch + 1, "learning_rate": settings.rate(epoch), "loss": loss}
            history.append(row | {"validation": _validate(model, validation)} | task.numbers())
            _log_epoch(history[-1], settings.epochs, len(images), time.monotonic() - started)
            if on_epoch:
                on_epoch(history[-1])
    return history


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
    with torch.inference_mode(), _autocast(where, precision):
        for start in range(0, len(images), batch_size):
            chunk = _resident(images[start : start + batch_size], np.int16, where)
            parts.append(finish(model(_as_input(chunk))).cpu().numpy())
    model.train(training)
    return np.concatenate(parts)


def choose_device(device: str = "auto") -> torch.device:
    """The device meant by "auto" (a CUDA GPU if there is one, else the CPU) or by a torch device name."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def choose_precision(precision: str, device: torch.device) -> str:
    """What "auto" means on a device: "bfloat16" where it computes in that rather than emulating it, else "float32"."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    abilities = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch this runs with
    return "bfloat16" if abilities.get("amx_bf16") or abilities.get("avx512_bf16") else "float32"


def _train_epoch(
    model: nn.Module,
    data: tuple[torch.Tensor, torch.Tensor | None],
    task: Task,
    optimiser: torch.optim.Optimizer,
    batches: list[torch.Tensor],
    precision: str,
    change: Callable[..., tuple[torch.Tensor, torch.Tensor | None]] | None,
) -> float:
    """One pass over the batches; returns the loss averaged over slices."""
    resident, targets = data
    model.train()
    total = torch.zeros((), device=resident.device, dtype=torch.float64)
    for batch in batches:
        index = batch.to(resident.device)
        images, answers = _as_input(resident[index]), None if targets is None else targets[index]
        if change:
            images, answers = change(images, answers)
        with _autocast(resident.device, precision):
            output = model(images)
        loss = task.loss(output, images, answers)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        task.after_step(output, images)
        total += loss.detach() * len(batch)  # stays on the device: reading it would wait for every batch
    return total.item() / sum(map(len, batches))


def _most_likely(scores: torch.Tensor) -> torch.Tensor:
    """Class of the highest score: (B, C, H, W) -> (B, H, W) uint8."""
    return scores.argmax(dim=1).to(torch.uint8)


def _batches(slices: int, batch_size: int, seed: int) -> list[torch.Tensor]:
    """Indices of each batch, in a seeded order; a last batch of one joins the one before it."""
    order = torch.randperm(slices, generator=_generator(seed))
    batches = list(order.split(batch_size))
    if len(batches[-1]) == 1 and len(batches) > 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _resident(slices: np.ndarray, dtype: type, device: torch.device) -> torch.Tensor:
    """Slices on the device; uint16 goes as the int16 of the same bits, because torch cannot index uint16 everywhere."""
    return torch.from_numpy(np.require(slices, requirements="CW").view(dtype)).to(device)


def _as_input(images: torch.Tensor) -> torch.Tensor:
    """(B, H, W) int16 bits of uint16 -> (B, 1, H, W) float32 in [0, 1]."""
    return (images.to(torch.int32) & SCALE).to(torch.float32).div_(SCALE).unsqueeze(1)


def _autocast(device: torch.device, precision: str) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def _validate(model: nn.Module, validation: Callable[[nn.Module], float] | None) -> float | None:
    if validation is None:
        return None
    model.eval()
    return validation(model)


def _check(images: np.ndarray, targets: np.ndarray | None, settings: Training) -> None:
    if targets is not None and len(images) != len(targets):
        raise ValueError(f"there are {len(images)} images, but targets for {len(targets)}")
    if min(len(images), settings.batch_size) < 2:
        raise UserError(
            f"batch norm needs two slices a batch, but there are {len(images)} slices and batch_size is "
            f"{settings.batch_size}; raise batch_size or keep more slices."
        )


def _log_epoch(row: dict, epochs: int, slices: int, elapsed: float) -> None:
    per_epoch = elapsed / row["epoch"]
    score = "" if row["validation"] is None else f", validation {row['validation']:.3f}"
    logger.info(
        "epoch %d/%d: loss %.4f%s, %.0f images/s, %.0f s left",
        row["epoch"], epochs, row["loss"], score, slices / per_epoch, per_epoch * (epochs - row["epoch"]),
    )  # fmt: skip


@contextlib.contextmanager
def _reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's generators and ask for deterministic kernels, and put both back afterwards.

    On CUDA a kernel that has no deterministic form warns instead of stopping the study.
    """
    on_gpu = device.type == "cuda"
    if on_gpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with it
    mode = torch.get_deterministic_debug_mode()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=on_gpu)
        torch.utils.deterministic.fill_uninitialized_memory = False  # a debugging aid that costs bandwidth
        try:
            yield
        finally:
            torch.set_deterministic_debug_mode(mode)
            torch.utils.deterministic.fill_uninitialized_memory = fill
