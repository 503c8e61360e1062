"""One training in several processes, a GPU each: every batch is shared out, and the mathematics is that of one process.

Losses are means over the whole batch, batch norm sees the whole batch, and gradients are averaged by torch's
DistributedDataParallel. In a process on its own, everything here leaves things as they are.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import distributed, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.parallel import DistributedDataParallel

from headstart.job import UserError, logger

# How a process begins to say what mistake of the user's ended it.
_MISTAKE = "headstart: "


def world_size() -> int:
    """How many processes share the training."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this process is; 0 writes, validates and speaks."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def local_shard(batch: torch.Tensor) -> torch.Tensor:
    """The part of a batch's slices that is this process's."""
    return batch[rank() :: world_size()]


def mean(total: torch.Tensor, weight: torch.Tensor | float) -> torch.Tensor:
    """``total / weight``, the weight averaged over the processes: the mean over these is the whole batch's."""
    if world_size() > 1:
        weight = torch.as_tensor(weight, dtype=torch.float32, device=total.device).detach().clone()
        distributed.all_reduce(weight)
        weight /= world_size()
    return total / weight


def average(value: torch.Tensor) -> torch.Tensor:
    """A number averaged over the processes."""
    if world_size() > 1:
        distributed.all_reduce(value)
        value /= world_size()
    return value


def wrap_ddp(model: nn.Module) -> nn.Module:
    """A network whose gradients are averaged over the processes, and whose batch norms see all of a batch."""
    if world_size() == 1:
        return model
    _synchronise(model)
    return DistributedDataParallel(model)


class SyncedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over the slices of all processes, for any device: torch's own SyncBatchNorm refuses the CPU."""

    def _check_input_dim(self, input: torch.Tensor) -> None:
        """Any number of dimensions will do."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(B, C, ...) -> the same, normalised over all but C and over the processes."""
        if not self.training:
            return super().forward(maps)
        over = [0, *range(2, maps.ndim)]
        wide = [1, -1] + [1] * (maps.ndim - 2)
        values = maps.to(self.running_mean.dtype)
        count = values.new_full((1,), values.numel() / values.shape[1])
        sums = all_reduce(torch.cat([values.sum(over), count]))
        middle = sums[:-1] / sums[-1]
        centred = values - middle.view(wide)
        variance = all_reduce(centred.square().sum(over)) / sums[-1]
        with torch.no_grad():
            self.num_batches_tracked += 1
            unbiased = variance * sums[-1] / (sums[-1] - 1)
            self.running_mean.lerp_(middle, self.momentum)
            self.running_var.lerp_(unbiased, self.momentum)
        scale = (self.weight * (variance + self.eps).rsqrt()).view(wide)
        return (centred * scale + self.bias.view(wide)).to(maps.dtype)


def _synchronise(model: nn.Module) -> None:
    """Put a norm over all processes in place of each batch norm, with its parameters and their names."""
    for name, child in model.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            kind = nn.SyncBatchNorm if child.weight.is_cuda else SyncedBatchNorm
            synced = kind(child.num_features, child.eps, child.momentum)
            for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
                setattr(synced, part, getattr(child, part))
            setattr(model, name, synced.train(child.training))
        else:
            _synchronise(child)


def launch(module: str, description: Mapping, count: int) -> None:
    """Run a module whose main part calls :func:`work` in so many processes on this machine, by torchrun.

    ``description`` goes to it as JSON. What the processes say goes to the log; if they fail, a :class:`UserError` of
    theirs is raised here, or an error with all that they said.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "description.json"
        file.write_text(json.dumps(description), encoding="utf-8")
        package = str(Path(__file__).parents[2])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])}
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        command = [*torchrun, "-m", module, str(file)]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
            said = []
            for line in running.stderr:
                said.append(line)
                logger.info("%s", line.rstrip())
    if running.returncode:
        mistakes = [line.removeprefix(_MISTAKE).strip() for line in said if line.startswith(_MISTAKE)]
        raise UserError(mistakes[0]) if mistakes else RuntimeError(f"{module} failed:\n{''.join(said)}")


def work(run: Callable[[Mapping, str], None]) -> None:
    """The main part of a module that :func:`launch` runs: ``run(description, device)`` beside the other processes."""
    on_gpu = torch.cuda.is_available()
    device = f"cuda:{os.environ['LOCAL_RANK']}" if on_gpu else "cpu"
    if on_gpu:
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    if rank() == 0:
        logging.basicConfig(format="%(message)s", level=logging.INFO)
    try:
        run(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), device)
    except UserError as error:
        sys.exit(f"{_MISTAKE}{error}" if rank() == 0 else 1)
    finally:
        distributed.destroy_process_group()
