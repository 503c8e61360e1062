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


@dataclass(frozen=True)
class Stem:
    """The names of a trunk's tensors into which the input that it expects is folded.

    ``kernel``: of its first convolution. What is to be subtracted from the output of that one is subtracted from its
    ``bias``, or added to the ``running_mean`` of the batch norm that follows; None for what it lacks.
    """

    kernel: str
    bias: str | None
    running_mean: str | None


def fold(state: dict[str, torch.Tensor], expected: ExpectedInput, stem: Stem) -> list[str]:
    """Fold the input that a trunk expects into its first convolution, and into its bias or batch norm, in place.

    With kernel K_c, mean m_c and standard deviation s_c of channel c, the first convolution of a grey x is the sum over
    c of K_c * ((x - m_c) / s_c): one kernel, and a constant for each output. Computed in float64.

    Exact wherever the kernel lies within the image. Beyond the border, the encoder pads x with 0, black; the original
    pads its normalised channels with 0, the mean, which draws a grey frame around the image. There the encoder gives
    what the original gives for an image that goes on in black. No grey value of the padding would repeat the frame, for
    the means of the channels differ; and encoders are to load into a plain ResNet, which pads with 0.

    ``state``: has the tensors of the stem, the kernel (O, C, h, w) with C channels as in ``expected``. Returns the
    names of what changed.
    """
    kernels = state[stem.kernel].double()
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (expected.mean, expected.std))
    folded = {stem.kernel: torch.einsum("ochw,c->ohw", kernels, 1 / std).unsqueeze(1)}
    constant = torch.einsum("ochw,c->o", kernels, mean / std)
    if stem.bias:
        folded[stem.bias] = state[stem.bias].double() - constant
    else:
        folded[stem.running_mean] = state[stem.running_mean].double() + constant
    changed = [name for name, tensor in folded.items() if not torch.equal(tensor, state[name].double())]
    state |= {name: folded[name].float() for name in changed}
    return changed
