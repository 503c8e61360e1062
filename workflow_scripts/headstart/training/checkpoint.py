"""A training's state, kept beside its results while it runs: a job that was killed goes on from it to the same bytes.

Snakemake deletes what a failed job had declared, so the state lies in a file that no rule declares, and that the job's
success removes.
"""

import hashlib
import io
import os
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from headstart.job import atomic, logger

_MAGIC = b"headstart training state 1\n"
_DIGEST = hashlib.sha256().digest_size


class Checkpoint:
    """Keeps one training's state in ``path``, at most every so many ``minutes``.

    ``identity``: what the training is, its data, settings, seed and code in one word; the state of another training is
    left alone. 0 minutes keep it after every step.
    """

    def __init__(self, path: str | os.PathLike, identity: str, minutes: float) -> None:
        self.path = Path(path)
        self._identity = identity
        self._seconds = 60 * minutes
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to keep the state again."""
        return time.monotonic() - self._last >= self._seconds

    def write(self, state: Mapping) -> None:
        """Keep a state: tensors, numbers and text in mappings and lists. The one before is intact until this one is."""
        buffer = io.BytesIO()
        torch.save({"identity": self._identity, "state": state}, buffer)
        content = buffer.getbuffer()
        with atomic(self.path) as partial, open(partial, "wb") as file:
            file.writelines((_MAGIC, hashlib.sha256(content).digest(), content))
        self._last = time.monotonic()

    def read(self, device: torch.device) -> dict | None:
        """The state that was kept, on ``device``; None, and a line in the log, if there is none that can be used."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        start = len(_MAGIC) + _DIGEST
        if content[:start] != _MAGIC + hashlib.sha256(content[start:]).digest():
            logger.warning("%s is damaged, or no state of a training: the training starts over", self.path)
            return None
        found = torch.load(io.BytesIO(content[start:]), map_location=device, weights_only=True)
        if found["identity"] != self._identity:
            logger.warning("%s is the state of another training: this one starts over", self.path)
            return None
        return found["state"]

    def remove(self) -> None:
        """Forget the state; the training's results are written."""
        self.path.unlink(missing_ok=True)


def identity_of(*what: object) -> str:
    """One word for all that decides what a training computes."""
    words = "\x1f".join(repr(word) for word in what)
    return hashlib.sha256(words.encode()).hexdigest()
