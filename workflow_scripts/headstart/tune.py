"""The learning rate of each source's fine-tuning, chosen on scans that no test set has.

Every source has the same number of tries, on the same scans and seeds, so that none is handicapped by a learning rate
that suits another. The choice is made once per target, before any model is evaluated.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from headstart.finetune import FinetuneSettings, Paths, TrainingSet, finetune
from headstart.job import UserError, logger, read_table
from headstart.metrics.overlap import Metric, volume_score
from headstart.networks.start import Start
from headstart.slices import store
from headstart.training.loop import predict
from headstart.training.trainer import DivergedError

if TYPE_CHECKING:
    import pandas as pd

# A training set, and the positions of the scans on which it is validated.
Draw = tuple[TrainingSet, Sequence[int]]


def tries(
    start: Start,
    image_paths: Paths,
    label_paths: Paths,
    draws: Mapping[float, Sequence[Draw]],
    settings: FinetuneSettings,
    metric: Metric,
    *,
    device: str = "auto",
) -> Iterator[dict]:
    """Fine-tune a source with each learning rate on each draw, and score it on the draw's validation scans.

    Parameters
    ----------
    start
        Weights of the source.
    image_paths, label_paths, device
        See :func:`headstart.finetune.finetune`.
    draws
        For each learning rate, which replaces that of ``settings``, the same training and validation sets.
    settings
        See :class:`headstart.finetune.FinetuneSettings`.
    metric
        That of the target, by which rates are compared.

    Yields
    ------
    dict
        learning_rate, draw (from 1) and score, of all validation slices together
        (:func:`headstart.metrics.overlap.volume_score`; a class that neither ground truth nor prediction has scores 1).
        It is NaN for a draw whose training diverges; those after it then have no row.
    """
    for rate, sets in draws.items():
        tuned = finetune(
            [start] * len(sets),
            image_paths,
            label_paths,
            [training_set for training_set, _ in sets],
            at_rate(settings, rate),
            device=device,
        )
        for number, (_, held_out) in enumerate(sets, start=1):
            try:
                model, _ = next(tuned)
            except DivergedError as error:
                logger.warning("learning rate %g, draw %d: %s", rate, number, error)
                yield {"learning_rate": rate, "draw": number, "score": float("nan")}
                break
            images, truth = store.join_pairs(
                *(store.of_scans(paths, held_out, len(label_paths)) for paths in (image_paths, label_paths)),
                settings.architecture.images,
            )
            seen = settings.channels.rows(truth.lengths)
            found = predict(model, images, seen=seen, precision=settings.training.precision, device=device)
            # A rate that rightly finds nothing must not lose to one that finds something.
            score = volume_score(found, truth[:], len(settings.classes), metric, "one")
            yield {"learning_rate": rate, "draw": number, "score": score}


def at_rate(settings: FinetuneSettings, learning_rate: float) -> FinetuneSettings:
    """The same settings with another learning rate."""
    return replace(settings, training=replace(settings.training, learning_rate=learning_rate))


def summary(rows: "pd.DataFrame") -> "pd.DataFrame":
    """The mean score of each learning rate, with ``chosen`` true for the best; of equal ones for the lowest.

    ``rows``: those of :func:`tries`. A rate with a draw that diverged is not chosen. Raises :class:`UserError` if no
    rate is left.
    """
    means = rows.groupby("learning_rate", as_index=False)["score"].agg(lambda scores: scores.mean(skipna=False))
    if means["score"].isna().all():
        raise UserError("trainings diverge at every learning rate of finetune.learning_rates; lower these rates.")
    return means.assign(chosen=means.index == means["score"].idxmax())


def best(table: "pd.DataFrame") -> float:
    """The learning rate that a table of :func:`summary` has chosen."""
    return float(table.loc[table["chosen"], "learning_rate"].item())


def chosen(path: str | os.PathLike) -> float:
    """The learning rate that was chosen, from a file with a table of :func:`summary`."""
    return best(read_table(path))
