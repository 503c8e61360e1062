"""The input for which weights from elsewhere were trained, folded into the first layer.

The networks of a study see one grey channel x in [0, 1], 0 being black. Weights from elsewhere may expect three equal
channels, and the subtraction of a mean and division by a standard deviation.
"""

from dataclasses import dataclass

import torch

CHANNELS = (1, 3)


@dataclass(frozen=True)
class ExpectedInput:
    """What a file of weights expects of an image: (x - ``mean``) / ``std`` in each of its channels, one or three.

    Both are in the units of x, of [0, 1]: 0.5 and 0.5 for weights that expect an image of [-1, 1]; for weights that
    expect [0, 255], their own mean and standard deviation divided by 255.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


def fold(state: dict[str, torch.Tensor], expected: ExpectedInput) -> list[str]:
    """Fold the input that a trunk expects into its first convolution and batch norm, in place.

    With kernel K_c, mean m_c and standard deviation s_c of channel c, the first convolution of a grey x is the sum over
    c of K_c * ((x - m_c) / s_c): one kernel, and a constant for each output, which is added to the running mean.
    Computed in float64.

    Exact wherever the kernel lies within the image. Beyond the border, the encoder pads x with 0, black; the original
    pads its normalised channels with 0, the mean, which draws a grey frame around the image. There the encoder gives
    what the original gives for an image that goes on in black. No grey value of the padding would repeat the frame, for
    the means of the channels differ; and encoders are to load into a plain ResNet, which pads with 0.

    ``state``: has ``conv1.weight`` (64, C, 7, 7), C channels as in ``expected``, and ``bn1.running_mean`` (64,).
    Returns the names of what changed.
    """
    kernels = state["conv1.weight"].double()
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (expected.mean, expected.std))
    folded = {
        "conv1.weight": torch.einsum("ochw,c->ohw", kernels, 1 / std).unsqueeze(1),
        "bn1.running_mean": state["bn1.running_mean"].double() + torch.einsum("ochw,c->o", kernels, mean / std),
    }
    changed = [name for name, tensor in folded.items() if not torch.equal(tensor, state[name].double())]
    state |= {name: folded[name].float() for name in changed}
    return changed
