"""The paper's networks (section 3.3): a ResNet encoder to a small latent map, and the parts that follow it.

A decoder returns to image size, a discriminator distinguishes its images from real ones, a head classifies. Shapes are
(B, C, H, W), float32. Slices have one channel; H and W are multiples of 32. Convolutions before batch norm have no
bias, which the norm would cancel.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from monai.networks.nets.basic_unet import UpCat
from monai.networks.nets.resnet import ResNet
from torch import nn

# Type of block, blocks per stage (He 2016, table 1) and channels of the last stage.
RESNETS = {
    "resnet18": ("basic", [2, 2, 2, 2], 512),
    "resnet34": ("basic", [3, 4, 6, 3], 512),
    "resnet50": ("bottleneck", [3, 4, 6, 3], 2048),
    "resnet101": ("bottleneck", [3, 4, 23, 3], 2048),
}
STRIDE = 32
LEAK = 0.2
# Channels, kernel and stride of the discriminator's layers; the last one is its answer. The paper gives no channels.
DISCRIMINATOR_LAYERS = ((64, 5, 1), (64, 5, 4), (128, 5, 4), (256, 4, 1), (1, 4, 1))
# Width of the hidden layer of the classification head.
HIDDEN = 2048
LABELLER_WIDTHS = (256, 128, 64, 32, 16)
# "up" doubles the size of the map (transposed convolution, stride 2), "same" keeps it (convolution, stride 1).
DECODER_LAYERS = ("same", "same", "up", "same", "up", "same", "up", "same", "up", "same")


class Trunk(ResNet):
    """A ResNet without its fully connected layer, for one input channel; parameters are named as in torchvision.

    At 256 x 256: image (B, 1, 256, 256), stem (B, 64, 128, 128), pool and layer1 (B, 64*e, 64, 64), layer2
    (B, 128*e, 32, 32), layer3 (B, 256*e, 16, 16), layer4 (B, 512*e, 8, 8), where e is 4 for resnet50 and resnet101, 1
    for resnet18 and resnet34. ``channels``: those of stem and layers, stem first.
    """

    def __init__(self, name: str) -> None:
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
        """The maps of stem and layers: (B, 1, H, W) -> five, from (B, C, H/2, W/2) to (B, C, H/32, W/32)."""
        if images.shape[-2] % STRIDE or images.shape[-1] % STRIDE:
            raise ValueError(f"slices of {tuple(images.shape[-2:])} are not multiples of {STRIDE}: pad them")
        found = [self.act(self.bn1(self.conv1(images)))]
        current = self.maxpool(found[0])
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            current = layer(current)
            found.append(current)
        return found


class Encoder(Trunk):
    """A trunk with a transposed convolution in place of its fully connected layer (paper, section 3.3.1).

    The names of the transposed convolution's parameters begin with ``compress``; the others are those of a torchvision
    ResNet. As in Taskonomy's encoder, batch norm and ReLU follow: (B, latent_channels, 16, 16) at 256 x 256.
    """

    def __init__(self, name: str, latent_channels: int) -> None:
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

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Class scores before the softmax: (B, latent_channels, H/16, W/16) -> (B, C, H, W)."""
        return self.layers(latent)


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
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(latent_channels * (size // 16) ** 2, HIDDEN, bias=False),
            nn.BatchNorm1d(HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, classes),
        )

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Class scores before the activation: (B, latent_channels, size/16, size/16) -> (B, C)."""
        return self.layers(latent)


class Segmenter(nn.Module):
    """An encoder and a decoder: slices in, class scores or an image out."""

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores before the softmax, or an image: (B, 1, H, W) -> (B, C, H, W)."""
        return self.decoder(self.encoder(images))


class Classifier(nn.Module):
    """An encoder and a classification head: slices in, class scores out."""

    def __init__(self, encoder: Encoder, head: ClassificationHead) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores before the activation: (B, 1, H, W) -> (B, C)."""
        return self.head(self.encoder(images))


class Labeller(nn.Module):
    """A U-Net (Ronneberger 2015) on all five maps of a trunk, for a study's own labeller.

    Each step up doubles the size of the map and halves its channels by a transposed convolution, concatenates the
    trunk's map of that size (finally the image itself), and convolves twice. The paper's decoder sees only the latent
    map, which cannot represent the course of the cortex.
    """

    def __init__(self, trunk: Trunk, classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        skips = [*reversed(trunk.channels[:-1]), 1]
        inputs = [trunk.channels[-1], *LABELLER_WIDTHS]
        self.ups = nn.ModuleList(
            UpCat(2, *step, act=("LeakyReLU", {"negative_slope": LEAK}), norm="batch", bias=False)
            for step in zip(inputs, skips, LABELLER_WIDTHS, strict=False)
        )
        self.scores = nn.Conv2d(LABELLER_WIDTHS[-1], classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores before the softmax: (B, 1, H, W) -> (B, C, H, W)."""
        *skips, current = [images, *self.trunk.maps(images)]
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            current = up(current, skip)
        return self.scores(current)


@dataclass(frozen=True)
class Architecture:
    """The architecture of a study's networks; see :class:`Encoder` and :class:`Decoder`."""

    encoder: str
    latent_channels: int
    decoder_widths: tuple[int, ...]
    normalisation: str

    @classmethod
    def of(cls, network: Mapping) -> "Architecture":
        """The architecture for the ``network`` settings of a study."""
        return cls(**{**network, "decoder_widths": tuple(network["decoder_widths"])})

    def make_labeller(self, classes: int, seed: int) -> "Labeller":
        """A new labeller whose weights depend on ``seed`` alone; torch's global generator is not changed."""
        with _seeded(seed):
            return Labeller(Trunk(self.encoder), classes)

    def make_encoder(self, seed: int) -> Encoder:
        """A new encoder, initialised likewise."""
        with _seeded(seed):
            return Encoder(self.encoder, self.latent_channels)

    def make_decoder(self, classes: int, seed: int) -> Decoder:
        """A new decoder, initialised likewise; one that outputs an image has one class."""
        with _seeded(seed):
            return Decoder(classes, self.latent_channels, self.decoder_widths, self.normalisation)

    def make_discriminator(self, seed: int) -> Discriminator:
        """A new discriminator, initialised likewise."""
        with _seeded(seed):
            return Discriminator()

    def make_head(self, classes: int, size: int, seed: int) -> ClassificationHead:
        """A new classification head, initialised likewise, for slices of ``size`` x ``size``."""
        with _seeded(seed):
            return ClassificationHead(classes, self.latent_channels, size)


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters of a network."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _decoder_layer(kind: str, inputs: int, outputs: int, normalised: bool) -> nn.Sequential:
    """One layer of the decoder with its norm and activation."""
    if kind == "up":
        convolution = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=not normalised)
    else:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=not normalised)
    norm = [nn.BatchNorm2d(outputs)] if normalised else []
    return nn.Sequential(convolution, *norm, nn.LeakyReLU(LEAK))
