"""The page to read first, ``results/<study>/index.html``: the verdict in sentences, its figure, and links to the rest.

The page is self-contained: figures are inlined, and neither scripts nor a network are needed to read it.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import jinja2
import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from headstart.datasets.scan import image_title
from headstart.evaluate.significance import DIFFERENT, NO_DIFFERENCE
from headstart.evaluate.tables import BASELINE, LEVEL, metric_name
from headstart.report import needed_scans, verdict_figure
from headstart.report.html import listed
from headstart.report.sources import Shown
from headstart.report.wording import count
from headstart.training import plateau

# What all pages have in common, and this page.
_BASE, _PAGE = "page.html.jinja", "answer_page.html.jinja"
# Inches. The figures of three targets with six sources each fit in a window of 1400 x 900 pixels.
_WIDTH, _HEIGHT_OF_SOURCE, _HEIGHT_OF_AXIS, _LEAST_HEIGHT = 8.6, 0.21, 0.64, 1.4

_ZERO = " At 0 labelled scans: sources as they are pre-trained, which no gain or verdict includes."


def page(
    study: Mapping,
    verdict: pd.DataFrame,
    summary: pd.DataFrame,
    shown: pd.DataFrame,
    trainings: pd.DataFrame,
    needed: pd.DataFrame,
    backtest: pd.DataFrame,
    native: pd.DataFrame,
) -> str:
    """The page as HTML.

    Parameters
    ----------
    study
        Description of the study. ``name``; ``sources``: ``domain`` and ``task`` of each by name; ``datasets``: by name
        a mapping with ``synthetic`` (bool) and either ``images``, the number of natural images, ``heads``, that of
        label maps without a scan, or ``scans`` and ``subjects``; ``pretraining``: names of the datasets that the
        sources are trained on; ``overlaps``: a sentence for each thing that pre-training and test may have in common;
        ``targets``: by name a mapping with ``dataset``, ``sizes``, ``resamples``, ``tested``, the number of test
        scans, ``folds``, those of a cross-validation, and ``external``, the names of competitors from elsewhere;
        ``files``: by heading, paths relative to the page.
    verdict, summary
        The study's tables of these names.
    shown
        The numbers of the verdict figure, from :func:`headstart.report.verdict_figure.numbers`.
    trainings, needed, backtest, native
        The study's tables of these names.
    """
    sources = Shown(study["sources"])
    answers = [
        answer(row, shown, needed, backtest, sources) | {"design": _design(study, row["target"])}
        for row in verdict.to_dict("records")
    ]
    return rendered(
        _PAGE,
        name=study["name"],
        compared=_compared(study),
        synthetic=synthetic_note(study["datasets"], [target["dataset"] for target in study["targets"].values()]),
        overlaps=study["overlaps"],
        answers=answers,
        learning=learning_note(trainings),
        baseline=BASELINE,
        different=DIFFERENT,
        no_difference=NO_DIFFERENCE,
        tables=[score_table(summary, target, sources) for target in verdict["target"]],
        native=[native_sentence(native, target, sources) for target in verdict["target"]],
        files={heading: {Path(path).name: quote(path) for path in paths} for heading, paths in study["files"].items()},
    )


def rendered(template: str, folder: Path = Path(__file__).parent, **values: object) -> str:
    """A page as HTML, from the name of a template in a folder that fills the blocks of the common one."""
    places = {_BASE: Path(__file__).parent, template: folder}
    texts = {name: (place / name).read_text(encoding="utf-8") for name, place in places.items()}
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.DictLoader(texts),
    )
    return environment.get_template(template).render(values)


def synthetic_note(datasets: Mapping[str, Mapping], tested: Sequence[str]) -> str | None:
    """The warning about results on synthetic scans or images; None if all data of the study are real.

    ``tested``: the datasets of the targets.
    """
    names = [name for name, entry in datasets.items() if entry["synthetic"]]
    if not names:
        return None
    if len(names) == len(datasets):
        return "All scans and images of this study are synthetic. Its results say nothing about real scans."
    are = "is synthetic" if len(names) == 1 else "are synthetic"
    if not set(names) & set(tested):
        return f"{listed(names)} {are}, and used only for pre-training. All scores are on real scans."
    return f"{listed(names)} {are}. Results that depend on synthetic data say nothing about real scans."


def learning_note(trainings: pd.DataFrame) -> str | None:
    """The warning about fine-tunings still learning at their end, and about those not judged; None without either."""
    judged, unjudged, learning = (int(trainings[name].sum()) for name in ("judged", "unjudged", "still_learning"))
    sentences = []
    if learning:
        sentences.append(
            f"{learning} of {count(judged, 'judged fine-tuning')} {_were(learning)} still learning at the end: the "
            f"loss fell by more than {100 * plateau.STILL_LEARNING:g} % (tables/trainings.tsv). With more steps, "
            "differences between sources may change or vanish."
        )
    if 0 < learning < judged:
        sentences.append(
            "In the others the loss no longer fell at the last learning rate, which does not prove that longer "
            "trainings would gain nothing."
        )
    if unjudged:
        sentences.append(
            f"{count(unjudged, 'fine-tuning')} {_were(unjudged)} not judged, for having fewer than "
            f"{plateau.LEAST_EPOCHS} epochs: whether more steps would change the result is not known."
        )
    return " ".join(sentences) or None


def _were(amount: int) -> str:
    return "was" if amount == 1 else "were"


def _compared(study: Mapping) -> str:
    """The sources, and the data that they are trained on, in a sentence."""
    domains = {name: source["domain"] for name, source in study["sources"].items()}
    pretrained = [name for name, domain in domains.items() if domain not in ("baseline", "external")]
    data = [f"{name} ({_size(study['datasets'][name])})" for name in study["pretraining"]]
    if given := [source for source in pretrained if domains[source] == "other"]:
        data.append(f"data of others (weights from files: {', '.join(given)})")
    trained = f", pre-trained on {listed(data)}" if data else ""
    baseline = [f"{BASELINE} (random initialisation)"] if BASELINE in study["sources"] else []
    compared = [*baseline, f"{count(len(pretrained), 'source')}{trained}"] if pretrained else baseline
    if elsewhere := [name for name, domain in domains.items() if domain == "external"]:
        compared.append(f"masks that were made elsewhere ({listed(elsewhere)})")
    return f"Compared: {listed(compared)}."


def _design(study: Mapping, name: str) -> str:
    """The scans of one target, and how they are used, in a sentence."""
    target = study["targets"][name]
    sizes = sorted(size for size in target["sizes"] if size)
    scans, each = ("scan" if sizes == [1] else "scans"), (" each" if len(sizes) > 1 else "")
    folds, tested = target.get("folds"), target["tested"]
    tested = f"all {tested} by {folds}-fold cross-validation" if folds else tested
    images = [image_title(image) for image in target.get("images", ())]
    seen = f"networks see {listed(images)} images; " if images else ""
    elsewhere = ""
    if target.get("external"):
        elsewhere = (
            f" Compared on the scans' own grids, with masks that were made elsewhere ({listed(target['external'])})."
        )
    return (
        f"Dataset {target['dataset']} ({_size(study['datasets'][target['dataset']])}): {seen}fine-tuned on "
        f"{listed(sizes)} labelled {scans}, {count(target['resamples'], 'resample')}{each}; tested on {tested}."
        f"{elsewhere}{_ZERO if 0 in target['sizes'] else ''}"
    )


def _size(dataset: Mapping) -> str:
    kind = "synthetic " if dataset["synthetic"] else ""
    if "heads" in dataset:
        return count(dataset["heads"], f"{kind}head")
    if "images" in dataset:
        return count(dataset["images"], f"{kind or 'natural '}image")
    scans = "" if dataset["scans"] == dataset["subjects"] else f", {count(dataset['scans'], 'scan')}"
    return count(dataset["subjects"], f"{kind}subject") + scans


def answer(
    row: Mapping, shown: pd.DataFrame, needed: pd.DataFrame, backtest: pd.DataFrame, sources: Shown
) -> dict[str, str | None]:
    """One target's sentences, figure and description of the figure; without a comparison there is no figure.

    ``row``: its row of the table ``verdict``; the others: as in :func:`page`, of all targets.
    """
    target, sentence = row["target"], row["sentence"]
    shown, needed, backtest = (table[table["target"] == target] for table in (shown, needed, backtest))
    start = f"{target}: " if sentence.startswith(f"{target}: ") else ""
    text = {"start": start.rstrip(), "rest": sentence.removeprefix(start)}
    text["needed"] = needed_scans.sentence(needed, backtest, sources.baseline)
    if shown.empty:
        return text | {"figure": None, "alt": None}
    return text | {"figure": inlined(figure(shown, sources)), "alt": _alt(row, shown, sources)}


def figure(shown: pd.DataFrame, sources: Shown) -> bytes:
    """One target's part of the verdict figure, without its sentence, as SVG.

    ``shown``: its rows of :func:`headstart.report.verdict_figure.numbers`.
    """
    height = max(len(shown) * _HEIGHT_OF_SOURCE + _HEIGHT_OF_AXIS, _LEAST_HEIGHT)
    drawn = plt.figure(figsize=(_WIDTH, height), layout="constrained")
    verdict_figure.draw_target(drawn, shown, sources)
    return as_svg(drawn)


def as_svg(drawn: plt.Figure, **options: object) -> bytes:
    """A figure as SVG, equal figures in equal bytes; the figure is closed. ``options``: of matplotlib's savefig."""
    written = io.BytesIO()
    # A fixed salt and no date.
    with matplotlib.rc_context({"svg.hashsalt": "headstart"}):
        drawn.savefig(written, format="svg", metadata={"Date": None, "Creator": None}, **options)
    plt.close(drawn)
    return written.getvalue()


def inlined(svg: bytes) -> str:
    """An SVG as the address of an image, which holds all of it."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def _alt(row: Mapping, shown: pd.DataFrame, sources: Shown) -> str:
    """The figure in words, for readers who cannot see it."""
    gains = [
        f"{r['source']} {r['gain']:+.3f}{_interval(r['low'], r['high'], '+.3f')}" for r in shown.to_dict("records")
    ]
    return (
        f"Figure for target {row['target']}: gain of each source over {sources.baseline} in "
        f"{metric_name(row['metric'])} with 95 % confidence interval: {'; '.join(gains)}."
    )


def score_table(summary: pd.DataFrame, target: str, sources: Shown) -> dict:
    """The mean scores of one target over whole volumes, with their 95 % confidence intervals, as text.

    ``rows``: by source, one cell per set size with ``score``, ``interval`` and ``best`` (no source has a higher score);
    None without a score.
    """
    part = summary[(summary["target"] == target) & (summary["level"] == LEVEL)]
    sizes = sorted(part["size"].unique())
    highest = part.groupby("size")["score"].max()
    known = part.set_index(["source", "size"])
    rows = {
        source: [_cell(known.loc[(source, size)], highest[size]) if (source, size) in known.index else None
                 for size in sizes]
        for source in sources.in_order(part["source"])
    }  # fmt: skip
    metric = metric_name(part["metric"].iloc[0]) if len(part) else ""
    return {"target": target, "metric": metric, "sizes": sizes, "rows": rows}


def native_sentence(native: pd.DataFrame, target: str, sources: Shown) -> str:
    """The highest mean Dice of a target on the scans' own grids, and what the study's grid allows, in a sentence."""
    rows = native[(native["target"] == target) & native["dice_native"].notna()]
    if rows.empty:
        return f"{target}: the Dice on the scans' own grids is not known."
    best = rows.loc[rows["dice_native"].idxmax()]
    interval = _interval(best["dice_native_low"], best["dice_native_high"], ".3f")
    on_sets = f" with {count(best['size'], 'labelled scan')}" if sources.trained(best["source"]) else ""
    return (
        f"{target}: on the scans' own grids, against the labels as they were drawn, the highest mean is Dice "
        f"{best['dice_native']:.3f}{interval}, of {best['source']}{on_sets}; the "
        f"study's grid allows {best['ceiling_dice']:.3f} (tables/native.tsv)."
    )


def _cell(row: pd.Series, highest: float) -> dict | None:
    if np.isnan(row["score"]):
        return None
    interval = _interval(row["low"], row["high"], ".3f")
    return {"score": f"{row['score']:.3f}", "interval": interval, "best": row["score"] == highest}


def _interval(low: float, high: float, form: str) -> str:
    return "" if np.isnan(low) else f" [{low:{form}}, {high:{form}}]"
