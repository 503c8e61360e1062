"""Where networks run, in which precision, and how the same seed gives the same bytes there."""

import contextlib
import os
from collections.abc import Iterator

import torch


def choose_device(device: str = "auto") -> torch.device:
    """The device meant by "auto" (a CUDA GPU if there is one, else the CPU) or by a torch device name."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def choose_precision(precision: str, device: torch.device) -> str:
    """What "auto" means on a device: "bfloat16" where that is quicker than "float32", else this.

    Of processors those with AMX, and AMD's with AVX512-BF16: Intel's without AMX multiply bfloat16 at half the rate of
    float32 (docs/training.md). The processor decides, not a measurement, so that results are the same each time.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    abilities = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch this runs with
    quick = abilities.get("avx512_bf16") and not str(abilities.get("cpu_name", "")).startswith("Intel")
    return "bfloat16" if abilities.get("amx_bf16") or quick else "float32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a network computes in ``precision``: mixed for "bfloat16", plain for all others."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


@contextlib.contextmanager
def deterministic_mode(device: torch.device, precision: str = "float32", deterministic: bool = True) -> Iterator[None]:
    """Have torch compute in one way, and put its state back afterwards, its random generators too.

    ``deterministic``: on a GPU, kernels that give the same bytes each time; one that has no such form warns instead of
    stopping the study. Else cuDNN tries its kernels and takes the quickest. On the CPU all are of the first kind.
    ``precision`` "tf32" lets a GPU round what it multiplies in float32 to 10 bits, "float32" does not.
    """
    on_gpu = device.type == "cuda"
    if on_gpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with it
    mode = torch.get_deterministic_debug_mode()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    kept = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.use_deterministic_algorithms(deterministic or not on_gpu, warn_only=on_gpu)
        torch.utils.deterministic.fill_uninitialized_memory = False  # a debugging aid that costs bandwidth
        matmul.allow_tf32 = cudnn.allow_tf32 = precision == "tf32"
        cudnn.benchmark = on_gpu and not deterministic
        try:
            yield
        finally:
            torch.set_deterministic_debug_mode(mode)
            torch.utils.deterministic.fill_uninitialized_memory = fill
            matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = kept
