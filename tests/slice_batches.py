"""Small batches of slices with label maps, for tests of augmentation."""

import numpy as np
import torch


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
