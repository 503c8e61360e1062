"""Scores on the scans' own grids: predictions carried back, and what the study's grid lets any of them reach there."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from headstart import images
from headstart.evaluate import tables
from headstart.images import Grid, Volume
from headstart.metrics import lesions, overlap
from headstart.metrics.overlap import Empty, Metric
from headstart.slices import cut

_RUN = ["target", "source", "size"]


@dataclass(frozen=True)
class Place:
    """Where the slices of a scan come from.

    ``grid``: the study's, in template space; ``transform``: (4, 4) from RAS+ mm of the template to RAS+ mm of the scan;
    ``size``, ``discard_mm``: see :func:`headstart.slices.cut.cut`.
    """

    grid: Grid
    transform: np.ndarray
    size: int
    discard_mm: Mapping[str, float]

    def carried_back(self, slices: np.ndarray, own: Grid) -> np.ndarray:
        """Labels of slices (N, size, size) on a scan's own grid, as new scans are segmented.

        As :func:`headstart.predict.segment.segment` does; background where slices were discarded.
        """
        in_template = cut.restore(slices, self.grid, self.discard_mm)
        return images.resample_labels(in_template, own, np.linalg.inv(self.transform)).data


@dataclass(frozen=True)
class Truth:
    """The manual labels of a scan, with which its predictions are compared over the whole volume.

    ``own``, ``moved``: labels 0 .. classes-1 on the scan's own grid and on the study's; ``place``: where its slices
    come from; ``classes``: number of classes, background included; ``metric``, ``empty``: see
    :func:`headstart.metrics.overlap.volume_score`.
    """

    own: Volume
    moved: Volume
    place: Place
    classes: int
    metric: Metric
    empty: Empty

    @cached_property
    def slices(self) -> np.ndarray:
        """The labels of the scan's slices, (N, size, size)."""
        return cut.cut(self.moved, self.place.size, self.place.discard_mm)

    @cached_property
    def ceiling(self) -> float:
        """The Dice on the scan's own grid of the labels on the study's, in place of a prediction."""
        return self._dice(self.place.carried_back(self.slices, self.own.grid), self.own.data)

    def score(self, slices: np.ndarray, found: np.ndarray) -> dict[str, float]:
        """The scores of a prediction: labels (N, size, size) of the slices, and the same on the scan's own grid.

        The Dice, averaged over the foreground classes in either mask: ``dice`` on the study's grid, ``dice_native`` on
        the scan's own, and :attr:`ceiling` as ``ceiling_dice``; and ``score``, the metric on the scan's own grid.
        """
        return {
            "dice": self._dice(slices, self.slices),
            "dice_native": self._dice(found, self.own.data),
            "ceiling_dice": self.ceiling,
            "score": overlap.volume_score(found, self.own.data, self.classes, self.metric, self.empty),
        }

    def lesions(self, found: np.ndarray, scan: str) -> pd.DataFrame:
        """Lesions and false positives of a prediction on the scan's own grid, of all classes but the background.

        See :func:`headstart.metrics.lesions.of_scan`; 26-connected alone, since the slices are the study's.
        """
        return lesions.of_scan(found, self.own.data, self.own.grid.voxel_ml, scan, (lesions.WHOLE,))

    def _dice(self, found: np.ndarray, truth: np.ndarray) -> float:
        return overlap.volume_score(found, truth, self.classes, "dice", "skip")


def replaced(collected: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    """The table of :func:`headstart.evaluate.tables.collect` with the scores of whole volumes on the scans' own grids.

    ``scored``: columns target, source, size, resample, scan and score (:meth:`Truth.score`), of all runs of some
    targets; the rows of others stay.
    """
    key = [*tables.RUN, "scan"]
    own = collected[key].merge(scored[[*key, "score"]], on=key, how="left", indicator=True)
    # merge gives rows a new index.
    of_volume = (collected["level"].to_numpy() == tables.LEVEL) & (own["_merge"] == "both").to_numpy()
    found = own["score"].to_numpy()[of_volume]
    result = collected.copy()
    result.loc[of_volume, "total"] = np.nan_to_num(found)
    result.loc[of_volume, "count"] = np.isfinite(found).astype(int)
    return result


def summary(scored: pd.DataFrame, draws: int, seed: int, population: Mapping[str, int]) -> pd.DataFrame:
    """The mean Dice of each source on the scans' own grids.

    ``scored``: columns target, source, size, resample, scan, and those of :meth:`Truth.score`. Other arguments as for
    :func:`headstart.evaluate.tables.cells`. Columns: target, source, size, resamples, scans, then the means over scans
    and resamples of ``dice``, ``dice_native`` with its 95 % confidence interval (``_low``, ``_high``), and
    ``ceiling_dice``.
    """
    known = {"metric": "dice", "level": tables.LEVEL, "count": scored["dice_native"].notna().astype(int)}
    found = tables.summary(
        tables.cells(scored.assign(total=scored["dice_native"].fillna(0), **known), draws, seed, population)
    )
    named = {"score": "dice_native", "low": "dice_native_low", "high": "dice_native_high"}
    means = scored.groupby(_RUN)[["dice", "ceiling_dice"]].mean().reset_index()
    joined = found.rename(columns=named).merge(means, on=_RUN).sort_values(_RUN, ignore_index=True)
    return joined[[*_RUN, "resamples", "scans", "dice", *named.values(), "ceiling_dice"]]
