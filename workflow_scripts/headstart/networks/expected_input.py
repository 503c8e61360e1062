"""The input for which weights from elsewhere were trained, folded into the first layer.

The networks of a study see one grey channel x in [0, 1], 0 being black. Weights from elsewhere may expect three equal
channels, other values for black and white, and the subtraction of a mean and division by a standard deviation.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from headstart.job import UserError

CHANNELS = (1, 3)


@dataclass(frozen=True)
class ExpectedInput:
    """What a file of weights expects of an image.

    ``mean``, ``std``: of each channel, one or three, in the units of ``range``. ``range``: the values of black and
    white before these are applied, as (0, 1), (0, 255) or (-1, 1). ``size``: pixels of a side of the images on which
    the weights were trained, or None; nothing is computed from it.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    range: tuple[float, float]
    size: int | None

    @classmethod
    def of(cls, entry: Mapping, key: str) -> "ExpectedInput":
        """What an entry of a configuration says: ``channels``, ``mean``, ``std``, ``range`` and ``size``.

        ``mean`` and ``std`` have a value for each channel. ``key``: that of the entry. Raises :class:`UserError`,
        naming the key, for numbers with which no image can be normalised.
        """
        channels, size = entry["channels"], entry["size"]
        if channels not in CHANNELS:
            raise UserError(f"{key}.channels is {channels!r}; give 1 (grey) or 3 (RGB).")
        if size is not None and not size >= 1:
            raise UserError(f"{key}.size is {size!r}; give the pixels of a side, or null.")
        mean, std = (_numbers(entry[name], channels, f"{key}.{name}") for name in ("mean", "std"))
        black, white = _numbers(entry["range"], 2, f"{key}.range")
        if min(std) <= 0:
            raise UserError(f"{key}.std is {list(std)}; give values above 0.")
        if black >= white:
            raise UserError(f"{key}.range is {[black, white]}; give the value of black, and then that of white.")
        return cls(mean, std, (black, white), size)


def fold(state: dict[str, torch.Tensor], expected: ExpectedInput) -> list[str]:
    """Fold the input that a trunk expects into its first convolution and batch norm, in place.

    With black b, white w and, of channel c, kernel K_c, mean m_c and deviation s_c, the first convolution of a grey x
    is the sum over c of K_c * ((b + (w - b) x - m_c) / s_c): one kernel, and a constant for each output, which is
    taken from the running mean. Computed in float64. The convolution pads x with 0, which is black, so that the result
    is that of the original for an image that goes on in black. The original, left alone, pads its normalised input with
    the grey of the mean, and draws a frame around the image: where the kernel reaches beyond the image, the first map
    differs from that, and nowhere else.

    ``state``: has ``conv1.weight`` (64, C, 7, 7), C channels as in ``expected``, and ``bn1.running_mean`` (64,).
    Returns the names of what changed.
    """
    kernels = state["conv1.weight"].double()
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (expected.mean, expected.std))
    black, white = expected.range
    folded = {
        "conv1.weight": torch.einsum("ochw,c->ohw", kernels, (white - black) / std).unsqueeze(1),
        "bn1.running_mean": state["bn1.running_mean"].double()
        - torch.einsum("ochw,c->o", kernels, (black - mean) / std),
    }
    changed = [name for name, tensor in folded.items() if not torch.equal(tensor, state[name].double())]
    state |= {name: folded[name].float() for name in changed}
    return changed


def _numbers(values: Sequence[float], count: int, key: str) -> tuple[float, ...]:
    if len(values) != count or not all(map(math.isfinite, values)):
        raise UserError(f"{key} is {list(values)!r}; give {count} finite number{'s' * (count > 1)}.")
    return tuple(map(float, values))
