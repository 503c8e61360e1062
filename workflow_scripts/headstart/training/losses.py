"""Loss functions of the source tasks (paper, section 4.1), and the class weights of segmentation."""

import numpy as np
import torch
from torch.nn import functional

from headstart.job import UserError
from headstart.training import distributed

CHUNK = 64
# Keeps the Dice of a class that a batch lacks defined.
_SMOOTH = 1e-5


def class_counts(labels: np.ndarray, classes: int, first: int = 0) -> np.ndarray:
    """Pixels of each class, and pixels of the slices that contain it: (2, C) int64. Counts of several scans add up.

    ``labels``: (N, H, W) uint8, read in chunks, so it may be memory-mapped; class c has the value ``first + c``, and
    pixels of lower values belong to no class. Raises :class:`UserError` for a value beyond the classes.
    """
    values, counts = range(first, first + classes), np.zeros((2, classes), np.int64)
    for start in range(0, len(labels), CHUNK):
        chunk = np.asarray(labels[start : start + CHUNK])
        _check_values(chunk, first + classes)
        # For up to 30 classes on slices of 256 pixels this is faster than bincount, which makes 8 bytes of every label.
        pixels = np.array([[np.count_nonzero(each == value) for value in values] for each in chunk])
        counts += pixels.sum(axis=0), chunk[0].size * (pixels > 0).sum(axis=0)
    return counts


def median_frequency_weights(counts: np.ndarray) -> np.ndarray:
    """Class weights by median-frequency balancing (Eigen & Fergus 2015; Badrinarayanan 2017, SegNet).

    ``freq(c)`` is the number of pixels of class c divided by the number of pixels of the slices that contain c;
    ``weight(c) = median(freq) / freq(c)``, with the median over the classes that occur. A class that never occurs
    gets the weight 0: it cannot be learned, and its frequency would divide by zero.

    ``counts``: (2, C) of :func:`class_counts`. Returns (C,) float64.
    """
    pixels, of_slices = counts
    present = pixels > 0
    frequency = pixels[present] / of_slices[present]
    weights = np.zeros(len(pixels))
    weights[present] = np.median(frequency) / frequency
    return weights


def cross_entropy(scores: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, first: int = 0) -> torch.Tensor:
    """Weighted cross-entropy per pixel, a scalar.

    ``scores`` (B, C, H, W) before the softmax, ``labels`` (B, H, W) int64, ``weights`` (C,). Class c has the value
    ``first + c``; pixels of lower values are ignored. As in torch's ``mean`` reduction, the sum of weighted losses is
    divided by the sum of the pixels' weights and not by their number, so scaling all weights changes nothing. torch's
    own reduction has no deterministic kernel on CUDA; this one has.
    """
    classes = labels - first
    losses = functional.cross_entropy(scores.float(), classes, weights, reduction="none", ignore_index=-1)
    taken = weights[classes.clamp(min=0)] * (classes >= 0)
    return distributed.mean(losses.sum(), taken.sum().clamp(min=torch.finfo(torch.float32).tiny))


def dice(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Soft Dice loss over the batch, averaged over the classes but the background, a scalar (Isensee 2021).

    ``scores`` (B, C, H, W) before the softmax, ``labels`` (B, 1, H, W), of integers: the index of each pixel's class.
    """
    truth = torch.zeros(scores.shape, device=scores.device).scatter_(1, labels.long(), 1)[:, 1:]
    likely = scores.softmax(dim=1)[:, 1:]
    common = (likely * truth).sum((0, 2, 3))
    # In the order of MONAI's DiceLoss, of which the sums are rounded alike.
    wrong = 0.5 * (likely.sum((0, 2, 3)) - common)
    missed = 0.5 * (truth.sum((0, 2, 3)) - common)
    return (1 - (2 * common + _SMOOTH) / (2 * (common + wrong + missed) + _SMOOTH)).mean()


def absolute(output: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Absolute difference (L1) of two images of one shape, averaged over pixels, a scalar."""
    return mean_of((output.float() - images).abs())


def absolute_where(output: torch.Tensor, images: torch.Tensor, taken: torch.Tensor) -> torch.Tensor:
    """Absolute difference averaged over the pixels that are ``taken``, bool of the same shape; 0 if there are none."""
    differences = (output.float() - images).abs() * taken
    return distributed.mean(differences.sum(), taken.sum().float().clamp(min=torch.finfo(torch.float32).tiny))


def mean_of(values: torch.Tensor) -> torch.Tensor:
    """Mean of all values, in all processes that share a batch."""
    return distributed.mean(values.sum(), values.numel())


def class_wise(scores: torch.Tensor, present: torch.Tensor, activation: str) -> torch.Tensor:
    """Binary cross-entropy averaged over classes and slices, a scalar (paper, section 4.1.3).

    ``scores`` (B, C) before the ``activation``, "softmax" (the paper's) or "sigmoid"; ``present`` (B, C), 1 for the
    classes that a slice shows. With the softmax the classes of a slice share one probability, although a slice may
    show several.
    """
    scores, present = scores.float(), present.float()
    if activation == "sigmoid":
        return mean_of(functional.binary_cross_entropy_with_logits(scores, present, reduction="none"))
    return mean_of(functional.binary_cross_entropy(scores.softmax(dim=1), present, reduction="none"))


def adversarial(answers: torch.Tensor, real: bool) -> torch.Tensor:
    """Binary cross-entropy of a discriminator's answers, patch by patch, a scalar (Isola 2017, equation 1).

    ``answers`` (B, 1, h, w) before the sigmoid, for patches on a grid of h x w; ``real``: the correct answer. The
    generator's loss is that of its own images with ``real=True`` (the non-saturating form, Goodfellow 2014).
    """
    wanted = torch.full_like(answers, float(real), dtype=torch.float32)
    return mean_of(functional.binary_cross_entropy_with_logits(answers.float(), wanted, reduction="none"))


def _check_values(labels: np.ndarray, classes: int) -> None:
    if labels.max() >= classes:
        raise UserError(
            f"the labels contain the value {labels.max()} but the target has {classes} classes (0 to {classes - 1}); "
            "check the classes in the configuration."
        )
