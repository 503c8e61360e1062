"""Slices on their way into a network: kept on the device as whole numbers, or read from disk batch by batch.

Either way a training asks for batches by the slices' numbers and gets images (B, 1, H, W) float32 in [0, 1] and targets
(B, ...) uint8, or None, on its device; which of the two it is changes no value.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from headstart.job import logger
from headstart.slices.store import SCALE, SliceArray

Array = np.ndarray | SliceArray
Batch = tuple[torch.Tensor, torch.Tensor | None]

# Batches that a stream reads ahead of the one that is trained on.
_AHEAD = 3
# Slices that are carried to a device at once.
_PIECE = 1024
_CPU_ROOM = 4e9


class Resident:
    """Slices that lie on the device."""

    def __init__(self, images: Array, targets: Array | None, device: torch.device) -> None:
        self.device = device
        self._images = on_device(images, device)
        self._targets = None if targets is None else on_device(targets, device)

    def __len__(self) -> int:
        return len(self._images)

    def batches(self, numbers: Iterable[torch.Tensor]) -> Iterator[Batch]:
        """The batches that these numbers of slices make, in their order."""
        for batch in numbers:
            index = batch.to(self.device, non_blocking=True)
            yield as_input(self._images[index]), None if self._targets is None else self._targets[index]


class Streamed:
    """Slices that a thread reads from disk, some batches ahead, and sends to the device through pinned memory."""

    def __init__(self, images: Array, targets: Array | None, device: torch.device) -> None:
        self.device = device
        self._images, self._targets = images, targets

    def __len__(self) -> int:
        return len(self._images)

    def batches(self, numbers: Iterable[torch.Tensor]) -> Iterator[Batch]:
        """The batches that these numbers of slices make, in their order."""
        with ThreadPoolExecutor(1) as reader:
            waiting = deque()
            for batch in numbers:
                waiting.append(reader.submit(self._read, batch.numpy()))
                if len(waiting) > _AHEAD:
                    yield self._sent(*waiting.popleft().result())
            while waiting:
                yield self._sent(*waiting.popleft().result())

    def _read(self, numbers: np.ndarray) -> Batch:
        targets = None if self._targets is None else self._pinned(self._targets[numbers])
        return self._pinned(self._images[numbers]), targets

    def _pinned(self, array: np.ndarray) -> torch.Tensor:
        # torch keeps pinned memory until what was sent from it has arrived, and then hands it out anew
        found = _as_tensor(array)
        return found.pin_memory() if self.device.type == "cuda" else found

    def _sent(self, images: torch.Tensor, targets: torch.Tensor | None) -> Batch:
        there = targets if targets is None else targets.to(self.device, non_blocking=True)
        return as_input(images.to(self.device, non_blocking=True)), there


Feed = Resident | Streamed


def load(images: Array, targets: Array | None, device: torch.device, resident_gb: float | None = None) -> Feed:
    """Slices for a training on ``device``: resident, unless they are more than ``resident_gb``.

    ``images`` (N, H, W) uint16 and ``targets`` (N, ...) uint8 or None, as :mod:`headstart.slices.store` keeps them. None takes
    half of the memory that a GPU has free; on the CPU 4 GB, since from there the disk's cache is as near.
    """
    if targets is not None and len(images) != len(targets):
        raise ValueError(f"there are {len(images)} images, but targets for {len(targets)}")
    size = images.nbytes + (0 if targets is None else targets.nbytes)
    room = _room(device) if resident_gb is None else resident_gb * 1e9
    if size <= room:
        return Resident(images, targets, device)
    logger.info("%.1f GB of slices are streamed: %.1f GB may lie on the %s", size / 1e9, room / 1e9, device.type)
    return Streamed(images, targets, device)


def on_device(array: Array, device: torch.device) -> torch.Tensor:
    """Slices or targets on a device, carried there piece by piece; uint16 as int16 of the same bits, as torch needs."""
    kept = torch.empty(array.shape, dtype=torch.int16 if array.dtype == np.uint16 else torch.uint8, device=device)
    for start in range(0, len(array), _PIECE):
        kept[start : start + _PIECE] = _as_tensor(array[start : start + _PIECE])
    return kept


def as_input(images: torch.Tensor) -> torch.Tensor:
    """(B, H, W) int16, the bits of uint16 -> (B, 1, H, W) float32 in [0, 1]."""
    return (images.to(torch.int32) & SCALE).to(torch.float32).div_(SCALE).unsqueeze(1)


def _as_tensor(array: np.ndarray) -> torch.Tensor:
    """An array without a copy, if it may be written to; uint16 as int16 of the same bits."""
    array = np.require(array, requirements="CW")
    return torch.from_numpy(array.view(np.int16) if array.dtype == np.uint16 else array)


def _room(device: torch.device) -> float:
    """Bytes of slices that may lie on a device, if nothing else is asked for."""
    return torch.cuda.mem_get_info(device)[0] / 2 if device.type == "cuda" else _CPU_ROOM
