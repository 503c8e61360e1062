"""A verdict on anyone's table of scores (docs/statistics.md).

    PYTHONPATH=workflow_scripts python -m headstart.verdict scores.csv --baseline scratch --out answer

prints the verdict in sentences, and writes its tables, its figure and a page into a folder.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from headstart import job
from headstart.evaluate import score_table
from headstart.evaluate.answer import POPULATION, THESE, Answer, Question, answer
from headstart.job import UserError
from headstart.report import scan_pictures, verdict_page

PAGE = "index.html"
FIGURES = ("verdict.png", "verdict.svg")


def write(folder: Path, found: Answer, name: str, baseline: str) -> Path:
    """Write tables, figure and page into a folder, which is made if need be; returns the page.

    ``name``: of the table of scores; ``baseline``: the source that the others are compared with. Raises
    :class:`UserError` if the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table, rows in found.tables().items():
            job.write_table(folder / f"{table}.tsv", rows)
        scan_pictures.save_all(verdict_page.figure(found, baseline), [folder / figure for figure in FIGURES])
        files = [f"{table}.tsv" for table in found.tables()]
        job.write_text(folder / PAGE, verdict_page.page(name, found, baseline, files))
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}); name another folder with --out.") from None
    return folder / PAGE


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    options = _parser().parse_args(arguments)
    keys = ("baseline", "metric", "margin", "training_scans", "pool", "wanted", "have", "seed")
    question = Question(**{key: getattr(options, key) for key in keys})
    try:
        table = score_table.read(options.table, _named(options.columns))
        found = answer(table, question, str(options.table))
        for said in verdict_page.sentences(found, question.baseline).values():
            print("\n".join(said))
        if options.out:
            print(f"wrote {write(options.out, found, options.table.name, question.baseline)}")
    except UserError as error:
        sys.exit(f"headstart: verdict: {error}")


def _parser() -> argparse.ArgumentParser:
    usual = Question()
    parser = argparse.ArgumentParser(
        prog="python -m headstart.verdict",
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("table", type=Path, help="CSV or TSV with the columns source, size, resample, scan and score")
    parser.add_argument("--columns", default="", help="names of columns in the table, such as source=method,score=dice")
    parser.add_argument("--out", type=Path, help="folder for tables, figure and page; without it none is written")
    parser.add_argument("--baseline", default=usual.baseline, help="source that the others are compared with")
    parser.add_argument("--metric", default=usual.metric, help="what the scores are: dice, miou or another name")
    parser.add_argument("--margin", type=float, default=usual.margin, help="largest difference that makes none to you")
    parser.add_argument(
        "--training-scans",
        choices=(THESE, POPULATION),
        default=usual.training_scans,
        help="whether results concern training sets of these scans, or of any scans like them",
    )
    parser.add_argument("--pool", type=int, help="number of scans that training sets are drawn from")
    parser.add_argument("--wanted", type=float, help="a score to reach")
    parser.add_argument("--have", type=int, help="labelled scans at hand")
    parser.add_argument("--seed", type=int, default=usual.seed, help="of the bootstrap draws")
    return parser


def _named(columns: str) -> dict[str, str]:
    """The names of columns in the table by headstart's; raises UserError."""
    pairs = [pair.partition("=") for pair in columns.split(",")] if columns else []
    if not all(own.strip() and sign and other.strip() for own, sign, other in pairs):
        raise UserError(f"--columns is {columns!r}; write pairs such as source=method,score=dice.")
    named = {own.strip(): other.strip() for own, _, other in pairs}
    if len(named) < len(pairs):
        raise UserError(f"--columns is {columns!r} and names a column twice; name each once.")
    return named


if __name__ == "__main__":
    main()
