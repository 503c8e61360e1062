"""Tables of scores that were computed elsewhere: read, checked, and brought into the form of the workflow's.

Differences are paired, so that every source must have scores of the same scans in the same resamples. A table in which
they do not is an error: a mean over what happens to be there compares other things than the sources.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from headstart.datasets import delimited
from headstart.evaluate.tables import COLLECTED, LEVEL, Roles
from headstart.job import UserError

COLUMNS = ("source", "size", "resample", "scan", "score")
TARGET = "target"
# The target of a table without that column. It is part of the seeds.
ONLY_TARGET = "segmentation"
# What separates names in the tables' lists of sources, and what a figure takes for the beginning of a formula.
_RESERVED = (", ", "; ", ": ", "$")
_DRAW = ["size", "resample"]
# Whole numbers below it are exact as floats.
_LARGEST = 2**53


def read(path: Path, named: Mapping[str, str]) -> pd.DataFrame:
    """The rows of a CSV or TSV file as text, (rows, columns).

    ``named``: the file's names of columns by those of :data:`COLUMNS` and ``target``, where they differ. Raises
    :class:`UserError` if the file cannot be read, or has no such column.
    """
    if not path.is_file():
        raise UserError(f"{path} is not a file; give the path of a table of scores, .csv or .tsv.")
    header, rows = delimited.read(path)
    if not rows:
        raise UserError(f"{path} has no rows; add the names of the columns, and a row per source, resample and scan.")
    for column in header:
        if header.count(column) > 1:
            raise UserError(f"{path} has several columns {column or 'without a name'}; rename or remove all but one.")
    for own, other in named.items():
        if own not in (*COLUMNS, TARGET):
            raise UserError(f"there is no column {own} to name; columns are {', '.join((*COLUMNS, TARGET))}.")
        if other not in header:
            raise UserError(f"{path} has no column {other}, only {', '.join(header)}; name one of these for {own}.")
    for number, row in enumerate(rows, 1):
        if None in row:
            raise UserError(f"row {number} of {path} has more values than there are columns; correct or quote them.")
    _check_commas(header, rows, named, path)
    # A column that is not asked for must not stand in for one that is.
    kept = {other: own for own, other in named.items()}
    columns = {column: kept.get(column, column) for column in header if column in kept or column not in named}
    return pd.DataFrame(rows, columns=list(columns)).fillna("").rename(columns=columns)


def _check_commas(header: list[str], rows: list[dict], named: Mapping[str, str], path: Path) -> None:
    """Raise UserError where decimal commas seem to have split scores: 0,63 as a score of 0 and 63 beside it."""
    score, known = named.get("score", "score"), {named.get(own, own) for own in (*COLUMNS, TARGET)}
    beside = header[header.index(score) + 1 :][:1] if score in header else []
    if not beside or beside[0] in known:
        return
    pairs = [(row.get(score, ""), row.get(beside[0], "")) for row in rows]
    split = [pair for pair in pairs if pair[0] in ("0", "1") and pair[1].isdecimal()]
    intact = [pair for pair in pairs if pair[0] not in ("0", "1") and not pair[1]]
    if split and len(split) + len(intact) == len(pairs):
        one, other = split[0]
        raise UserError(
            f"row {pairs.index(split[0]) + 1} of {path} has the score {one} and then {other}, as if a decimal comma "
            "had been split; write decimal points, or semicolons between columns, or remove the column after the score "
            "if it is no part of it."
        )


def collect(scores: pd.DataFrame, baseline: str, metric: str, name: str) -> tuple[pd.DataFrame, Roles]:
    """The same as :func:`headstart.evaluate.tables.collect`, from a table of scores of whole volumes.

    Parameters
    ----------
    scores
        One row per source, set size, resample and scan; columns :data:`COLUMNS`, and ``target`` if there are several;
        others are left out. Values may be text. Sizes are numbers of labelled scans, 1 or more; resamples and scans
        have any names; scores are from 0 to 1, higher is better. Rows in which both size and resample are missing
        or n/a are of sources that are not trained: their one score of a scan stands in every resample that tests it.
    baseline
        The source that the others are compared with.
    metric
        What the scores are.
    name
        What errors call the table.

    Returns
    -------
    tuple
        The table, and which sources are not trained.

    Raises
    ------
    UserError
        If a column, name or score is missing or not valid, a row is there twice, or comparisons would not be paired.
    """
    table = _typed(scores, name)
    untrained = frozenset(table.loc[table["resample"] == "", "source"])
    _check_repeated(table, name)
    parts = [_of_target(part, baseline, f"{name}{_of(target, table)}") for target, part in table.groupby(TARGET)]
    made = pd.concat(parts, ignore_index=True)
    made["resample"] = _whole_numbers(made["resample"])
    made = made.astype({"size": int}).assign(metric=metric, level=LEVEL, count=1).rename(columns={"score": "total"})
    return made[COLLECTED], Roles(baseline, untrained)


def _of(target: str, table: pd.DataFrame) -> str:
    """Which target of a table is meant, for the end of its name, if there are several."""
    return f", target {target}" if table[TARGET].nunique() > 1 else ""


def _typed(scores: pd.DataFrame, name: str) -> pd.DataFrame:
    """The columns with names as text, sizes and scores as float64 (a missing size is NaN); raises UserError."""
    lacking = [column for column in COLUMNS if column not in scores]
    if lacking:
        raise UserError(
            f"{name} has no column {lacking[0]}, only {', '.join(map(str, scores.columns))}; rename the column that "
            f"holds it, or name it on the command line (--columns {lacking[0]}=YOURS)."
        )
    if scores.empty:
        raise UserError(f"{name} has no rows; add one per source, size, resample and scan.")
    table = scores.reset_index(drop=True).assign(**({} if TARGET in scores else {TARGET: ONLY_TARGET}))
    table = table[[TARGET, *COLUMNS]].astype(object).where(table[[TARGET, *COLUMNS]].notna(), "")
    text = table.map(_text)
    _check_names(text, name)
    text[_DRAW] = text[_DRAW].replace("n/a", "")
    found = text["score"].map(_number)
    if bad := _first(~found.between(0, 1)):
        raise UserError(
            f"row {bad} of {name} has the score {text['score'][bad - 1]!r}, which is not a number from 0 to 1; write "
            "numbers with a decimal point (percent divided by 100, 0 for a failed prediction), or remove that scan "
            "from all sources."
        )
    sizes = text["size"].map(_number)
    if bad := _first((text["size"] != "") & ~((sizes >= 1) & (sizes % 1 == 0) & (sizes < _LARGEST))):
        raise UserError(
            f"row {bad} of {name} has the size {text['size'][bad - 1]!r}, which is not a number of labelled scans, 1 "
            "or more; correct it, or leave size and resample empty for a source that is not trained."
        )
    if bad := _first((text["size"] == "") != (text["resample"] == "")):
        raise UserError(
            f"row {bad} of {name} has only one of size and resample; give both, or neither for a source that is not "
            "trained."
        )
    return text.assign(score=found, size=sizes)


def _text(value: object) -> str:
    """A value as text; a whole number as such, which pandas may hold as a float."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _number(text: str) -> float:
    """The number that a text writes; NaN for any other text."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _check_names(text: pd.DataFrame, name: str) -> None:
    """Raise UserError for a name that is missing or that the tables' lists cannot hold."""
    for column in (TARGET, "source", "scan"):
        if bad := _first(text[column] == ""):
            raise UserError(f"row {bad} of {name} has no {column}; add it.")
    for source in text["source"].unique():
        if source == "n/a" or any(mark in source for mark in _RESERVED):
            raise UserError(
                f"{name} has the source {source!r}; rename it without ', ', '; ' or ': ', which separate names in the "
                "tables, and without '$', and not n/a, which is a missing value."
            )


def _check_repeated(table: pd.DataFrame, name: str) -> None:
    """Raise UserError for a score that is there twice, and for sources of which only some rows have a size."""
    keys = table[[TARGET, "source", "size", "resample", "scan"]]
    if bad := _first(keys.duplicated()):
        raise UserError(
            f"row {bad} of {name} has the source, size, resample and scan of an earlier row; keep one of them, or tell "
            "targets apart in a column target."
        )
    kinds = table.groupby("source")["size"].agg(lambda sizes: sizes.isna().mean())
    for source, missing in kinds.items():
        if 0 < missing < 1:
            raise UserError(
                f"{name} has rows of {source} with and without a size; give all of them one, or none if it is not "
                "trained."
            )


def _of_target(part: pd.DataFrame, baseline: str, name: str) -> pd.DataFrame:
    """The rows of one target, those of sources that are not trained in every resample; raises UserError."""
    sources = list(part["source"].unique())
    if baseline not in sources:
        raise UserError(f"{name} has no source {baseline}, only {', '.join(sources)}; name one of these as baseline.")
    if len(sources) < 2:
        raise UserError(f"{name} has no source beside {baseline}, the baseline; add one to compare it with.")
    trained = {source: rows for source, rows in part.groupby("source") if rows["size"].notna().all()}
    if not trained:
        raise UserError(f"{name} has no size and resample of any source; give those of a trained source.")
    first = baseline if baseline in trained else min(trained)
    reference = trained[first]
    _check_units(reference, name)
    for source, rows in trained.items():
        _check_pairs(rows, source, reference, first, name)
    draws = reference[[*_DRAW, "scan"]]
    made = list(trained.values())
    for source, rows in part[~part["source"].isin(trained)].groupby("source"):
        _check_scans(set(rows["scan"]), source, set(draws["scan"]), first, "", name)
        made.append(rows.drop(columns=_DRAW).merge(draws, on="scan"))
    return pd.concat(made)


def _check_units(reference: pd.DataFrame, name: str) -> None:
    """Raise UserError for fewer than two scans, or resamples of a size, which have no variance."""
    if reference["scan"].nunique() < 2:
        raise UserError(f"{name} has a single scan, with which nothing can be tested; add scores of other test scans.")
    resamples = reference.groupby("size")["resample"].nunique()
    if (few := resamples[resamples < 2]).size:
        raise UserError(
            f"{name} has a single resample of size {few.index[0]:g}, with which nothing can be tested; train again on "
            "another set of that size, or remove the size."
        )


def _check_pairs(rows: pd.DataFrame, source: str, reference: pd.DataFrame, first: str, name: str) -> None:
    """Raise UserError unless a source has the same scans in the same resamples as the reference, ``first``."""
    own, other = ({draw: set(part["scan"]) for draw, part in each.groupby(_DRAW)} for each in (rows, reference))
    for (size, resample), lacking, having in [
        *((draw, source, first) for draw in other if draw not in own),
        *((draw, first, source) for draw in own if draw not in other),
    ]:
        raise UserError(
            f"{name}: {lacking} has no scores of size {size:g}, resample {resample}, but {having} has; add them or "
            "remove this resample (a source that is not trained has neither size nor resample)."
        )
    for (size, resample), scans in own.items():
        _check_scans(scans, source, other[size, resample], first, f" at size {size:g}, resample {resample}", name)


def _check_scans(own: set[str], source: str, other: set[str], first: str, where: str, name: str) -> None:
    """Raise UserError unless two sources have the same scans."""
    if own != other:
        lacking, having = (source, first) if other - own else (first, source)
        scan = min(other - own or own - other)
        raise UserError(
            f"{name}: {lacking} has no score of scan {scan}{where}, but {having} has; add it, or remove it from all "
            "sources."
        )


def _whole_numbers(names: pd.Series) -> pd.Series:
    """Names as whole numbers, in whose order the workflow has them, if all are."""
    numbers = names.map(_number)
    whole = np.isfinite(numbers).all() and (numbers % 1 == 0).all() and (numbers.abs() < _LARGEST).all()
    # 1 and 01 are two names.
    return numbers.astype(int) if whole and numbers.nunique() == names.nunique() else names


def _first(bad: pd.Series) -> int:
    """Number of the first row, from 1, for which this holds; 0 without one."""
    return int(bad.to_numpy().argmax()) + 1 if bad.any() else 0
