"""Pre-trained weights from which a training starts: a fine-tuning, or another pre-training."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from headstart.job import logger
from headstart.networks import model_files
from headstart.networks.architectures import Architecture, Segmenter
from headstart.networks.backbones import Backbone
from headstart.networks.trunks import Trunk


@dataclass(frozen=True)
class Start:
    """Files of pre-trained weights, with the ``model.json`` that describes them beside them.

    ``decoder``: that of the decoder that was trained with the encoder, of which the layers are taken that fit; None for
    a new decoder. ``expects``: what ``model.json`` must say (template, voxel size, size), besides what follows from the
    architecture.
    """

    encoder: str | os.PathLike
    decoder: str | os.PathLike | None
    expects: Mapping

    def make_encoder(self, architecture: Architecture, seed: int) -> Trunk | Backbone:
        """The encoder; the tensors that ``model.json`` lists as ``untrained`` are drawn from ``seed``.

        Raises :class:`headstart.job.UserError` if it was not made for this study.
        """
        encoder = architecture.make_encoder(seed)
        required = {**architecture.encoder_metadata, **self.expects}
        model_files.load_state(encoder, self.encoder, required, trained_only=True, architecture=architecture)
        return encoder

    def load_decoder(self, model: nn.Module, classes: Sequence[str], architecture: Architecture) -> None:
        """Load what fits of the decoder into a network of this architecture, with these classes.

        See :func:`headstart.networks.model_files.load_layers`. Nothing fits a classification head.
        """
        if self.decoder is None or not isinstance(model, Segmenter):
            return
        loaded = model_files.load_layers(model.decoder, self.decoder, classes, architecture)
        logger.info("%d of %d layers of the decoder are pre-trained", len(loaded), len(model.decoder.layer_names))

    def hashes(self) -> dict[str, str]:
        """The SHA-256 of each file of weights, by its name."""
        return model_files.hashes(self.encoder, self.decoder)
