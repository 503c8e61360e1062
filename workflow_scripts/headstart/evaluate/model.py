"""Predictions of one fine-tuned model on its test scans."""

import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from headstart.networks import model_files
from headstart.networks.architectures import Architecture
from headstart.slices import store
from headstart.slices.channels import Channels
from headstart.training.loop import predict


def predict_scans(
    model_path: str | os.PathLike,
    architecture: Architecture,
    class_names: Sequence[str],
    scans: Mapping[str, Sequence[store.Slices]],
    *,
    channels: Channels,
    precision: str,
    device: str = "auto",
) -> Iterator[tuple[str, np.ndarray]]:
    """Each scan with its prediction, (N, H, W) uint8.

    Parameters
    ----------
    model_path
        Weights of the model (safetensors).
    architecture
        Architecture of the network.
    class_names
        Names of the classes, the background (0) first.
    scans
        Location of the slices of each scan, image by image.
    channels
        What the network sees of each slice.
    precision, device
        See :func:`headstart.training.loop.predict`.

    Raises
    ------
    UserError
        If the weights were made for another architecture or other classes.
    """
    model = model_files.load_segmenter(model_path, architecture, {"classes": list(class_names)})
    model.to(memory_format=torch.channels_last)
    for scan, paths in scans.items():
        images = store.SliceArray(paths)
        yield scan, predict(model, images, seen=channels.rows(images.lengths[:1]), precision=precision, device=device)
