"""The networks of a study: an encoder, and a decoder or head that follows it.

An encoder gives what its decoder takes: the paper's one latent map (section 3.3), a U-Net's trunk the image and all its
maps.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import torch
from torch import nn

from headstart.networks.backbones import Backbone, channels_of
from headstart.networks.decoders import ClassificationHead, Decoder, Discriminator, PooledHead, UNetDecoder
from headstart.networks.trunks import LAYERS, Encoder, Trunk, stage_channels

# Channels of the labeller's U-Net on the way up.
LABELLER_WIDTHS = (256, 128, 64, 32, 16)


class Segmenter(nn.Module):
    """An encoder and a decoder: slices in, class scores or an image out.

    ``others``: how many classes the decoder scores, after the C others, that count as background: its score is the
    highest of all of these, so that a pixel has the class that is the most likely of all.
    """

    def __init__(self, encoder: Trunk | Backbone, decoder: nn.Module, *, others: int = 0) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.others = others

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores before the softmax, or an image: (B, I, H, W) -> (B, C, H, W)."""
        scores = self.decoder(self.encoder(images))
        if not self.others:
            return scores
        background, classes, others = scores.split([1, scores.shape[1] - 1 - self.others, self.others], dim=1)
        return torch.cat([torch.cat([background, others], dim=1).amax(dim=1, keepdim=True), classes], dim=1)


class Classifier(nn.Module):
    """An encoder and a classification head: slices in, class scores out."""

    def __init__(self, encoder: Trunk | Backbone, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores before the activation: (B, 1, H, W) -> (B, C)."""
        return self.head(self.encoder(images))


@dataclass(frozen=True)
class Architecture:
    """The architecture of a study's networks.

    ``encoder``: the trunk, a key of :data:`headstart.networks.trunks.RESNETS`, or library and model of a
    :class:`headstart.networks.backbones.Backbone`, which needs the decoder "unet". ``decoder``: "paper" for the paper's
    latent map and decoder, to which ``latent_channels``, ``decoder_widths`` and ``normalisation`` belong
    (:class:`headstart.networks.decoders.Decoder`), or "unet" for one with ``unet_widths``
    (:class:`headstart.networks.decoders.UNetDecoder`). ``neighbours``: slices on each side of a slice that the network
    sees as further channels, and ``images``: images of each scan (:mod:`headstart.slices.channels`).
    """

    encoder: str
    decoder: str
    latent_channels: int
    decoder_widths: tuple[int, ...]
    normalisation: str
    unet_widths: tuple[int, ...]
    neighbours: int = 0
    images: int = 1

    @classmethod
    def of(cls, network: Mapping) -> "Architecture":
        """The architecture for a study's ``network`` settings; older models have the paper's decoder."""
        network = {"decoder": "paper", "unet_widths": (), **network}
        return cls(**{**network, **{key: tuple(network[key]) for key in ("decoder_widths", "unet_widths")}})

    @property
    def inputs(self) -> int:
        """Channels of the images."""
        return self.images * (1 + 2 * self.neighbours)

    @property
    def layers(self) -> int:
        """Layers of the trunk: one less than the steps of a U-Net, the first of which doubles the last layer's map."""
        return LAYERS if self.decoder == "paper" else len(self.unet_widths) - 1

    @property
    def metadata(self) -> dict:
        """What ``model.json`` says of a network of this architecture, from which :meth:`of` makes it."""
        plain = {"neighbours": 0, "images": 1}
        return {key: value for key, value in asdict(self).items() if value != plain.get(key)}

    @property
    def encoder_metadata(self) -> dict:
        """What ``model.json`` says of an encoder of this architecture, and must say for one to be used with it."""
        latent = {"latent_channels": self.latent_channels} if self.decoder == "paper" else {}
        layers = {"layers": self.layers} if self.layers != LAYERS else {}
        return {"encoder": self.encoder, "decoder": self.decoder, **latent, **layers}

    def make_encoder(self, seed: int) -> Trunk | Backbone:
        """A new encoder whose weights depend on ``seed`` alone; torch's global generator is not changed."""
        with _seeded(seed):
            if self.decoder == "paper":
                return Encoder(self.encoder, self.latent_channels, self.inputs)
            return _trunk(self.encoder, self.inputs, self.layers)

    def make_decoder(self, classes: int, seed: int, *, skips: bool = True) -> Decoder | UNetDecoder:
        """A new decoder, initialised likewise; one that outputs an image has one class.

        ``skips``: whether a U-Net has its skip connections.
        """
        with _seeded(seed):
            if self.decoder == "paper":
                return Decoder(classes, self.latent_channels, self.decoder_widths, self.normalisation)
            channels = _channels(self.encoder, self.inputs, self.layers)
            return UNetDecoder(channels, self.unet_widths, classes, skips=skips, inputs=self.inputs)

    def make_segmenter(self, classes: int, seed: int, *, others: int = 0) -> "Segmenter":
        """An encoder and a decoder with skip connections, both initialised from this seed.

        ``others``: see :class:`Segmenter`.
        """
        return Segmenter(self.make_encoder(seed), self.make_decoder(classes + others, seed), others=others)

    def make_labeller(self, classes: int, seed: int) -> "Segmenter":
        """A new U-Net for a study's own labeller, whichever ``decoder`` its other networks have, initialised likewise.

        The paper's decoder sees only the latent map, which cannot represent the course of the cortex.
        """
        with _seeded(seed):
            return Segmenter(_trunk(self.encoder), UNetDecoder(_channels(self.encoder), LABELLER_WIDTHS, classes))

    def make_discriminator(self, seed: int) -> Discriminator:
        """A new discriminator, initialised likewise."""
        with _seeded(seed):
            return Discriminator()

    def make_head(self, classes: int, size: int, seed: int) -> ClassificationHead | PooledHead:
        """A new classification head, initialised likewise, for slices of ``size`` x ``size``."""
        with _seeded(seed):
            if self.decoder == "paper":
                return ClassificationHead(classes, self.latent_channels, size)
            return PooledHead(classes, _channels(self.encoder, layers=self.layers)[-1])


def _trunk(name: str, inputs: int = 1, layers: int = LAYERS) -> Trunk | Backbone:
    return Backbone(name, inputs) if "/" in name else Trunk(name, inputs, layers)


def _channels(name: str, inputs: int = 1, layers: int = LAYERS) -> tuple[int, ...]:
    return channels_of(name, inputs) if "/" in name else stage_channels(name, layers)


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters of a network."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
