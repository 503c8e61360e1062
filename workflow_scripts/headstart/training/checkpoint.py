"""The state of a training, kept on disk while it runs, so that a killed job resumes and ends in the same bytes.

Snakemake deletes the declared outputs of a failed job. The state is therefore a file that no rule declares, and the
job removes it when it succeeds.
"""

import hashlib
import io
import os
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch

from headstart.job import atomic, logger
from headstart.training.devices import choose_device, kind_of_device

_MAGIC = b"headstart training state 1\n"
_DIGEST = hashlib.sha256().digest_size


class Checkpoint:
    """Keeps the state of one training in ``path``, at most once every ``minutes`` (0: after every step).

    ``identity``: a hash of all that the training depends on (data, settings, seed, code), see :func:`of_training`. The
    state of a training with another identity is not used. A state is copied at once and written by a thread, while the
    training goes on; :meth:`close` waits for it.
    """

    def __init__(self, path: str | os.PathLike, identity: str, minutes: float) -> None:
        self.path = Path(path)
        self._identity = identity
        self._seconds = 60 * minutes
        self._last = time.monotonic()
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future | None = None

    def due(self) -> bool:
        """Whether enough time has passed to write the state again."""
        return time.monotonic() - self._last >= self._seconds

    def write(self, state: Mapping) -> None:
        """Write a state: tensors, numbers and text in mappings and lists. It replaces the previous one atomically.

        Tensors of a GPU are copied on the current stream. Raises what went wrong with the previous state.
        """
        self.close()
        self._writing = self._thread.submit(self._save, _copied(state))
        self._last = time.monotonic()

    def close(self) -> None:
        """Wait until the last state is on the disk; raises :class:`headstart.job.UserError` if the disk is full."""
        writing, self._writing = self._writing, None
        if writing:
            writing.result()

    def _save(self, state: Mapping) -> None:
        buffer = io.BytesIO()
        torch.save({"identity": self._identity, "state": state}, buffer)
        content = buffer.getbuffer()
        with atomic(self.path) as partial, open(partial, "wb") as file:
            file.writelines((_MAGIC, hashlib.sha256(content).digest(), content))

    def read(self, device: torch.device) -> dict | None:
        """The state on ``device``; None, with a warning in the log, if there is no usable one."""
        self.close()
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        start = len(_MAGIC) + _DIGEST
        if content[:start] != _MAGIC + hashlib.sha256(content[start:]).digest():
            logger.warning("%s is damaged or not a training state: the training starts over", self.path)
            return None
        found = torch.load(io.BytesIO(content[start:]), map_location=device, weights_only=True)
        if found["identity"] != self._identity:
            logger.warning("%s belongs to another training: this one starts over", self.path)
            return None
        return found["state"]

    def remove(self) -> None:
        """Delete the state, once the results of the training are written."""
        self.close()
        self.path.unlink(missing_ok=True)


def of_training(state: str | os.PathLike, minutes: float, precision: str, device: str, *decides: object) -> Checkpoint:
    """The checkpoint of a training that depends on ``decides``, and on the kind of its device and its precision."""
    kind = kind_of_device(precision, choose_device(device))
    return Checkpoint(state, identity_of(*decides, kind), minutes)


def identity_of(*parts: object) -> str:
    """Hash of everything that determines the result of a training."""
    text = "\x1f".join(repr(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()


def _copied(state: object) -> object:
    """A state with copies of its tensors, on the CPU."""
    if isinstance(state, torch.Tensor):
        return state.detach().cpu() if state.is_cuda else state.detach().clone()
    if isinstance(state, Mapping):
        return {key: _copied(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(map(_copied, state))
    return state
