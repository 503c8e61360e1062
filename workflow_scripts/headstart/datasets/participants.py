"""Demographics of the participants: read from the tables of a dataset, and tabulated."""

import dataclasses
import os
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from headstart.datasets import delimited
from headstart.datasets.demographics import UNKNOWN, Demographics, Row, as_text
from headstart.datasets.scan import Scan, find_files, find_folders
from headstart.job import UserError

COLUMNS = ("participant_id", "person", "session", "age", "sex", "site")
MISSING = "n/a"
_SEXES = {"f": "F", "female": "F", "m": "M", "male": "M", "o": "O", "other": "O"}
# Names of columns, in any case, where the configuration and the layout name none.
_USUAL = {
    "subject": ("participant_id",),
    "session": ("session_id", "session"),
    "age": ("age",),
    "sex": ("sex", "gender"),
    "site": ("site",),
}
# No one has lived longer; larger numbers are days, months, or codes for a missing value.
_OLDEST = 125


def read(folder: Path, entry: Mapping, usual: Mapping[str, str]) -> Demographics:
    """Read the table that ``participants`` of a dataset's entry names, or the usual one of the layout if it exists.

    ``usual``: file and columns that datasets with the layout have. Keys of both: ``file`` (a path within ``folder``),
    ``subject``, ``age``, ``sex``, ``site`` (names of columns) and ``sexes`` (meaning of the table's values of sex).
    Raises :class:`UserError` if a table that the entry says something about cannot be read, or lacks a column that it
    names; of a usual table that cannot be read, the remarks say why.
    """
    chosen = entry.get("participants", {})
    path = _path(folder, chosen, usual)
    if path is None:
        return Demographics((), None, _elsewhere(folder, usual))
    try:
        header, rows = delimited.read(path)
        columns = {key: _column(path, header, key, chosen.get(key), usual.get(key)) for key in _USUAL}
    except UserError as error:
        # A table that nobody asked for changes no result of a study, and its owner may be someone else.
        if chosen:
            raise
        return Demographics((), path, {"subject": f"{str(error).rstrip('.')}; until then age and sex are unknown"})
    # Whoever names columns knows the table.
    lacks = {
        key: f"{path} has no column {_USUAL[key][0]}; say which of its columns it is with participants.{key}: "
        f"{', '.join(header) or 'it is empty'}"
        for key in ("subject", "age", "sex")
        if columns[key] is None and (key == "subject" or not chosen.keys() - {"file"})
    }
    if columns["subject"] is None:
        return Demographics((), path, {"subject": lacks["subject"]})
    made = (_row(str(path), cells, columns, _meanings(chosen)) for cells in rows)
    return Demographics((row for row in made if row.name), path, lacks)


def read_sessions(paths: Mapping[str, Path], entry: Mapping) -> tuple[list[Row], list[str]]:
    """Age and sex in the tables of sessions (BIDS) at ``paths``, by participant; and sentences about those unread.

    Paths at which there is no file, and tables without ages, are passed over.
    """
    found, unread = [], []
    for name, path in paths.items():
        if not os.path.lexists(path):
            continue
        try:
            header, rows = delimited.read(path)
            columns = {key: _column(path, header, key, None, None) for key in ("session", "age", "sex")}
        except UserError as error:
            unread.append(str(error).rstrip("."))
            continue
        if columns["session"] and columns["age"]:
            table = str(path.parent.parent / "*" / "*_sessions.tsv")
            made = (_row(table, cells, columns, _meanings(entry.get("participants", {}))) for cells in rows)
            found += [dataclasses.replace(row, name=name) for row in made if row.session]
    more = f" (and {len(unread) - 1} more tables of sessions cannot be read)" if len(unread) > 1 else ""
    return found, [unread[0] + more] if unread else []


def row(scan: Scan) -> dict:
    """A scan's row of ``participants.tsv``; the name of the scan is its ``participant_id``."""
    return {"participant_id": f"sub-{scan.subject}"} | {key: getattr(scan, key) for key in COLUMNS[1:]}


def table(rows: Iterable[Mapping], demographics: Demographics) -> str:
    """``participants.tsv`` of a dataset's derivatives (BIDS); ``demographics`` fills in what the rows leave unknown."""
    lines = ["\t".join(COLUMNS)]
    for given in rows:
        known = demographics.of(given["participant_id"].removeprefix("sub-"))
        filled = {key: known.get(key) if value is None else value for key, value in given.items()}
        lines.append("\t".join(MISSING if filled[key] is None else as_text(filled[key]) for key in COLUMNS))
    return "\n".join(lines) + "\n"


def summary(datasets: Sequence[str], paths: Sequence[str | Path]) -> list[dict]:
    """One row per dataset about its participants, from its derivatives' ``participants.tsv`` (:func:`table`).

    Numbers of scans and people; mean, standard deviation (n - 1) and range of the age at the first scan, over people of
    known age; number of people of each sex; sites. Zoetmulder 2022, appendix 9.1, tables 3 and 4.
    """
    rows = []
    for dataset, path in zip(datasets, paths, strict=True):
        scans = delimited.read(Path(path))[1]
        people = list({scan["person"]: scan for scan in reversed(scans)}.values())
        ages = [age for person in people if (age := _age(person["age"])) is not None]
        sexes = [person["sex"] for person in people]
        sites = sorted({person["site"] for person in people} - {MISSING})
        rows.append(
            {
                "dataset": dataset,
                "scans": len(scans),
                "people": len(people),
                "age_known": len(ages),
                "age_mean": statistics.fmean(ages) if ages else None,
                "age_sd": statistics.stdev(ages) if len(ages) > 1 else None,
                "age_min": min(ages, default=None),
                "age_max": max(ages, default=None),
                "female": sexes.count("F"),
                "male": sexes.count("M"),
                "other": sexes.count("O"),
                "sex_unknown": sexes.count(MISSING),
                "sites": ", ".join(sites) or None,
            }
        )
    return rows


def _path(folder: Path, chosen: Mapping, usual: Mapping[str, str]) -> Path | None:
    """The table that an entry names, or the usual one in either format and any case; None without either."""
    if "file" in chosen:
        return folder / chosen["file"]
    if "file" not in usual:
        return None
    # A link to a file that was not fetched counts: its participants would lose age and sex without a word.
    if os.path.lexists(folder / usual["file"]):
        return folder / usual["file"]
    # A spreadsheet is refused with what to do about it.
    names = (rf"{Path(usual['file']).stem}\.({ending})" for ending in ("[tc]sv", "xlsx?|ods|txt"))
    return next((path for name in names for path, _ in find_files(folder, name)), None)


def _elsewhere(folder: Path, usual: Mapping[str, str]) -> dict[str, str]:
    """A sentence about a usual table in one of the folders in a folder, where it is not read, by ``subject``."""
    file = usual.get("file")
    there = next((inner / file for inner in find_folders(folder) if file and os.path.lexists(inner / file)), None)
    if there is None:
        return {}
    remedy = f"put the rows of all such tables into {folder / file}, or name one table with participants.file"
    return {"subject": f"{there} is not read; {remedy}"}


def _column(path: Path, header: Sequence[str], key: str, chosen: str | None, usual: str | None) -> str | None:
    """The column of a table for ``key``: that which the entry names, else the usual one in any case, or None."""
    for name in (chosen.strip(),) if chosen else (usual,) if usual else _USUAL[key]:
        same = [column for column in header if column == name]
        if not same and not chosen:
            same = [column for column in header if column.casefold() == name.casefold()]
        if len(same) > 1:
            raise UserError(f"{path} has two columns {same[0]} and {same[1]}; rename or remove one.")
        if same:
            return same[0]
    if chosen:
        raise UserError(f"{path} has no column {chosen!r}; its columns are {', '.join(header)}.")
    return None


def _row(table: str, cells: Mapping[str | None, str], columns: Mapping[str, str | None], sexes: Mapping) -> Row:
    """A row of a table, parsed; ``sexes``: the meaning of values of sex, in small letters."""
    texts = {key: cells.get(column, "") if (column := columns.get(key)) else "" for key in _USUAL}
    name = re.sub(r"^sub-", "", texts["subject"], flags=re.IGNORECASE)
    session = re.sub(r"^ses-", "", texts["session"], flags=re.IGNORECASE) or None
    # More values than columns: a comma in a number has shifted the others.
    if None in cells:
        return Row(table, name, session, UNKNOWN, {"row": " ".join(filter(None, cells.values()))})
    known = {"age": _age(texts["age"]), "sex": _sex(texts["sex"], sexes), "site": _text(texts["site"])}
    unread = {key: texts[key] for key in ("age", "sex") if known[key] is None and _text(texts[key])}
    return Row(table, name, session, known, unread)


def _meanings(chosen: Mapping) -> dict[str, str]:
    return {str(value).casefold(): sex for value, sex in chosen.get("sexes", {}).items()}


def _text(value: str) -> str | None:
    """A table's value without tabs and surrounding white space; None if it marks a missing value."""
    value = " ".join(value.split())
    return None if value.casefold() in ("", "n/a", "na", "nan", "none", "null", "-9999") else value


def _age(value: str) -> float | None:
    """Age in years, with a point or a comma for decimals; BIDS caps high ages as ``89+``."""
    match = re.fullmatch(r"([0-9]{1,3}(?:[.,][0-9]*)?)\+?", value.strip())
    age = float(match[1].replace(",", ".")) if match else None
    return age if age is None or age <= _OLDEST else None


def _sex(value: str, meanings: Mapping[str, str]) -> str | None:
    """F, M or O; ``meanings`` by value in small letters, also for a whole number with a decimal (``2.0``)."""
    value = re.sub(r"^(\d+)\.0+$", r"\1", " ".join(value.split()).casefold())
    return meanings.get(value) or _SEXES.get(value)
