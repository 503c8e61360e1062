"""Encoders: a ResNet with the maps of its stages, and the paper's encoder to a small latent map (section 3.3.1).

Every trunk has ``channels`` and ``maps``, which is all that a decoder asks of it; those of other libraries are in
:mod:`headstart.networks.backbones`. Shapes are (B, C, H, W), float32; H and W are multiples of 32, or of 16 for a trunk
of three layers. Slices (B, I, H, W) have one channel, or one for each of their neighbours too.
"""

import torch
from torch import nn
from torch.nn import functional

from headstart.networks import resnet
from headstart.networks.expected_input import Stem

# Type of block, blocks per stage (He 2016, table 1) and channels of the last stage.
RESNETS = {
    "resnet18": ("basic", [2, 2, 2, 2], 512),
    "resnet34": ("basic", [3, 4, 6, 3], 512),
    "resnet50": ("bottleneck", [3, 4, 6, 3], 2048),
    "resnet101": ("bottleneck", [3, 4, 23, 3], 2048),
}
LAYERS = 4
STEM = Stem(kernel="conv1.weight", bias=None, running_mean="bn1.running_mean")


def stage_channels(name: str, layers: int = LAYERS) -> tuple[int, ...]:
    """Channels of the maps of a ResNet's stem and first ``layers`` layers, stem first."""
    return (64, *(RESNETS[name][2] // part for part in (8, 4, 2, 1)))[: layers + 1]


class Trunk(nn.Module):
    """A ResNet without its fully connected layer, for I = ``inputs`` channels; parameters are named as in torchvision.

    At 256 x 256: image (B, I, 256, 256), stem (B, 64, 128, 128), pool and layer1 (B, 64*e, 64, 64), layer2
    (B, 128*e, 32, 32), layer3 (B, 256*e, 16, 16), layer4 (B, 512*e, 8, 8), where e is 4 for resnet50 and resnet101, 1
    for resnet18 and resnet34. ``layers``: how many of these layers it has, the first ones. ``channels``: those of stem
    and layers, stem first.
    """

    def __init__(self, name: str, inputs: int = 1, layers: int = LAYERS) -> None:
        super().__init__()
        kind, counts, _ = RESNETS[name]
        self.channels = stage_channels(name, layers)
        self.conv1 = nn.Conv2d(inputs, self.channels[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(self.channels[0])
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        steps = zip(self.channels[:-1], self.channels[1:], counts, (1, 2, 2, 2), strict=False)
        for number, step in enumerate(steps, start=1):
            setattr(self, f"layer{number}", resnet.layer(kind, *step))
        resnet.initialise(self)

    def maps(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The maps of stem and layers: (B, I, H, W) -> (B, C, H/2, W/2) to (B, C, H/32, W/32) with four layers."""
        stride = 2 ** len(self.channels)
        if images.shape[-2] % stride or images.shape[-1] % stride:
            raise ValueError(f"slices of {tuple(images.shape[-2:])} are not multiples of {stride}: pad them")
        found = [functional.relu(self.bn1(self.conv1(images)), inplace=True)]
        current = self.maxpool(found[0])
        for number in range(1, len(self.channels)):
            current = getattr(self, f"layer{number}")(current)
            found.append(current)
        return found

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The images and their :meth:`maps`: what a decoder with skip connections takes, largest first."""
        return [images, *self.maps(images)]


class Encoder(Trunk):
    """A trunk with a transposed convolution in place of its fully connected layer (paper, section 3.3.1).

    The names of the transposed convolution's parameters begin with ``compress``; the others are those of a torchvision
    ResNet. As in Taskonomy's encoder, batch norm and ReLU follow: (B, latent_channels, 16, 16) at 256 x 256.
    """

    def __init__(self, name: str, latent_channels: int, inputs: int = 1) -> None:
        super().__init__(name, inputs)
        self.compress = nn.Sequential(
            nn.ConvTranspose2d(
                self.channels[-1], latent_channels, 3, stride=2, padding=1, output_padding=1, bias=False
            ),
            nn.BatchNorm2d(latent_channels),
            nn.ReLU(),
        )

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """The trunk's last map: (B, I, H, W) -> (B, 2048 or 512, H/32, W/32)."""
        return self.maps(images)[-1]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The latent map: (B, I, H, W) -> (B, latent_channels, H/16, W/16)."""
        return self.compress(self.forward_features(images))
