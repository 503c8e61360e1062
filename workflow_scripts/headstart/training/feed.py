"""Slices on their way into a network: resident in the device's memory, or streamed from disk batch by batch.

A training asks for batches by slice numbers and gets, on its device, images (B, I, H, W) float32 in [0, 1] and targets
(B, ...) uint8 or None. Both ways give the same values. ``pixels``: those of an image as a network sees it, on which its
layout depends (:func:`headstart.training.devices.memory_format`). ``seen``: the numbers of the slices that are the
channels of each image, (N, I); None for the slice alone, I = 1.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from headstart.job import logger
from headstart.slices.store import SCALE, SliceArray

Array = np.ndarray | SliceArray
Batch = tuple[torch.Tensor, torch.Tensor | None]

# Batches that are read ahead of the one in training, and threads that read them.
_AHEAD = 8
_READERS = 4
# Slices that are copied to a device at once.
_PIECE = 1024
_CPU_BYTES = 4e9
# Memory of a GPU that is left for a training: the paper's networks take 4 to 10 GB at batches of 32.
_TRAINING_BYTES = 12e9


class _Slices:
    """Images and targets with what is known of them; ``pixels`` and ``seen``: see the module."""

    def __init__(
        self,
        images: Array,
        targets: Array | None,
        device: torch.device,
        pixels: int | None = None,
        seen: np.ndarray | None = None,
    ) -> None:
        self.device, self.pixels = device, pixels or math.prod(images.shape[1:])
        self._images, self._targets, self._seen = images, targets, seen

    def __len__(self) -> int:
        return len(self._images if self._seen is None else self._seen)


class Resident(_Slices):
    """Slices in the device's memory."""

    def __init__(self, images: Array, targets: Array | None, device: torch.device, **known: object) -> None:
        super().__init__(images, targets, device, **known)
        self._images = to_device(images, device)
        self._targets = None if targets is None else to_device(targets, device)
        self._seen = None if self._seen is None else torch.from_numpy(self._seen).to(device)

    def batches(self, numbers: Iterable[torch.Tensor]) -> Iterator[Batch]:
        """One batch for each tensor of slice numbers, in order."""
        numbers = list(numbers)
        # One copy for all of them: each waits for the device.
        order = torch.cat([torch.empty(0, dtype=torch.int64), *numbers]).to(self.device)
        for index in order.split([len(batch) for batch in numbers]):
            shown = index if self._seen is None else self._seen[index]
            yield as_input(self._images[shown]), None if self._targets is None else self._targets[index]


class Streamed(_Slices):
    """Slices that threads read from disk, a few batches ahead, and copy to the device through pinned memory."""

    def batches(self, numbers: Iterable[torch.Tensor]) -> Iterator[Batch]:
        """One batch for each tensor of slice numbers, in order."""
        with ThreadPoolExecutor(_READERS) as reader:
            waiting = deque()
            for batch in numbers:
                waiting.append(reader.submit(self._read, batch.numpy()))
                if len(waiting) > _AHEAD:
                    yield self._copy(*waiting.popleft().result())
            while waiting:
                yield self._copy(*waiting.popleft().result())

    def _read(self, numbers: np.ndarray) -> Batch:
        targets = None if self._targets is None else self._pin(self._targets[numbers])
        images = self._images[numbers] if self._seen is None else gather(self._images, self._seen[numbers])
        return self._pin(images), targets

    def _pin(self, array: np.ndarray) -> torch.Tensor:
        # torch reuses pinned memory only after the copy from it has finished.
        found = _as_tensor(array)
        return found.pin_memory() if self.device.type == "cuda" else found

    def _copy(self, images: torch.Tensor, targets: torch.Tensor | None) -> Batch:
        copied = targets if targets is None else targets.to(self.device, non_blocking=True)
        return as_input(images.to(self.device, non_blocking=True)), copied


Feed = Resident | Streamed


def load(
    images: Array,
    targets: Array | None,
    device: torch.device,
    resident_gb: float | None,
    pixels: int | None = None,
    seen: np.ndarray | None = None,
) -> Feed:
    """Slices for a training on ``device``: resident, or streamed if they take more than ``resident_gb``.

    ``images`` (N, H, W) uint16 and ``targets`` (N, ...) uint8 or None, as :mod:`headstart.slices.store` keeps them.
    ``pixels``: of an image as a network sees it; None: those of the images. ``seen``: see the module; with several
    images of each scan, there are as many rows as targets. ``resident_gb`` None stands for a GPU's free memory but
    12 GB, which a training takes at most, or half of it if that is more; on the CPU for 4 GB, where streaming reads
    from the disk's cache at little cost. Raises ValueError if there are not as many targets as images.
    """
    inputs = images if seen is None else seen
    if targets is not None and len(inputs) != len(targets):
        raise ValueError(f"there are {len(inputs)} images, but targets for {len(targets)}")
    size = images.nbytes + (0 if targets is None else targets.nbytes)
    limit = _default_bytes(device) if resident_gb is None else resident_gb * 1e9
    if size <= limit:
        return Resident(images, targets, device, pixels=pixels, seen=seen)
    logger.info("streaming %.1f GB of slices: the limit on the %s is %.1f GB", size / 1e9, device.type, limit / 1e9)
    return Streamed(images, targets, device, pixels=pixels, seen=seen)


def load_labels(labels: Array, pixels: int, device: torch.device, resident_gb: float | None) -> Feed:
    """Label maps (N, H, W) uint8 without images, which a :class:`headstart.training.synthesis.Synthesis` makes of them.

    Its batches have images of no pixels, (B, 1, 0, 0). ``pixels``: those of an image that is made. ``device`` and
    ``resident_gb``: see :func:`load`.
    """
    return load(np.empty((len(labels), 0, 0), np.uint16), labels, device, resident_gb, pixels)


def to_device(array: Array, device: torch.device) -> torch.Tensor:
    """Slices or targets on a device, copied piece by piece; uint16 becomes int16 of the same bits for torch."""
    kept = torch.empty(array.shape, dtype=torch.int16 if array.dtype == np.uint16 else torch.uint8, device=device)
    for start in range(0, len(array), _PIECE):
        kept[start : start + _PIECE] = _as_tensor(array[start : start + _PIECE])
    return kept


def gather(images: Array, seen: np.ndarray) -> np.ndarray:
    """Slices of an array (N, H, W) by their numbers (B, I): (B, I, H, W)."""
    return images[seen.ravel()].reshape(*seen.shape, *images.shape[1:])


def as_input(images: torch.Tensor) -> torch.Tensor:
    """(B, H, W) or (B, I, H, W) int16, the bits of uint16 -> (B, 1, H, W) or (B, I, H, W) float32 in [0, 1]."""
    images = images.unsqueeze(1) if images.ndim == 3 else images
    return (images.to(torch.int32) & SCALE).to(torch.float32).div_(SCALE)


def _as_tensor(array: np.ndarray) -> torch.Tensor:
    """An array as a tensor, without a copy if it is writable; uint16 as int16 of the same bits."""
    array = np.require(array, requirements="CW")
    return torch.from_numpy(array.view(np.int16) if array.dtype == np.uint16 else array)


def _default_bytes(device: torch.device) -> float:
    """Limit of the bytes of resident slices if the study sets none."""
    if device.type != "cuda":
        return _CPU_BYTES
    free = torch.cuda.mem_get_info(device)[0]
    return max(free / 2, free - _TRAINING_BYTES)
