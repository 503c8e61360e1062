"""How a network is trained: its length, its learning rates, and how its batch norm is evaluated."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained (paper, section 4.3, which names neither optimiser nor precision).

    One of ``epochs`` and ``steps`` is None: a training lasts that many visits to every slice, or that many updates.
    ``warm_up``: fraction of the updates during which the learning rate rises linearly from 0. ``encoder_factor``: the
    encoder's learning rate is that of the rest of the network times this. ``decay_after``: fraction of the training
    after which the learning rate is multiplied by ``decay_factor``. ``norms``: the statistics
    with which batch norm evaluates, "running" averages of the training or "reestimated" with the final weights.
    ``precision``: "float32", "tf32" (on a GPU), "bfloat16" (automatic mixed precision) or "auto", see
    :func:`headstart.training.devices.choose_precision`. ``deterministic``: the same bytes each time on a GPU too, see
    :func:`headstart.training.devices.deterministic_mode`.
    """

    epochs: int | None
    steps: int | None
    batch_size: int
    learning_rate: float
    warm_up: float
    encoder_factor: float
    weight_decay: float
    decay_after: float
    decay_factor: float
    norms: str
    precision: str
    deterministic: bool

    def total_steps(self, steps_per_epoch: int) -> int:
        """Number of updates of a training whose epochs have this many."""
        return self.steps or self.epochs * steps_per_epoch

    def rate(self, step: int, steps_per_epoch: int) -> float:
        """Learning rate of an update, counted from 0. In a training of whole epochs it decays between two of them."""
        total = self.total_steps(steps_per_epoch)
        in_epochs = math.ceil(self.decay_after * (self.epochs or 0)) * steps_per_epoch
        decay = self.decay_after * total if self.steps else in_epochs
        rising = min(1, (step + 1) / (self.warm_up * total)) if self.warm_up else 1
        return self.learning_rate * rising * (self.decay_factor if step >= decay else 1)
