"""The verdict on a table of scores that were computed elsewhere, as figure and as a page by itself."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib import pyplot as plt

from headstart.evaluate.answer import Answer
from headstart.evaluate.significance import DIFFERENT, NO_DIFFERENCE
from headstart.evaluate.verdict_words import scans
from headstart.report import answer_page, needed_scans, verdict_figure
from headstart.report.html import listed
from headstart.report.sources import Shown
from headstart.report.wording import count

_PAGE = "verdict_page.html.jinja"


def page(name: str, found: Answer, baseline: str, files: Sequence[str]) -> str:
    """The page as HTML: the verdict in sentences, its figure and the mean scores; figures are inlined.

    ``name``: of the table of scores; ``baseline``: the source that the others are compared with; ``files``: names of
    the tables beside the page.
    """
    sources, shown = _shown(found, baseline)
    return answer_page.rendered(
        _PAGE,
        name=name,
        baseline=baseline,
        different=DIFFERENT,
        no_difference=NO_DIFFERENCE,
        answers=[
            answer_page.answer(row, shown, found.needed, found.backtest, sources) | {"design": _design(row, found)}
            for row in found.verdict.to_dict("records")
        ],
        tables=[answer_page.score_table(found.summary, target, sources) for target in found.sentences],
        files=files,
    )


def figure(found: Answer, baseline: str) -> plt.Figure:
    """The figure of the verdict on all targets, :func:`headstart.report.verdict_figure.figure`."""
    sources, shown = _shown(found, baseline)
    return verdict_figure.figure(shown, found.sentences, sources)


def sentences(found: Answer, baseline: str) -> dict[str, list[str]]:
    """For each target, its verdict, and the labelled scans that it needs."""
    return {
        target: [
            said,
            needed_scans.sentence(
                *(table[table["target"] == target] for table in (found.needed, found.backtest)), baseline
            ),
        ]
        for target, said in found.sentences.items()
    }


def _shown(found: Answer, baseline: str) -> tuple[Shown, pd.DataFrame]:
    """How the sources are presented, and the numbers of the figure."""
    names = sorted(found.summary["source"].unique())
    sources = Shown({name: {"domain": "baseline" if name == baseline else "other", "task": None} for name in names})
    return sources, verdict_figure.numbers(found.verdict, found.comparisons, found.saved, sources)


def _design(row: Mapping, found: Answer) -> str:
    """The scores of one target in a sentence."""
    target = row["target"]
    compared, trained = (set(table.loc[table["target"] == target, "source"]) for table in (found.summary, found.curves))
    sizes = str(row["sizes"]).split(", ")
    sets = f"{listed(sizes)} labelled scans, {count(row['resamples'], 'resample')} each"
    if len(sizes) == 1:
        sets = f"{scans(sizes[0])}, {count(row['resamples'], 'resample')}"
    untrained = sorted(compared - trained)
    fixed = f" Not trained on any set: {listed(untrained)}." if untrained else ""
    return f"Trained on {sets}; tested on {count(row['scans'], 'scan')}.{fixed}"
