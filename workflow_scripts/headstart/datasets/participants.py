"""Demographics of the participants: read from the tables of a dataset, and tabulated."""

import os
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.datasets import delimited
from headstart.datasets.scan import Scan, alphanumeric, find_files
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
_KNOWN = ("age", "sex", "site")
_UNKNOWN = dict.fromkeys(_KNOWN)
# No one has lived longer; larger numbers are days, months, or codes for a missing value.
_OLDEST = 125
# What to do about values that are not understood.
_REMEDIES = {
    "age": "write years",
    "sex": "say what they mean with participants.sexes",
    "row": "give each row as many values as there are columns",
}


@dataclass(frozen=True)
class Row:
    """A row about a participant: its name and session as written, ``age``, ``sex`` and ``site``, None if unknown.

    unread: values that could not be understood, by column.
    """

    name: str
    session: str | None
    known: Mapping[str, float | str | None]
    unread: Mapping[str, str]

    def __str__(self) -> str:
        return ", ".join(f"{key} {_as_text(value)}" for key, value in self.known.items() if value is not None)


class Demographics:
    """Age, sex and site of participants, by their name in a dataset's table.

    ``rows`` of the table ``path``; ``remarks``: sentences about the table as a whole.
    """

    def __init__(self, rows: Iterable[Row] = (), path: Path | None = None, remarks: Sequence[str] = ()) -> None:
        self._path, self._remarks = path, list(remarks)
        # Names as written go before any other form: without a decimal, without punctuation, without zeros, without sub.
        self._by_form: list[dict[str, list[Row]]] = [defaultdict(list) for _ in range(5)]
        for row in rows:
            for forms, form in zip(self._by_form, _forms(row.name), strict=True):
                forms[form].append(row)

    def of(self, name: str, session: str | None = None) -> dict:
        """``age``, ``sex`` and ``site`` of a participant, each None if unknown; of the session where rows name one."""
        return _agreed(self._find(name, session)) or _UNKNOWN

    def remarks(self, scans: Sequence[Scan]) -> list[str]:
        """Sentences, without full stop, about what the table does not tell clearly of the participants of scans."""
        if self._path is None:
            return []
        found = {(scan.listed_as, scan.session): self._find(scan.listed_as, scan.session) for scan in scans}
        said = list(self._remarks)
        absent = [name for (name, _), rows in found.items() if not rows]
        if absent and (any(self._by_form) or not said):
            said.append(f"{self._path} has no row for {_shown(absent)}; their age and sex are unknown")
        twice = [
            f"{name} ({'; '.join(map(str, rows[:2]))})" for (name, _), rows in found.items() if _agreed(rows) is None
        ]
        if twice:
            said.append(
                f"{self._path} lists {_shown(twice)} twice, with different values, which are taken as unknown; keep "
                "one row of each, or name these subjects in exclude"
            )
        unread = [
            (name, row.unread)
            for (name, session), rows in found.items()
            for row in rows
            if any(self.of(name, session).get(key) is None for key in row.unread)
        ]
        for key, remedy in _REMEDIES.items():
            if texts := [f"{values[key]!r} of {name}" for name, values in unread if key in values]:
                said.append(f"{self._path}: the {key} is not understood and is unknown: {_shown(texts)}; {remedy}")
        return said

    def _find(self, name: str, session: str | None) -> list[Row]:
        """The rows about a participant: those of the session, or of the first session for a scan without one."""
        rows = next((forms[form] for form in _forms(name)[:4] for forms in self._by_form if form and form in forms), [])
        sessions = [row for row in rows if row.session is not None]
        if not sessions:
            return rows
        wanted = sessions[0].session if session is None else session
        return [row for row in rows if row.session in (None, wanted)] if _has(sessions, wanted) else rows


def read(folder: Path, entry: Mapping, usual: Mapping[str, str]) -> Demographics:
    """Read the table that ``participants`` of a dataset's entry names, or the usual one of the layout if it exists.

    ``usual``: file and columns that datasets with the layout have. Keys of both: ``file`` (a path within ``folder``),
    ``subject``, ``age``, ``sex``, ``site`` (names of columns) and ``sexes`` (meaning of the table's values of sex).
    Raises :class:`UserError` if the table cannot be read, or lacks a column that the entry names.
    """
    chosen = entry.get("participants", {})
    path = _path(folder, chosen, usual)
    if path is None:
        return Demographics()
    header, rows = delimited.read(path)
    columns = {key: _column(path, header, key, chosen.get(key), usual.get(key)) for key in _USUAL}
    # Whoever names columns knows the table.
    remarks = [
        f"{path} has no column {_USUAL[key][0]}; say which of its columns it is with participants.{key}: "
        f"{', '.join(header) or 'it is empty'}"
        for key in ("subject", "age", "sex")
        if columns[key] is None and (key == "subject" or not chosen.keys() - {"file"})
    ]
    if columns["subject"] is None:
        return Demographics((), path, remarks[:1])
    sexes = {str(value).casefold(): sex for value, sex in chosen.get("sexes", {}).items()}
    made = (_row(cells, columns, sexes) for cells in rows)
    return Demographics((row for row in made if row.name), path, remarks)


def row(scan: Scan) -> dict:
    """A scan's row of ``participants.tsv``; the name of the scan is its ``participant_id``."""
    return {"participant_id": f"sub-{scan.subject}"} | {key: getattr(scan, key) for key in COLUMNS[1:]}


def table(rows: Iterable[Mapping], demographics: Demographics) -> str:
    """``participants.tsv`` of a dataset's derivatives (BIDS); ``demographics`` fills in what the rows leave unknown."""
    lines = ["\t".join(COLUMNS)]
    for given in rows:
        known = demographics.of(given["participant_id"].removeprefix("sub-"))
        filled = {key: known.get(key) if value is None else value for key, value in given.items()}
        lines.append("\t".join(MISSING if filled[key] is None else _as_text(filled[key]) for key in COLUMNS))
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
    return next((path for path, _ in find_files(folder, rf"{Path(usual['file']).stem}\.[tc]sv")), None)


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


def _row(cells: Mapping[str | None, str], columns: Mapping[str, str | None], sexes: Mapping[str, str]) -> Row:
    """A row of a table, parsed; ``sexes``: the meaning of values of sex, in small letters."""
    texts = {key: cells.get(column, "") if column else "" for key, column in columns.items()}
    name = re.sub(r"^sub-", "", texts["subject"], flags=re.IGNORECASE)
    session = re.sub(r"^ses-", "", texts["session"], flags=re.IGNORECASE) or None
    # More values than columns: a comma in a number has shifted the others.
    if None in cells:
        return Row(name, session, _UNKNOWN, {"row": " ".join(filter(None, cells.values()))})
    known = {"age": _age(texts["age"]), "sex": _sex(texts["sex"], sexes), "site": _text(texts["site"])}
    unread = {key: texts[key] for key in ("age", "sex") if known[key] is None and _text(texts[key])}
    return Row(name, session, known, unread)


def _forms(name: str) -> tuple[str, str, str, str, str]:
    """A name as written, and in the forms in which tables and folders write the same name differently.

    Without the decimal that spreadsheets append (``2.0``); its letters and digits in any case; the same without the
    zeros before a number, which spreadsheets drop; and without ``sub``. Other decimals are kept: 1.5 is not 15.
    """
    written = name.strip()
    whole = re.sub(r"^(\d+)\.0+$", r"\1", written)
    squeezed = whole if re.fullmatch(r"\d+[.,]\d+", whole) else alphanumeric(whole).casefold()
    return written, whole, squeezed, squeezed.lstrip("0"), squeezed.removeprefix("sub").lstrip("0")


def _has(rows: Iterable[Row], session: str) -> bool:
    return any(row.session == session for row in rows)


def _agreed(rows: Sequence[Row]) -> dict | None:
    """What the rows about one participant tell together; None if two of them contradict each other."""
    agreed = dict(_UNKNOWN)
    for row in rows:
        for key, value in row.known.items():
            if value is not None and agreed[key] not in (None, value):
                return None
            agreed[key] = agreed[key] if value is None else value
    return agreed


def _shown(texts: Sequence[str]) -> str:
    """The first few of several texts, each once, with the number of the others."""
    texts = list(dict.fromkeys(texts))
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")


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


def _as_text(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else value
