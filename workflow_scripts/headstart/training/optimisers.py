"""Adam for the parts of a network, with the learning rate of each."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import nn
from torch.optim.adam import adam as fused_adam

from headstart.training.settings import TrainingSettings

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Adam (Kingma and Ba 2015), by torch's fused kernel.

    Its steps are those of ``torch.optim.Adam`` with ``fused=True``, byte for byte. That class imports torch's compiler,
    which takes a second in each job; the function that it calls does not.

    Parameters
    ----------
    groups
        Each with ``params``, on their device, and optionally ``factor``, by which its learning rate is multiplied.
    weight_decay
        The L2 penalty; its gradient is added to that of the loss.
    in_graph
        Whether steps are recorded in a CUDA graph: the rates are then on the GPU, where they can be changed.

    Attributes
    ----------
    rates
        The learning rate of each group in the next step.
    """

    def __init__(self, groups: Iterable[Mapping], weight_decay: float, *, in_graph: bool) -> None:
        self._groups = [(list(group["params"]), group.get("factor", 1)) for group in groups]
        self._weight_decay, self._in_graph = weight_decay, in_graph
        self.rates: list[float | torch.Tensor] = [
            torch.zeros((), device=parameters[0].device) if in_graph else 0.0 for parameters, _ in self._groups
        ]
        # Of each parameter: the averages of its gradient and of its square, and the number of steps.
        self._moments = {
            parameter: (
                torch.zeros_like(parameter),
                torch.zeros_like(parameter),
                torch.zeros((), device=parameter.device),
            )
            for parameters, _ in self._groups
            for parameter in parameters
        }

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next step."""
        for number, (_, factor) in enumerate(self._groups):
            if self._in_graph:
                self.rates[number].fill_(rate * factor)
            else:
                self.rates[number] = rate * factor

    def zero_grad(self) -> None:
        """Remove the gradients of all parameters."""
        for parameter in self._moments:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Change all parameters that have a gradient."""
        for (parameters, _), rate in zip(self._groups, self.rates, strict=True):
            moved = [parameter for parameter in parameters if parameter.grad is not None]
            averages, squares, steps = zip(*(self._moments[parameter] for parameter in moved), strict=True)
            fused_adam(
                moved,
                [parameter.grad for parameter in moved],
                list(averages),
                list(squares),
                [],
                list(steps),
                fused=True,
                capturable=self._in_graph,
                amsgrad=False,
                maximize=False,
                beta1=_BETA1,
                beta2=_BETA2,
                eps=_EPSILON,
                lr=rate,
                weight_decay=self._weight_decay,
            )

    def state(self) -> dict[str, torch.Tensor]:
        """The tensors that steps change in place, parameters apart: what a checkpoint must contain."""
        return {
            f"{number}.{name}": tensor
            for number, moments in enumerate(self._moments.values())
            for name, tensor in zip(("average", "square", "steps"), moments, strict=True)
        }


# Makes an optimiser of groups of parameters.
MakeAdam = Callable[[Sequence[Mapping]], Adam]


def adam(settings: TrainingSettings, device: torch.device) -> MakeAdam:
    """Makes optimisers for a training on this device, see :func:`parameter_groups`."""
    return lambda groups: Adam(groups, settings.weight_decay, in_graph=device.type == "cuda")


def parameter_groups(model: nn.Module, encoder_factor: float) -> list[dict]:
    """All parameters, or those of the encoder and the rest if their learning rates differ by a factor."""
    if encoder_factor == 1:
        return [{"params": list(model.parameters())}]
    encoder = list(model.encoder.parameters())
    own = {id(parameter) for parameter in encoder}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in own]
    return [{"params": encoder, "factor": encoder_factor}, {"params": rest}]
