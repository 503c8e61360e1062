"""Synthetic images of label maps, drawn afresh for each step of a training, on its device.

Every material of a label map becomes a random grey, and the image is moved, blurred and spoilt at random, so that a
network learns shapes and no contrast: Billot et al. 2023 (SynthSeg, Medical Image Analysis 86:102789, section 3.1), Dey
et al. 2025 (anatomix) and Liu et al. 2024 (Brain-ID), here for slices. No image is stored.

:class:`Synthesis` is called as an augmentation is (:mod:`headstart.training.augment`), with label maps as targets; the
same seed gives the same bytes on one kind of device, with any number of threads.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from headstart.job import UserError
from headstart.label_table import AIR, Label
from headstart.slices.store import SliceArray, to_uint16
from headstart.training import devices
from headstart.training.augment import Augment, Chance, augmentation, mirrored, values_of
from headstart.training.warp import pick, positions

ANY, T1 = "any", "t1"
# Pieces of the curve that bends the brightness of T1-weighted images.
_PIECES = 5
_VALUES = 256
# Label maps that are read or rendered at once outside of trainings.
_CHUNK = 64


@dataclass(frozen=True)
class Synthesis:
    """How images are made of label maps, and which classes a network is to find in them.

    ``labels``: what the values of the label maps are, others are air; ``classes``: of each label, its class in target
    maps, 0 for the background.

    ``style``: "any" gives each material of each slice a mean from 0 to 1. "t1" varies the ``t1`` of the labels: by up
    to ``jitter``, then by an increasing curve through 0, of which each fifth is steeper or flatter by a random share of
    up to ``bend`` < 1. So what differs by more than twice the jitter keeps its order: CSF, grey and white matter.

    ``texture``: how often a material is grainy, and the standard deviation of its pixels then; ``strip``: how often the
    brain is extracted, with no trace of what was around it; ``fineness``: pixels of a label map along each side of a
    pixel of the image, which shows their mean (partial volume), while the target is the label at the centre.

    ``changes``: of where things are, which are made to the label map, so that a slice is interpolated once and no label
    is blurred; and of intensities, which follow. Its ``blur`` is the partial volume that label maps lack, and the
    scanner's.

    With the strengths of config.yaml, a batch of 32 images of 96 pixels takes 24 ms on one thread with a ``fineness``
    of 1, and 35 ms with 2: 3.4 and 4.9 % of a step of a U-Net on a ResNet-18 in bfloat16
    (``benchmarks/augmentation.py``).
    """

    labels: Sequence[Label]
    classes: Sequence[int]
    style: str
    texture: Chance
    jitter: float
    bend: float
    strip: float
    fineness: int
    changes: Augment

    def __call__(
        self, images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Make images and target maps of label maps.

        Parameters
        ----------
        images
            Ignored: a feed of label maps has none, see :func:`headstart.training.feed.load_labels`.
        targets
            Label maps (B, fH, fW) uint8 of values of ``labels``, on the device, with f = ``fineness``.
        generator
            On the CPU, seeded for the step.

        Returns
        -------
        tuple of torch.Tensor
            Images (B, 1, H, W) float32 in [0, 1], 0 where there is air but for noise, and their classes (B, H, W)
            uint8.
        """
        count, device = len(targets), targets.device
        drawn = self.changes.draw(count, generator)
        means, deviations = self._greys(count, generator)
        stripped = torch.rand(count, generator=generator) < self.strip
        grain = torch.Generator(device).manual_seed(int(torch.randint(2**31, (), generator=generator)))
        kept = self._kept(stripped)
        tables = (means * kept, deviations * kept, kept * self._class_of_value())
        shown, grains, classes = (devices.send(table, device) for table in tables)
        size = [side // self.fineness for side in targets.shape[1:]]
        centres = positions(size, device, drawn.affines(), drawn.elastic())
        pictures = torch.zeros(count, *size, device=device)
        steps = devices.send(_steps(drawn.affines(), size, self.fineness), device)
        for step in steps[..., None, None]:
            # Added to planes of columns and rows, since pairs in the last axis are ten times as slow.
            points = (centres.permute(0, 3, 1, 2) + step).permute(0, 2, 3, 1)
            labels = pick(targets, points)
            greys = _look_up(shown, labels)
            if self.texture.probability and self.texture.high:
                noise = torch.randn(greys.shape, generator=grain, device=device)
                greys = torch.addcmul(greys, noise, _look_up(grains, labels))
            pictures += greys.clamp(0, 1) / self.fineness**2
        labels = pick(targets, centres)
        if self.changes.mirror:
            pictures, labels = mirrored(pictures, drawn), mirrored(labels, drawn)
        pictures = self.changes.change_intensities(pictures[:, None], drawn)
        if stripped.any():  # with the noise and the blur around the brain
            visible = devices.send(torch.where(stripped[:, None], kept, 1), device)
            pictures = pictures * _look_up(visible, labels)[:, None]
        return pictures, _look_up(classes, labels).to(torch.uint8)

    def check(self, maps: np.ndarray | SliceArray) -> None:
        """Raise :class:`UserError` if label maps (N, fH, fW) uint8, read in chunks, have a value that no label has."""
        known = np.isin(np.arange(_VALUES), [AIR, *(label.value for label in self.labels)])
        for start in range(0, len(maps), _CHUNK):
            counted = np.bincount(maps[start : start + _CHUNK].ravel(), minlength=_VALUES)
            if strange := np.flatnonzero(~known & (counted > 0)).tolist():
                raise UserError(
                    f"the label maps hold the value {strange[0]}, which the table of labels lacks; add it there."
                )

    def class_maps(self, maps: np.ndarray | SliceArray) -> "ClassMaps":
        """The classes near the centres of the pixels of images: what class weights are computed from.

        ``maps``: label maps (N, fH, fW) uint8 as they are stored.
        """
        return ClassMaps(maps, self._class_of_value().numpy().astype(np.uint8), self.fineness)

    def render(
        self, maps: np.ndarray | SliceArray, seed: int, device: torch.device
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Images (B, H, W) uint16, as slices are stored, and classes (B, H, W) uint8 of label maps (N, fH, fW).

        For held-out slices, which are to be the same in each epoch, and for a look at them. They are made on ``device``
        in chunks, of which one is in memory at a time.
        """
        generator = torch.Generator().manual_seed(seed)
        for start in range(0, len(maps), _CHUNK):
            part = torch.from_numpy(np.array(maps[start : start + _CHUNK])).to(device)
            images, classes = self(torch.empty(len(part), 1, 0, 0), part, generator)
            yield to_uint16(images[:, 0].cpu().numpy()), classes.cpu().numpy()

    def _greys(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of each value of a label map in each slice, (count, 256)."""
        names = list(dict.fromkeys(label.material for label in self.labels))
        level, happens, amount = torch.rand(3, count, len(names), generator=generator)
        steepness = 1 + self.bend * (2 * torch.rand(count, _PIECES, generator=generator) - 1)
        deviations = values_of(self.texture, 0.0, happens, amount)
        of_label = torch.tensor([names.index(label.material) for label in self.labels])
        means = level[:, of_label]
        if self.style == T1:
            plain = torch.tensor([label.t1 for label in self.labels]) + self.jitter * (2 * means - 1)
            means = _bent(plain.clamp(0, 1), steepness)
        return self._by_value(means), self._by_value(deviations[:, of_label])

    def _kept(self, stripped: torch.Tensor) -> torch.Tensor:
        """1 for each value that a slice shows and 0 for air and what is stripped, (B, 256), from (B,) bool."""
        brain = torch.tensor([label.brain for label in self.labels])
        return self._by_value((brain | ~stripped[:, None]).float())

    def _class_of_value(self) -> torch.Tensor:
        """The class of each value of a label map, (256,) float32."""
        return self._by_value(torch.tensor([self.classes], dtype=torch.float32))[0]

    def _by_value(self, by_label: torch.Tensor) -> torch.Tensor:
        """Numbers for each label (B, L) -> for each value of a label map (B, 256), 0 for values without label."""
        values = torch.tensor([label.value for label in self.labels])
        return torch.zeros(len(by_label), _VALUES).index_copy(1, values, by_label)


@dataclass(frozen=True)
class ClassMaps:
    """Classes (N, H, W) uint8, made of label maps (N, fH, fW) when they are read, f being the ``fineness``.

    ``classes``: of each value of a label map, (256,) uint8.
    """

    maps: np.ndarray | SliceArray
    classes: np.ndarray
    fineness: int

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, rows: slice) -> np.ndarray:
        """The class maps of these slices."""
        centres = slice(self.fineness // 2, None, self.fineness)
        return self.classes[self.maps[rows][:, centres, centres]]


def synthesis(settings: Mapping) -> Synthesis:
    """The synthesis for settings of JSON's types: the fields of :class:`Synthesis`, ``labels`` as mappings."""
    built = {
        "labels": tuple(Label(**label) for label in settings["labels"]),
        "texture": Chance(**settings["texture"]),
        "changes": augmentation(settings["changes"]),
    }
    return Synthesis(**{**settings, **built})


def _steps(affine: torch.Tensor, size: Sequence[int], fineness: int) -> torch.Tensor:
    """From the centre of a pixel to each of N = ``fineness`` x ``fineness`` points in it: (N, B, 2), in half sides.

    Within a pixel the elastic deformation is taken as constant, which is right to about a tenth of the pixel.
    """
    rows, columns = size
    offsets = ((torch.arange(fineness) + 0.5) / fineness - 0.5).tolist()
    along, down = affine[:, :, 0] * 2 / columns, affine[:, :, 1] * 2 / rows
    return torch.stack([column * along + row * down for row in offsets for column in offsets])


def _bent(levels: torch.Tensor, steepness: torch.Tensor) -> torch.Tensor:
    """Levels (B, L) in [0, 1] on an increasing curve from 0 to 1 of pieces of this steepness (B, P), for each slice."""
    knots = functional.pad(steepness.cumsum(1), (1, 0)) / steepness.sum(1, keepdim=True)
    place = levels * steepness.shape[1]
    piece = place.long().clamp(max=steepness.shape[1] - 1)
    low, high = knots.gather(1, piece), knots.gather(1, piece + 1)
    return low + (place - piece) * (high - low)


def _look_up(table: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The number that each pixel's label has in a table of its slice: (B, 256), (B, H, W) -> (B, H, W)."""
    return table.gather(1, labels.flatten(1).long()).view(labels.shape)
