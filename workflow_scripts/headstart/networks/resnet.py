"""The blocks of a ResNet (He 2016), with torchvision's names of parameters and buffers.

Shapes are (B, C, H, W), float32. The second convolution of a bottleneck has its stride, as in torchvision's.
"""

import torch
from torch import nn
from torch.nn import functional


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut: (B, inputs, H, W) -> (B, outputs, H/stride, W/stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """The block's maps."""
        out = functional.relu(self.bn1(self.conv1(maps)), inplace=True)
        out = self.bn2(self.conv2(out))
        out += self.downsample(maps)
        return functional.relu(out, inplace=True)


class Bottleneck(nn.Module):
    """A 3 x 3 convolution of a quarter of the channels between two of 1 x 1, beside a shortcut; shapes as above."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        width = outputs // 4
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """The block's maps."""
        out = functional.relu(self.bn1(self.conv1(maps)), inplace=True)
        out = functional.relu(self.bn2(self.conv2(out)), inplace=True)
        out = self.bn3(self.conv3(out))
        out += self.downsample(maps)
        return functional.relu(out, inplace=True)


_BLOCKS = {"basic": BasicBlock, "bottleneck": Bottleneck}


def layer(kind: str, inputs: int, outputs: int, count: int, stride: int) -> nn.Sequential:
    """A layer of ``count`` blocks, "basic" or "bottleneck", of which the first has the stride.

    (B, inputs, H, W) -> (B, outputs, H/stride, W/stride).
    """
    block = _BLOCKS[kind]
    return nn.Sequential(block(inputs, outputs, stride), *(block(outputs, outputs, 1) for _ in range(count - 1)))


def initialise(network: nn.Module) -> None:
    """Initialise the weights of all convolutions, in the order of the modules (He 2015, fan-out mode, for a ReLU).

    torch's own initialisation of the batch norms, weights of 1 and biases of 0, is theirs.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """The identity, or a 1 x 1 convolution with batch norm where it changes the shape."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
