"""Fine-tuned networks, read back from their files."""

import os
from collections.abc import Mapping

from headstart.networks import model_files
from headstart.networks.architectures import Architecture, Segmenter


def load(weights: str | os.PathLike, metadata: Mapping) -> Segmenter:
    """The fine-tuned network in ``weights``, in evaluation mode; the ``model.json`` beside it must say ``metadata``.

    Raises the :class:`headstart.job.UserError` of :func:`headstart.networks.model_files.load_segmenter`.
    """
    return model_files.load_segmenter(weights, Architecture.of(metadata["network"]), metadata).eval()
