"""One training in several processes, one per GPU; the result is that of a single process up to rounding.

Each batch is divided among the processes. Losses are means over the whole batch, batch norm uses the statistics of the
whole batch, and torch's DistributedDataParallel averages the gradients. In a single process these functions change
nothing.
"""

import gc
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
from headstart.training import leases

# Prefix by which a worker process marks the message of a UserError on standard error.
_USER_ERROR = "headstart: "
# Modules of timm's batch norm with activation, in the order in which they follow it.
_AFTER_NORM = ["drop", "act"]


def world_size() -> int:
    """Number of processes that share the training."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0; process 0 writes, validates and logs."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def local_shard(batch: torch.Tensor) -> torch.Tensor:
    """The slices of a batch that belong to this process."""
    return batch[rank() :: world_size()]


def mean(total: torch.Tensor, weight: torch.Tensor | float) -> torch.Tensor:
    """``total / weight`` with the weight averaged over processes: the mean of the results is that of the batch."""
    if world_size() > 1:
        weight = torch.as_tensor(weight, dtype=torch.float32, device=total.device).detach().clone()
        distributed.all_reduce(weight)
        weight /= world_size()
    return total / weight


def average(value: torch.Tensor) -> torch.Tensor:
    """A scalar averaged over the processes."""
    if world_size() > 1:
        distributed.all_reduce(value)
        value /= world_size()
    return value


def wrap_ddp(model: nn.Module) -> nn.Module:
    """The network with gradients averaged over the processes and batch norm over the whole batch."""
    if world_size() == 1:
        return model
    _synchronise(model)
    return DistributedDataParallel(model)


class SyncedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over the slices of all processes, on any device (torch's SyncBatchNorm does not run on the CPU)."""

    def _check_input_dim(self, input: torch.Tensor) -> None:
        """Any number of dimensions is accepted."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(B, C, ...) -> the same shape, normalised over all axes but C and over the processes."""
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
            momentum = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
            self.running_mean.lerp_(middle, momentum)
            self.running_var.lerp_(unbiased, momentum)
        scale = (self.weight * (variance + self.eps).rsqrt()).view(wide)
        return (centred * scale + self.bias.view(wide)).to(maps.dtype)


def _synchronise(model: nn.Module) -> None:
    """Replace each batch norm by one over all processes, keeping its parameters and their names."""
    for name, child in model.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            setattr(model, name, _synchronised(child))
        else:
            _synchronise(child)


def _synchronised(norm: nn.modules.batchnorm._BatchNorm) -> nn.Module:
    """A batch norm over all processes with the parameters of ``norm``, and with the modules that follow it.

    timm's batch norm with activation (``BatchNormAct2d``) ends in its own modules ``drop`` and ``act``. Raises
    :class:`UserError` for any other that does more than torch's, or has no parameters or statistics.
    """
    after = [name for name, _ in norm.named_children()]
    plain = type(norm).forward is nn.modules.batchnorm._BatchNorm.forward and not after
    if not (plain or after == _AFTER_NORM) or norm.weight is None or norm.running_mean is None:
        raise UserError(
            f"pretrain.gpus: the network has a batch norm ({type(norm).__name__}) that several processes cannot share; "
            "set pretrain.gpus to 1."
        )
    kind = nn.SyncBatchNorm if norm.weight.is_cuda else SyncedBatchNorm
    synced = kind(norm.num_features, norm.eps, norm.momentum)
    for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked", *after):
        setattr(synced, part, getattr(norm, part))
    if after:
        synced.register_forward_hook(lambda own, _, normalised: own.act(own.drop(normalised)))
    return synced.train(norm.training)


def launch(module: str, description: Mapping, count: int) -> None:
    """Run a module in ``count`` processes on this machine with torchrun; its main block calls :func:`work`.

    ``description`` is passed as JSON. The standard error of the processes goes to the log. If they fail, their
    :class:`UserError` is raised here, or else a RuntimeError with their whole output.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "description.json"
        file.write_text(json.dumps(description), encoding="utf-8")
        package = str(Path(__file__).parents[2])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])}
        if torch.cuda.is_available():
            environment["CUDA_VISIBLE_DEVICES"] = leases.identifiers(leases.lease(count))
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        command = [*torchrun, "-m", module, str(file)]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
            lines = []
            for line in running.stderr:
                lines.append(line)
                logger.info("%s", line.rstrip())
    if running.returncode:
        errors = [line.removeprefix(_USER_ERROR).strip() for line in lines if line.startswith(_USER_ERROR)]
        raise UserError(errors[0]) if errors else RuntimeError(f"{module} failed:\n{''.join(lines)}")


def work(run: Callable[[Mapping, str], None]) -> None:
    """The main block of a module that :func:`launch` runs: calls ``run(description, device)`` in each process."""
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
        sys.exit(f"{_USER_ERROR}{error}" if rank() == 0 else 1)
    finally:
        distributed.destroy_process_group()
        # The threads of the group end with its last reference, which cycles of the wrapped network still hold. Left to
        # the end of the interpreter, such a thread sometimes aborts the process ("terminate called without ...").
        gc.collect()
