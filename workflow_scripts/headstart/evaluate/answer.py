"""Every table of the statistics from a table of scores: the same for the workflow and for scores from elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import pandas as pd

from headstart.evaluate import comparisons, learning_curves, needed, score_table, tables, verdict
from headstart.evaluate.tables import BASELINE, Cell
from headstart.job import UserError
from headstart.seeds import seed_for

THESE, POPULATION = "these", "population"


@dataclass(frozen=True)
class Question:
    """What is asked of a table of scores, by default as in ``config.yaml``.

    Attributes
    ----------
    baseline
        Name of the source that the others are compared with.
    metric
        What the scores are: ``dice``, ``miou``, or a name for readers.
    margin
        Largest difference of two mean scores that makes no difference to you, above 0.
    training_scans
        Whether results concern training sets of these scans ("these"), or of any scans like them ("population").
    pool
        Number of scans that the training sets are drawn from; required for the population.
    wanted, have
        A score to reach, and the labelled scans at hand.
    draws, seed
        Number of bootstrap draws, and the seed of all random numbers.
    """

    baseline: str = BASELINE
    metric: str = "dice"
    margin: float = 0.02
    training_scans: str = THESE
    pool: int | None = None
    wanted: float | None = None
    have: int | None = None
    draws: int = 10_000
    seed: int = 2022


@dataclass(frozen=True)
class Answer:
    """The tables that answer a question, as the workflow writes them (docs/statistics.md has their columns)."""

    verdict: pd.DataFrame
    saved: pd.DataFrame
    gains: pd.DataFrame
    comparisons: pd.DataFrame
    curves: pd.DataFrame
    needed: pd.DataFrame
    backtest: pd.DataFrame
    summary: pd.DataFrame

    @property
    def sentences(self) -> dict[str, str]:
        """The verdict on each target in words."""
        return dict(zip(self.verdict["target"], self.verdict["sentence"], strict=True))

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def answer(scores: pd.DataFrame, question: Question, name: str = "the table of scores") -> Answer:
    """Compare the sources of a table of scores with the baseline.

    Parameters
    ----------
    scores
        One row per source, set size, resample and scan: columns source, size, resample, scan and score, from 0 to 1,
        and target if there are several. Rows with neither size nor resample are those of a source that is not trained.
        See :func:`headstart.evaluate.score_table.collect`.
    question
        What is asked.
    name
        What errors call the table.

    Raises
    ------
    UserError
        If the table cannot be compared as it is, or the question does not fit it.
    """
    collected, roles = score_table.collect(scores, question.baseline, question.metric, name)
    targets = list(collected["target"].unique())
    pools = {} if question.pool is None else dict.fromkeys(targets, question.pool)
    _check(question, int(collected["size"].max()))
    population = pools if question.training_scans == POPULATION else {}
    # The workflow's: equal scores have equal tables.
    seed = seed_for(question.seed, "bootstrap")
    cells = list(tables.cells(collected, question.draws, seed, population, roles))
    aims = dict.fromkeys(targets, {"wanted": question.wanted, "have": question.have})
    return Answer(
        **compared(cells, question.margin, pools, question.training_scans),
        **forecasts(cells, aims, seed),
        summary=tables.summary(cells),
    )


def compared(
    cells: Sequence[Cell], margin: float, pools: Mapping[str, int], training_scans: str
) -> dict[str, pd.DataFrame]:
    """The tables verdict, saved, gains, comparisons and curves; arguments as in :func:`verdict.verdict`."""
    pairs, saved = comparisons.compare(cells), learning_curves.saved(cells)
    return {
        "verdict": verdict.verdict(cells, pairs, saved, margin, pools, training_scans),
        "saved": learning_curves.of_several_sizes(saved),
        "gains": comparisons.gains(pairs, cells[0].baseline),
        "comparisons": pairs,
        "curves": learning_curves.laws(cells),
    }


def forecasts(
    cells: Sequence[Cell], aims: Mapping[str, Mapping[str, float | None]], seed: int
) -> dict[str, pd.DataFrame]:
    """The tables needed and backtest; arguments as in :func:`needed.needed`."""
    return {"needed": needed.needed(cells, aims, seed), "backtest": needed.backtest(cells, seed)}


def _check(question: Question, largest: int) -> None:
    """Raise :class:`UserError` for a question that a table with sets of at most ``largest`` scans cannot answer."""
    if not 0 < question.margin <= 1:
        raise UserError(f"margin is {question.margin:g}; give a difference of scores above 0 and at most 1.")
    if question.training_scans not in (THESE, POPULATION):
        raise UserError(f"training_scans is {question.training_scans!r}; give {THESE} or {POPULATION}.")
    population = question.training_scans == POPULATION
    if question.pool is None and population:
        raise UserError("training_scans is population without pool; give the number of scans that sets are drawn from.")
    least = largest + 1 if population else largest
    if question.pool is not None and question.pool < least:
        raise UserError(
            f"pool is {question.pool}, and the largest training set has {largest} scans; give the number of scans that "
            f"sets are drawn from, {least} or more."
        )
    if question.wanted is not None and not 0 < question.wanted <= 1:
        raise UserError(f"wanted is {question.wanted:g}; give a score above 0 and at most 1.")
    if question.have is not None and question.have < 0:
        raise UserError(f"have is {question.have}; give a number of labelled scans, 0 or more.")
