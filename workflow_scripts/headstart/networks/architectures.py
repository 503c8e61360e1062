"""The paper's networks (section 3.3): a ResNet encoder to a small latent map, and what is put behind it.

A decoder goes back to image size, a discriminator tells its images from real ones, a head classifies. Shapes are
(batch, channels, height, width), float32. Slices have one channel; height and width are multiples of 32. Convolutions
that batch norm follows carry no bias, which the norm would cancel.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from monai.networks.nets.basic_unet import UpCat
from monai.networks.nets.resnet import ResNet
from torch import nn

# block, blocks a stage (He 2016, table 1) and channels of the last stage
RESNETS = {
    "resnet18": ("basic", [2, 2, 2, 2], 512),
    "resnet34": ("basic", [3, 4, 6, 3], 512),
    "resnet50": ("bottleneck", [3, 4, 6, 3], 2048),
    "resnet101": ("bottleneck", [3, 4, 23, 3], 2048),
}
STRIDE = 32
LEAK = 0.2
# The paper gives the decoder's layers but not their channels; these nine and the classes are our choice.
WIDTHS = (256, 128, 64, 64, 32, 32, 16, 16, 16)
# Channels, kernel and stride of the discriminator's layers. The paper is silent on channels; the last is its answer.
DISCRIMINATOR_LAYERS = ((64, 5, 1), (64, 5, 4), (128, 5, 4), (256, 4, 1), (1, 4, 1))
HIDDEN = 2048
LABELLER_WIDTHS = (256, 128, 64, 32, 16)
# "up" doubles the map (transposed convolution, stride 2), "same" keeps it (convolution, stride 1)
DECODER_LAYERS = ("same", "same", "up", "same", "up", "same", "up", "same", "up", "same")


class Trunk(ResNet):
    """ResNet without its fully connected layers, for one channel, its parameters named as torchvision's.

    At 256 x 256: image (B, 1, 256, 256), stem (B, 64, 128, 128), pool and layer1 (B, 64*e, 64, 64), layer2
    (B, 128*e, 32, 32), layer3 (B, 256*e, 16, 16), layer4 (B, 512*e, 8, 8), where e is 4 for resnet50 and resnet101, 1
    for resnet18 and resnet34. ``channels``: those of the five, stem first.
    """

    def __init__(self, name: str = "resnet50") -> None:
        block, blocks, channels = RESNETS[name]
        super().__init__(
            block,
            blocks,
            [64, 128, 256, 512],
            spatial_dims=2,
            n_input_channels=1,
            conv1_t_stride=2,  # MONAI's default of 1 doubles every map
            feed_forward=False,
            bias_downsample=False,
        )
        self.channels = (64, *(channels // part for part in (8, 4, 2, 1)))

    def maps(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The maps of stem and layers: (B, 1, H, W) -> five of (B, C, H/2, W/2) ... (B, C, H/32, W/32)."""
        if images.shape[-2] % STRIDE or images.shape[-1] % STRIDE:
            raise ValueError(f"slices of {tuple(images.shape[-2:])} are not multiples of {STRIDE}: pad them")
        found = [self.act(self.bn1(self.conv1(images)))]
        below = self.maxpool(found[0])
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            below = layer(below)
            found.append(below)
        return found


class Encoder(Trunk):
    """A trunk with a transposed convolution in place of its fully connected layers (paper, section 3.3.1).

    The transposed convolution's parameters begin with ``compress``; a torchvision ResNet's weights fit the others by
    name. As in Taskonomy's encoder the latent map is normalised and rectified: (B, latent_channels, 16, 16) at 256.
    """

    def __init__(self, name: str = "resnet50", latent_channels: int = 4) -> None:
        super().__init__(name)
        self.compress = nn.Sequential(
            nn.ConvTranspose2d(
                self.channels[-1], latent_channels, 3, stride=2, padding=1, output_padding=1, bias=False
            ),
            nn.BatchNorm2d(latent_channels),
            nn.ReLU(),
        )

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """The trunk's last map: (B, 1, H, W) -> (B, 2048 or 512, H/32, W/32)."""
        return self.maps(images)[-1]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The latent map: (B, 1, H, W) -> (B, latent_channels, H/16, W/16)."""
        return self.compress(self.forward_features(images))


class Decoder(nn.Module):
    """Ten 3 x 3 layers from the latent map to class scores (paper, section 3.3.2).

    Two convolutions, then four times a transposed convolution of stride 2 and a convolution; leaky ReLU 0.2 after
    every layer but the last. Batch norm stands before it, as in Taskonomy's decoder, unless ``normalisation`` is
    "none". With the default widths, from a latent map (B, 4, 16, 16):

    256x16x16, 128x16x16, 64x32x32, 64x32x32, 32x64x64, 32x64x64, 16x128x128, 16x128x128, 16x256x256, Cx256x256.
    """

    def __init__(
        self,
        classes: int,
        latent_channels: int = 4,
        widths: Sequence[int] = WIDTHS,
        normalisation: str = "batch",
    ) -> None:
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

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Class scores before the soft-max: (B, latent_channels, h, w) -> (B, classes, 16 h, 16 w)."""
        return self.layers(latent)


class Discriminator(nn.Module):
    """Tells a decoder's image from a real one, patch by patch, beside the image that it was made from.

    Paper, section 3.3.3, after Isola 2017: convolutions with a kernel of 5 and stride 1, twice of stride 4, twice with
    a kernel of 4 and stride 1; leaky ReLU 0.2 after all but the last. At 256 x 256, from two channels:

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
        """How real each patch of the candidates looks, before the sigmoid: two (B, 1, H, W) -> (B, 1, h, w)."""
        return self.layers(torch.cat([images, candidates], dim=1))


class ClassificationHead(nn.Module):
    """Two fully connected layers behind the encoder (paper, section 3.3.4), the first with batch norm and ReLU.

    ``size``: side of the slices, whose latent map of ``latent_channels`` is flattened: at 256, 1024 numbers. The
    soft-max or sigmoid behind the second layer belongs to the loss (:func:`headstart.training.losses.class_wise`).
    """

    def __init__(self, classes: int, latent_channels: int = 4, size: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(latent_channels * (size // 16) ** 2, HIDDEN, bias=False),
            nn.BatchNorm1d(HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, classes),
        )

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Class scores before the activation: (B, latent_channels, size/16, size/16) -> (B, classes)."""
        return self.layers(latent)


class Segmenter(nn.Module):
    """Encoder and decoder in a row: slices in, class scores or an image out."""

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores before the soft-max, or an image: (B, 1, H, W) -> (B, classes, H, W)."""
        return self.decoder(self.encoder(images))


class Classifier(nn.Module):
    """Encoder and classification head in a row: slices in, class scores out."""

    def __init__(self, encoder: Encoder, head: ClassificationHead) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores before the activation: (B, 1, H, W) -> (B, classes)."""
        return self.head(self.encoder(images))


class Labeller(nn.Module):
    """A trunk whose maps, all five, lead back to image size: a U-Net (Ronneberger 2015) for a study's own labeller.

    Each step up doubles the map and halves its channels by a transposed convolution, joins the trunk's map of that
    size (the image itself at last), and convolves twice. The paper's decoder sees the latent map alone, which cannot
    hold the course of the cortex.
    """

    def __init__(self, trunk: Trunk, classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        beside = [*reversed(trunk.channels[:-1]), 1]
        inputs = [trunk.channels[-1], *LABELLER_WIDTHS]
        self.ups = nn.ModuleList(
            UpCat(2, *step, act=("LeakyReLU", {"negative_slope": LEAK}), norm="batch", bias=False)
            for step in zip(inputs, beside, LABELLER_WIDTHS, strict=False)
        )
        self.scores = nn.Conv2d(LABELLER_WIDTHS[-1], classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores before the soft-max: (B, 1, H, W) -> (B, classes, H, W)."""
        *beside, below = [images, *self.trunk.maps(images)]
        for up, map_ in zip(self.ups, reversed(beside), strict=True):
            below = up(below, map_)
        return self.scores(below)


@dataclass(frozen=True)
class Architecture:
    """What the networks of one study look like; see :class:`Encoder` and :class:`Decoder`."""

    encoder: str = "resnet50"
    latent_channels: int = 4
    decoder_widths: tuple[int, ...] = WIDTHS
    normalisation: str = "batch"

    @classmethod
    def of(cls, network: Mapping) -> "Architecture":
        """The architecture that a study's ``network`` settings describe."""
        return cls(**{**network, "decoder_widths": tuple(network["decoder_widths"])})

    def make_labeller(self, classes: int, seed: int) -> "Labeller":
        """A fresh labeller whose weights follow from ``seed`` alone; torch's global generator is left as it was."""
        with _seeded(seed):
            return Labeller(Trunk(self.encoder), classes)

    def make_encoder(self, seed: int) -> Encoder:
        """A fresh encoder, likewise."""
        with _seeded(seed):
            return Encoder(self.encoder, self.latent_channels)

    def make_decoder(self, classes: int, seed: int) -> Decoder:
        """A fresh decoder, likewise; for an image, of one class."""
        with _seeded(seed):
            return Decoder(classes, self.latent_channels, self.decoder_widths, self.normalisation)

    def make_discriminator(self, seed: int) -> Discriminator:
        """A fresh discriminator, likewise."""
        with _seeded(seed):
            return Discriminator()

    def make_head(self, classes: int, size: int, seed: int) -> ClassificationHead:
        """A fresh classification head, likewise, for slices of ``size`` x ``size``."""
        with _seeded(seed):
            return ClassificationHead(classes, self.latent_channels, size)


def count_parameters(model: nn.Module) -> int:
    """Trainable parameters of a network."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw from ``seed``, and put torch's global generator back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _decoder_layer(kind: str, inputs: int, outputs: int, normalised: bool) -> nn.Sequential:
    """One layer with its norm and activation."""
    if kind == "up":
        convolution = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=not normalised)
    else:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=not normalised)
    norm = [nn.BatchNorm2d(outputs)] if normalised else []
    return nn.Sequential(convolution, *norm, nn.LeakyReLU(LEAK))
