"""Tables, figure and page of a comparison of finished studies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import pandas as pd
from matplotlib import pyplot as plt

from headstart import job
from headstart.compare import shared, words
from headstart.compare.files import FIGURES, FILES, PAGE, SETTINGS, TABLES
from headstart.compare.pairs import Compared, label
from headstart.compare.shared import Shared
from headstart.evaluate.tables import metric_name
from headstart.report import answer_page, figures, scan_pictures
from headstart.report.html import listed
from headstart.report.sources import UNTRAINED, Shown, Style
from headstart.report.wording import count

_PAGE = "compare_page.html.jinja"
_MARKERS = "osDv^Pph"
# Inches.
_SHAPE = (7.6, 4.6)
# Longest value of a setting on the page, in characters.
_LONGEST = 60


@dataclass(frozen=True)
class Answer:
    """The comparison on one target; ``margin``: largest difference that makes none to the user."""

    found: Shared
    compared: Compared
    margin: float

    @property
    def studies(self) -> list[str]:
        """The names of the studies."""
        return [part.study for part in self.found.parts]

    @property
    def overview(self) -> list[str]:
        """The sentences that sum up several sources."""
        return words.overview(self.compared)

    @property
    def said(self) -> dict[str, list[str]]:
        """The sentences, by heading."""
        return words.sentences(self.compared, self.margin)


@dataclass(frozen=True)
class OfStudies(Shown):
    """The sources of several studies: each source has a colour, and each study a marker."""

    def style(self, source: str) -> Style:
        """Colour and marker of a source of a study, named by :func:`headstart.compare.pairs.label`."""
        # Names have no colon.
        named = [known.split(": ") for known in self.known]
        studies, names = (list(dict.fromkeys(each)) for each in zip(*named, strict=True))
        study, name = source.split(": ")
        colours = Shown({each: {"domain": "other", "task": None} for each in names})
        return Style(colours.style(name).color, _MARKERS[studies.index(study) % len(_MARKERS)])


def write(folder: Path, answers: Sequence[Answer]) -> None:
    """Write :data:`headstart.compare.files.FILES` into a folder: page, tables and figure of all targets."""
    for name in TABLES:
        tables = [getattr(answer.compared, name) for answer in answers]
        job.write_table(folder / f"{name}.tsv", pd.concat(tables, ignore_index=True))
    job.write_table(folder / SETTINGS, _settings(answers))
    scan_pictures.save_all(figure(answers), [folder / name for name in FIGURES])
    job.write_text(folder / PAGE, page(answers))


def figure(answers: Sequence[Answer]) -> plt.Figure:
    """The learning curves of all studies on the shared test scans, one panel per target."""
    summary, runs = (pd.concat([getattr(answer.compared, name) for answer in answers]) for name in ("summary", "runs"))
    headlines = {
        answer.found.target: f"{count(answer.found.scans, 'test scan')} of {listed(answer.studies)}"
        for answer in answers
    }
    return figures.learning_curves(runs, summary, headlines, _sources(answers))


def page(answers: Sequence[Answer]) -> str:
    """The page as HTML; figures are inlined."""
    summary = pd.concat([answer.compared.summary for answer in answers])
    settings = _settings(answers).map(lambda value: value if len(value) <= _LONGEST else f"{value[:_LONGEST]} ...")
    return answer_page.rendered(
        _PAGE,
        Path(__file__).parent,
        studies=listed(dict.fromkeys(study for answer in answers for study in answer.studies)),
        notes=list(dict.fromkeys(note for answer in answers for note in answer.found.notes)),
        answers=[_answer(answer, several=len(answers) > 1) for answer in answers],
        tables=[answer_page.score_table(summary, answer.found.target, _sources(answers)) for answer in answers],
        settings={"columns": list(settings.columns), "rows": settings.to_numpy().tolist()},
        files=[name for name in FILES if name != PAGE],
    )


def _answer(answer: Answer, several: bool) -> dict:
    """What the page shows of one target; ``several``: whether there are others."""
    found, compared = answer.found, answer.compared
    start = f"{found.target}, " if several else ""
    means = [
        f"{row.source} with {row.size} {row.score:.3f}" for row in compared.summary.sort_values("size").itertuples()
    ]
    return {
        "overview": [f"{found.target}: {said}" if several else said for said in answer.overview],
        "said": {f"{start}{heading}": said for heading, said in answer.said.items()},
        "unmatched": words.unmatched(found, compared),
        "design": words.design(found, compared),
        "figure": answer_page.inlined(_svg(answer)),
        "alt": f"Learning curves on {found.target}: mean {metric_name(found.metric)} by labelled scans. "
        f"{'; '.join(means)}.",
    }


def _svg(answer: Answer) -> bytes:
    """One target's part of the figure, in the shape of the page's right half, with all of its legend."""
    drawn = figure([answer])
    drawn.set_size_inches(_SHAPE)
    return answer_page.as_svg(drawn, bbox_inches="tight")


def _settings(answers: Sequence[Answer]) -> pd.DataFrame:
    """The settings in which the studies differ, see :func:`headstart.compare.shared.differences`."""
    parts = {part.study: part for answer in answers for part in answer.found.parts}
    # Studies that call a target differently are compared on that one alone.
    return shared.differences(parts.values(), whole=len({part.target for part in answers[0].found.parts}) == 1)


def _sources(answers: Sequence[Answer]) -> OfStudies:
    """The sources of all studies, as :func:`headstart.compare.pairs.label` names them."""
    parts = [part for answer in answers for part in answer.found.parts]
    named = dict.fromkeys(name for answer in answers for name in answer.compared.summary["source"])
    untrained = {label(part.study, source) for part in parts for source in part.untrained}
    return OfStudies({name: {"domain": "other", "task": UNTRAINED if name in untrained else None} for name in named})
