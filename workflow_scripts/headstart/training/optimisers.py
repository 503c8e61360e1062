"""Adam for the parts of a network, with the learning rate of each."""

from collections.abc import Callable, Iterable

import torch
from torch import nn

from headstart.training.settings import TrainingSettings


def adam(settings: TrainingSettings, device: torch.device) -> Callable[..., torch.optim.Optimizer]:
    """Makes an optimiser for groups of parameters, see :func:`parameter_groups`.

    In a CUDA graph the rate of each group must be on the GPU, where it can be changed.
    """
    on_gpu = device.type == "cuda"

    def make(groups: Iterable[dict]) -> torch.optim.Optimizer:
        if on_gpu:
            groups = [{"lr": torch.tensor(settings.learning_rate, device=device), **group} for group in groups]
        return torch.optim.Adam(
            groups, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True, capturable=on_gpu
        )

    return make


def parameter_groups(model: nn.Module, encoder_factor: float) -> list[dict]:
    """All parameters, or those of the encoder and the rest if their learning rates differ by a factor."""
    if encoder_factor == 1:
        return [{"params": list(model.parameters())}]
    encoder = list(model.encoder.parameters())
    own = {id(parameter) for parameter in encoder}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in own]
    return [{"params": encoder, "factor": encoder_factor}, {"params": rest}]


def set_rate(optimisers: Iterable[torch.optim.Optimizer], rate: float) -> None:
    """Set the learning rate of the next step, times the factor of each group."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            own = rate * group.get("factor", 1)
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(own)
            else:
                group["lr"] = own
