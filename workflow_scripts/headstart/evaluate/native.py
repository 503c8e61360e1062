"""Scores on the scans' own grids: predictions carried back, and what the study's grid lets any of them reach there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from headstart import images
from headstart.evaluate import tables
from headstart.images import Grid, Volume
from headstart.metrics import overlap
from headstart.metrics.overlap import Empty, Metric
from headstart.slices import cut

MEASURES = ("dice", "dice_native", "ceiling_dice")
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


def score(
    predictions: Iterable[tuple[np.ndarray, np.ndarray]],
    native: Volume,
    moved: Volume,
    place: Place,
    classes: int,
    metric: Metric,
    empty: Empty,
) -> list[dict[str, float]]:
    """The scores of each prediction of one scan over its whole volume.

    Parameters
    ----------
    predictions
        Labels (N, size, size) of the scan's slices, and the same labels on the scan's own grid.
    native, moved
        Its manual labels 0 .. classes-1, on its own grid and on the study's.
    place
        Where the slices come from.
    classes
        Number of classes, including the background.
    metric, empty
        See :func:`headstart.metrics.overlap.volume_score`.

    Returns
    -------
    list of dict
        Of each prediction: the Dice, averaged over the foreground classes in either mask: ``dice`` on the study's grid,
        ``dice_native`` on the scan's own, and ``ceiling_dice``, that of ``moved`` in place of the prediction; and
        ``score``, the ``metric`` on the scan's own grid.
    """

    def dice(found: np.ndarray, truth: np.ndarray) -> float:
        return overlap.volume_score(found, truth, classes, "dice", "skip")

    truth = cut.cut(moved, place.size, place.discard_mm)
    ceiling = dice(place.carried_back(truth, native.grid), native.data)
    return [
        {
            "dice": dice(slices, truth),
            "dice_native": dice(found, native.data),
            "ceiling_dice": ceiling,
            "score": overlap.volume_score(found, native.data, classes, metric, empty),
        }
        for slices, found in predictions
    ]


def replaced(collected: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    """The table of :func:`headstart.evaluate.tables.collect` with the scores of whole volumes on the scans' own grids.

    ``scored``: columns target, source, size, resample, scan and score (:func:`score`), of all runs of some targets; the
    rows of others stay.
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

    ``scored``: columns target, source, size, resample, scan, and those of :func:`score`. Other arguments as for
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
