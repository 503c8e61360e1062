"""Small batches of slices with label maps, and what is done to slices, for tests of augmentation."""

import numpy as np
import small
import torch

from headstart.label_table import Label
from headstart.training import corruption
from headstart.training.augment import Chance, PhotoAugment
from headstart.training.synthesis import T1, Synthesis


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def each(value, count=1):
    return torch.full((count,), float(value))


def blocks():
    """Images whose brightness encodes their label, in patches of 8 pixels."""
    labels = np.kron(np.random.default_rng(0).integers(0, 4, (6, 4, 4)), np.ones((8, 8), int))
    return torch.tensor(labels[:, None] / 4, dtype=torch.float32), torch.tensor(labels, dtype=torch.uint8)


def heads(count=6, size=96):
    """Smooth discs (count, 1, size, size) with an off-centre lump, in air, and labels of air, disc and lump."""
    rows, columns = torch.meshgrid(torch.arange(size) / size - 0.5, torch.arange(size) / size - 0.5, indexing="ij")
    disc, lump = torch.hypot(rows, columns * 1.2) < 0.4, torch.hypot(rows + 0.15, columns - 0.1) < 0.1
    labels = (disc.to(torch.uint8) + lump).repeat(count, 1, 1)
    return labels[:, None] * 0.4, labels


def changes():
    """What is done to slices on a device, by name: functions of images, label maps and the generator of a step."""
    scans = small.augmentation()
    labels = tuple(Label(value, str(value), str(value), value / 4, brain=value > 1) for value in (1, 2, 3))
    return {
        "augmentation of scans": scans,
        "augmentation of natural images": PhotoAugment(degrees=10, scale=0.1, mirror=True),
        "distortions": lambda images, labels, generator: corruption.distort(images, generator),
        "hidden patches": lambda images, labels, generator: corruption.hide(images, 0.5, 8, generator),
        "synthetic heads": Synthesis(
            labels, (1, 2, 3), style=T1, texture=Chance(1, 0.01, 0.1), jitter=0.03, bend=0.5, strip=1, fineness=2,
            changes=scans,
        ),
    }  # fmt: skip
