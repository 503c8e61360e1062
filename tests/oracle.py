"""A network that knows the answer, to see what becomes of it on the way to the scan's own grid."""

import numpy as np
import torch
from torch import nn


class Oracle(nn.Module):
    """Scores of 1 for the classes of ``truth`` (N, H, W), slice after slice, whatever the pictures show."""

    def __init__(self, truth: np.ndarray, classes: int):
        super().__init__()
        self.truth, self.classes, self.place = torch.from_numpy(truth.astype(np.int64)), classes, 0

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        now = self.truth[self.place : self.place + len(pictures)]
        self.place += len(pictures)
        return nn.functional.one_hot(now, self.classes).permute(0, 3, 1, 2).float()
