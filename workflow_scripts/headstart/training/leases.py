"""The GPUs of a machine, each for one job at a time: jobs that run beside each other spread over them.

Snakemake counts GPUs (``--resources gpu=4``) but does not say which one a job is to use. A job therefore holds a lock
on a file for each GPU that it uses; the system releases it when the process ends, however it ends.
"""

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import torch

from headstart.job import UserError, logger

# This process's GPUs until it ends, by their numbers: the file descriptor of its lock, None for one that it shares.
_held: dict[int, int | None] = {}


def lease(count: int) -> list[int]:
    """Numbers of ``count`` visible GPUs that no other job holds, the same ones at each call.

    If fewer are free, GPUs are shared with other jobs, which the log says. Raises :class:`UserError` if there are not
    as many GPUs.
    """
    numbers = range(torch.cuda.device_count())
    if count > len(numbers):
        raise UserError(f"pretrain.gpus is {count}, but the job sees {len(numbers)} GPUs; lower it, or ask for more.")
    for number in numbers:
        if len(_held) >= count:
            break
        if number not in _held and (lock := _lock(number)) is not None:
            _held[number] = lock
    if len(_held) < count:
        logger.info("other jobs use this machine's GPUs too; snakemake --resources gpu=%d limits them", len(numbers))
        shared = [number for number in numbers if number not in _held]
        _held.update(dict.fromkeys(shared[: count - len(_held)]))
    return list(_held)[:count]


def identifiers(numbers: list[int]) -> str:
    """What CUDA_VISIBLE_DEVICES has to be for a process that is to see these GPUs alone."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(number) for number in range(torch.cuda.device_count())]
    return ",".join(names[number].strip() for number in numbers)


def _lock(number: int) -> int | None:
    """A lock on a GPU, which the whole machine knows by its UUID; None if another process holds it."""
    path = Path(tempfile.gettempdir()) / f"headstart-gpu-{torch.cuda.get_device_properties(number).uuid}.lock"
    with suppress(FileExistsError):  # another user's file can be locked, but not opened for writing
        made = os.open(path, os.O_CREAT | os.O_EXCL, 0o644)
        os.fchmod(made, 0o644)  # whatever the user's umask: others must open it
        os.close(made)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
