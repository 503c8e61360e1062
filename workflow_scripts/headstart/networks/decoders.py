"""The parts that follow an encoder: decoders to image size, a discriminator, and classification heads.

Those of the paper (section 3.3) take its encoder's latent map; the U-Net's take the maps of a trunk
(:mod:`headstart.networks.trunks`). Shapes are (B, C, H, W), float32. Convolutions before batch norm have no bias, which
the norm would cancel.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn

LEAK = 0.2
# Channels, kernel and stride of the discriminator's layers; the last one is its answer. The paper gives no channels.
DISCRIMINATOR_LAYERS = ((64, 5, 1), (64, 5, 4), (128, 5, 4), (256, 4, 1), (1, 4, 1))
# Width of the hidden layer of the classification head.
HIDDEN = 2048
# "up" doubles the size of the map (transposed convolution, stride 2), "same" keeps it (convolution, stride 1).
DECODER_LAYERS = ("same", "same", "up", "same", "up", "same", "up", "same", "up", "same")


class Decoder(nn.Module):
    """Ten 3 x 3 layers from the latent map to class scores (paper, section 3.3.2).

    Two convolutions, then four times a transposed convolution of stride 2 and a convolution; leaky ReLU 0.2 after
    every layer but the last, with batch norm before it as in Taskonomy's decoder, unless ``normalisation`` is "none".
    ``widths``: channels of the first nine layers, which the paper does not give. With those of config.yaml, from a
    latent map (B, 4, 16, 16):

    256x16x16, 128x16x16, 64x32x32, 64x32x32, 32x64x64, 32x64x64, 16x128x128, 16x128x128, 16x256x256, Cx256x256.
    """

    def __init__(self, classes: int, latent_channels: int, widths: Sequence[int], normalisation: str) -> None:
        super().__init__()
        if len(widths) != len(DECODER_LAYERS) - 1:
            raise ValueError(f"the decoder takes {len(DECODER_LAYERS) - 1} widths, not {len(widths)}")
        if normalisation not in ("batch", "none"):
            raise ValueError(f"normalisation is 'batch' or 'none', not {normalisation!r}")
        channels = [latent_channels, *widths, classes]
        normalised = [normalisation == "batch"] * len(widths) + [False]
        steps = zip(DECODER_LAYERS, channels, channels[1:], normalised, strict=False)
        layers = [_decoder_layer(*step) for step in steps]
        layers[-1] = layers[-1][0]
        self.layers = nn.Sequential(*layers)

    @property
    def layer_names(self) -> list[str]:
        """The modules that are transferred whole or not at all, in their order; the last one scores the classes."""
        return [f"layers.{number}" for number in range(len(self.layers))]

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Class scores before the softmax: (B, latent_channels, H/16, W/16) -> (B, C, H, W)."""
        return self.layers(latent)


class UNetDecoder(nn.Module):
    """The way up of a U-Net (Ronneberger 2015), from the maps of a trunk to class scores.

    Each step doubles the size of the map by a transposed convolution, concatenates the trunk's map of that size
    (finally the image itself), and convolves twice, with batch norm and leaky ReLU. ``channels``: those of the trunk's
    maps, largest map first; ``widths``: those on the way up, from H/16 to H. ``skips``: False leaves out the maps but
    the last, so that an auto-encoder cannot copy its image; such a network has the same layers, of which those after a
    skip connection have other shapes. ``inputs``: channels of the image.
    """

    def __init__(
        self, channels: Sequence[int], widths: Sequence[int], classes: int, *, skips: bool = True, inputs: int = 1
    ) -> None:
        super().__init__()
        self.skips = skips
        beside = [*reversed(channels[:-1]), inputs] if skips else [0] * len(widths)
        below = [channels[-1], *widths]
        self.ups = nn.ModuleList(_Up(*step) for step in zip(below, beside, widths, strict=False))
        self.scores = nn.Conv2d(widths[-1], classes, 1)

    @property
    def layer_names(self) -> list[str]:
        """The modules that are transferred whole or not at all, in their order; the last one scores the classes."""
        parts = ("upsample", "convs.conv_0", "convs.conv_1")
        return [*(f"ups.{step}.{part}" for step in range(len(self.ups)) for part in parts), "scores"]

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Class scores before the softmax: image (B, I, H, W) and maps of a trunk -> (B, C, H, W)."""
        *beside, current = maps
        for up, skip in zip(self.ups, reversed(beside), strict=True):
            current = up(current, skip if self.skips else None)
        return self.scores(current)


class _Up(nn.Module):
    """A step of the way up: (B, inputs, H, W), beside a map (B, beside, 2*H, 2*W) -> (B, outputs, 2*H, 2*W).

    The names of its tensors are those of MONAI's ``UpCat``: N for the norm, A for the activation.
    """

    def __init__(self, inputs: int, beside: int, outputs: int) -> None:
        super().__init__()
        halved = inputs // 2
        self.upsample = _named(deconv=nn.ConvTranspose2d(inputs, halved, 2, stride=2))
        self.convs = _named(conv_0=_convolution(beside + halved, outputs), conv_1=_convolution(outputs, outputs))

    def forward(self, current: torch.Tensor, skip: torch.Tensor | None) -> torch.Tensor:
        """The doubled map; None for no map beside it."""
        doubled = self.upsample(current)
        return self.convs(doubled if skip is None else torch.cat([skip, doubled], dim=1))


class Discriminator(nn.Module):
    """Distinguishes a decoder's image from a real one, patch by patch, given the decoder's input image.

    Paper, section 3.3.3, after Isola 2017: a convolution with kernel 5 and stride 1, two with kernel 5 and stride 4,
    two with kernel 4 and stride 1; leaky ReLU 0.2 after all but the last. At 256 x 256, from two channels:

    64x256x256, 64x64x64, 128x16x16, 256x17x17, 1x18x18: one answer for each patch of 121 x 121 pixels.
    """

    def __init__(self) -> None:
        super().__init__()
        inputs, layers = 2, []
        for outputs, kernel, stride in DISCRIMINATOR_LAYERS:
            layers += [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), nn.LeakyReLU(LEAK)]
            inputs = outputs
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, images: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        """How real each patch of the candidates looks, before the sigmoid: two (B, 1, H, W) -> (B, 1, h, w) patches."""
        return self.layers(torch.cat([images, candidates], dim=1))


class ClassificationHead(nn.Module):
    """Two fully connected layers after the encoder (paper, section 3.3.4), the first with batch norm and ReLU.

    ``size``: side of the slices, whose latent map is flattened: 1024 numbers at 256 x 256 with 4 latent channels. The
    softmax or sigmoid after the second layer is part of the loss (:func:`headstart.training.losses.class_wise`).
    """

    def __init__(self, classes: int, latent_channels: int, size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), *_fully_connected(latent_channels * (size // 16) ** 2, classes))

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Class scores before the activation: (B, latent_channels, size/16, size/16) -> (B, C)."""
        return self.layers(latent)


class PooledHead(nn.Module):
    """The classification head on a trunk's last map: its mean over the pixels, then two fully connected layers."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.layers = _fully_connected(channels, classes)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Class scores before the activation: image and maps of a trunk -> (B, C)."""
        return self.layers(maps[-1].mean((2, 3)))


def _fully_connected(inputs: int, classes: int) -> nn.Sequential:
    """Two fully connected layers, the first with batch norm and ReLU."""
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN, bias=False), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes)
    )


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    """A 3 x 3 convolution of a U-Net with its norm and activation."""
    after = _named(N=nn.BatchNorm2d(outputs), A=nn.LeakyReLU(LEAK))
    return _named(conv=nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), adn=after)


def _named(**layers: nn.Module) -> nn.Sequential:
    """These layers one after the other, under their names."""
    return nn.Sequential(OrderedDict(layers))


def _decoder_layer(kind: str, inputs: int, outputs: int, normalised: bool) -> nn.Sequential:
    """One layer of the decoder with its norm and activation."""
    if kind == "up":
        convolution = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=not normalised)
    else:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=not normalised)
    norm = [nn.BatchNorm2d(outputs)] if normalised else []
    return nn.Sequential(convolution, *norm, nn.LeakyReLU(LEAK))
