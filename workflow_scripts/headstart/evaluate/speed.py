"""How fast a study's models are evaluated on this machine."""

import time

import numpy as np
import torch
from scipy import ndimage

from headstart.evaluate.scores import score_scan
from headstart.networks.architectures import Architecture
from headstart.training.loop import predict

# Slices of a scan of noise, and the width in pixels by which it is smoothed.
_SLICES, _WIDTH = 64, 4


def measure(
    architecture: Architecture,
    size: int,
    classes: int,
    precision: str,
    voxel_mm: float,
    processes: int,
    *,
    seconds: float = 5,
    device: str = "auto",
) -> dict:
    """Predict and score scans of noise for a while; ``images_per_s`` of both, one after the other.

    ``voxel_mm``: side of a voxel; ``processes``: those that score at once; ``seconds``: duration, of one scan at least;
    the other arguments are those of :func:`headstart.training.speed.measure`.
    """
    model = architecture.make_segmenter(classes, 0).to(memory_format=torch.channels_last)
    images = np.random.default_rng(0).integers(0, 65536, (_SLICES, size, size), np.uint16)
    # Blobs as large as structures: what noise is to a distance, no prediction is.
    blobs = ndimage.gaussian_filter(images.astype(np.float32), _WIDTH)
    truth = np.digitize(blobs, np.quantile(blobs, np.linspace(0, 1, classes + 1)[1:-1])).astype(np.uint8)
    names = [str(number) for number in range(classes)]
    scans, predicting, scoring = 0, 0.0, 0.0
    while scans < 1 or predicting + scoring < seconds:
        started = time.perf_counter()
        predict(model, images, precision=precision, device=device)
        predicted = time.perf_counter()
        score_scan(np.roll(truth, 1, axis=1), truth, names, "noise", voxel_mm, 1)
        predicting, scoring = predicting + predicted - started, scoring + time.perf_counter() - predicted
        scans += 1
    return {"images_per_s": scans * _SLICES / (predicting + scoring / processes)}
