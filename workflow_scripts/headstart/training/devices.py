"""Device, precision, and the settings under which the same seed gives the same bytes."""

import contextlib
import os
from collections.abc import Iterator

import torch

from headstart.job import UserError
from headstart.training import leases

# What stands in CUDA_VISIBLE_DEVICES where no GPU is wanted; each of Nvidia's drivers has this file.
_NO_GPU = ("", "-1", "NoDevFiles")
_DRIVER = "/dev/nvidiactl"
# Pixels of a batch up to which a processor takes contiguous tensors (benchmarks/layout.tsv).
_SMALL_BATCH = 2**14
# What torch says of an operation without deterministic kernel.
_NOT_DETERMINISTIC = "does not have a deterministic implementation"


def choose_device(device: str = "auto") -> torch.device:
    """The device for "auto" (a CUDA GPU if there is one, else the CPU) or for the name of a torch device.

    Of several GPUs it is one that no other job uses, see :func:`headstart.training.leases.lease`. Raises
    :class:`UserError` if CUDA_VISIBLE_DEVICES (numbers or UUIDs) names no GPU of a machine that has some: a long
    training must not move to the CPU unnoticed.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        if device == "cpu" and visible not in _NO_GPU and os.path.exists(_DRIVER):
            raise UserError(
                f"CUDA_VISIBLE_DEVICES is {visible!r}, and torch finds no such GPU here; correct it (nvidia-smi -L "
                "lists the GPUs), or set it to an empty value to train on the processor."
            )
        if device == "cuda":
            (number,) = leases.lease(1)
            torch.cuda.set_device(number)
            return torch.device("cuda", number)
    return torch.device(device)


def choose_precision(precision: str, device: torch.device) -> str:
    """The precision for "auto" on a device: "bfloat16" where it is faster than "float32", else "float32".

    Among processors, bfloat16 is faster on those with AMX and on AMD's with AVX512-BF16. Intel's without AMX multiply
    bfloat16 at half the rate of float32 (docs/training.md). The type of processor decides and not a measurement, so
    that results are the same each time.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    abilities = getattr(torch.cpu, "get_capabilities", dict)()  # absent from older versions of torch
    fast = abilities.get("avx512_bf16") and not str(abilities.get("cpu_name", "")).startswith("Intel")
    return "bfloat16" if abilities.get("amx_bf16") or fast else "float32"


def send(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """What was drawn or computed on the CPU, on the device, without waiting for what the device still has to do.

    A copy from ordinary memory would wait for all that was queued before it, and a GPU would then stand still while the
    next step is prepared.
    """
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


def kind_of_device(precision: str, device: torch.device) -> tuple[str, str]:
    """Kind of device, and the precision that is chosen for it: a training goes on only where these are the same."""
    return device.type, choose_precision(precision, device)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a network computes: automatic mixed precision for "bfloat16", float32 for all others."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def memory_format(device: torch.device, pixels: int) -> torch.memory_format:
    """The layout of a network that is trained on batches of so many pixels.

    A processor convolves channels last faster, but copies all weights in each step: gradients of weights and the
    optimiser are contiguous there. For small batches and a ResNet with its last layer, three quarters of its weights,
    the copies cost more: contiguous is a fifth to a third faster. Without that layer the two differ by about 5 % at
    most. The numbers decide and not a measurement, so that results are the same each time.
    """
    return torch.contiguous_format if device.type == "cpu" and pixels <= _SMALL_BATCH else torch.channels_last


@contextlib.contextmanager
def deterministic_mode(device: torch.device, precision: str, deterministic: bool) -> Iterator[None]:
    """Set how torch computes, and restore its settings and random generators afterwards.

    ``deterministic``: on a GPU, use kernels that give the same bytes each time; if False, cuDNN tries its kernels and
    takes the fastest. On the CPU all kernels are deterministic. ``precision``: "tf32" lets a GPU round the factors of
    float32 products to 10 bits; no other value does.

    Raises :class:`UserError` for an operation that has no deterministic kernel.
    """
    on_gpu = device.type == "cuda"
    if on_gpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # required for a deterministic cuBLAS
    mode = torch.get_deterministic_debug_mode()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    kept = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        # Not use_deterministic_algorithms, which imports torch's compiler: a second for each job.
        torch.set_deterministic_debug_mode("error" if deterministic or not on_gpu else "default")
        torch.utils.deterministic.fill_uninitialized_memory = False  # a debugging aid that costs bandwidth
        matmul.allow_tf32 = cudnn.allow_tf32 = precision == "tf32"
        cudnn.benchmark = on_gpu and not deterministic
        try:
            yield
        except RuntimeError as error:
            if _NOT_DETERMINISTIC not in str(error):
                raise
            operation = str(error).split(_NOT_DETERMINISTIC)[0].strip()
            raise UserError(
                f"{operation} gives other bytes each time on this device; set training.deterministic to false, or "
                "train on a processor."
            ) from error
        finally:
            torch.set_deterministic_debug_mode(mode)
            torch.utils.deterministic.fill_uninitialized_memory = fill
            matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = kept
