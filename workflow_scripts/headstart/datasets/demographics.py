"""Age, sex and site of participants, found in the rows of tables by the names that scans have."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.datasets.scan import Scan, alphanumeric
from headstart.job import shown

UNKNOWN = dict.fromkeys(("age", "sex", "site"))
# What to do about values that are not understood.
_REMEDIES = {
    "age": "write years",
    "sex": "say what they mean with participants.sexes",
    "row": "give each row as many values as there are columns",
}


@dataclass(frozen=True)
class Row:
    """A row about a participant: its name and session as written, ``age``, ``sex`` and ``site``, None if unknown.

    table: which table it is from, for messages; unread: values that could not be understood, by column.
    """

    table: str
    name: str
    session: str | None
    known: Mapping[str, float | str | None]
    unread: Mapping[str, str]

    def __str__(self) -> str:
        return ", ".join(f"{key} {as_text(value)}" for key, value in self.known.items() if value is not None)


class Demographics:
    """Age, sex and site of participants, by their name in a dataset's tables.

    ``rows`` of the table ``path``; ``lacks``: sentences about what it cannot tell, by ``age``, ``sex``, or ``subject``
    for anything.
    """

    def __init__(self, rows: Iterable[Row] = (), path: Path | None = None, lacks: Mapping[str, str] | None = None):
        self._path, self._lacks = path, dict(lacks or {})
        # Names as written go before any other form: without a decimal, without punctuation, without zeros, without sub.
        self._by_form: list[dict[str, list[Row]]] = [defaultdict(list) for _ in range(5)]
        self._add(rows)

    def add_sessions(self, rows: Iterable[Row], remarks: Sequence[str]) -> None:
        """Add rows of tables of sessions, except where a row of the same session has the age already.

        ``remarks``: sentences about these tables as a whole.
        """
        self._add([row for row in rows if not self._has_age(row.name, row.session)])
        self._lacks |= {sentence: sentence for sentence in remarks}

    def of(self, name: str, session: str | None = None) -> dict:
        """``age``, ``sex`` and ``site`` of a participant, each None if unknown; of the session where rows name one."""
        return self._told(name, session)[0]

    def remarks(self, scans: Sequence[Scan]) -> list[str]:
        """Sentences, without full stop, about what the tables do not tell clearly of the participants of scans."""
        asked = dict.fromkeys((scan.listed_as, scan.session) for scan in scans)
        told = {person: self._told(*person) for person in asked}
        said = [
            sentence
            for key, sentence in self._lacks.items()
            if any(known.get(key) is None for known, _ in told.values())
        ]
        absent = [name for name, session in asked if not any(self._groups(name, session))]
        if absent and self._path and (any(self._by_form) or not said):
            said.append(f"{self._path} has no row for {shown(absent)}; their age and sex are unknown")
        twice = defaultdict(list)
        for (name, _), (_, rows) in told.items():
            if rows:
                twice[rows[0].table].append(f"{name} ({'; '.join(map(str, rows[:2]))})")
        for table, texts in twice.items():
            said.append(
                f"{table} lists {shown(texts)} twice, with different values, which are taken as unknown; keep one row "
                "of each, or name these subjects in exclude"
            )
        unread = defaultdict(list)
        for (name, session), (known, _) in told.items():
            for row in (row for group in self._groups(name, session) for row in group):
                if any(known.get(key) is None for key in row.unread):
                    for key, value in row.unread.items():
                        unread[key, row.table].append(f"{value!r} of {name}")
        for key, table in sorted(unread, key=lambda pair: [*_REMEDIES].index(pair[0])):
            texts = shown(unread[key, table])
            said.append(f"{table}: the {key} is not understood and is unknown: {texts}; {_REMEDIES[key]}")
        return said

    def _add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            for forms, form in zip(self._by_form, _forms(row.name), strict=True):
                forms[form].append(row)

    def _has_age(self, name: str, session: str) -> bool:
        own, _ = self._groups(name, session)
        return any(
            row.session is not None and _is_same(row.session, session) and row.known["age"] is not None for row in own
        )

    def _told(self, name: str, session: str | None) -> tuple[dict, list[Row]]:
        """What is known of a participant, and rows that contradict each other about the rest."""
        known, contradicting = dict(UNKNOWN), []
        for group in self._groups(name, session):
            agreed = _agreed(group)
            contradicting = contradicting or (group if agreed is None else [])
            known = {key: (agreed or UNKNOWN)[key] if value is None else value for key, value in known.items()}
        return known, contradicting

    def _groups(self, name: str, session: str | None) -> tuple[list[Row], list[Row]]:
        """The rows about a scan, the closest first: those of its session, and those that name none.

        For a scan without a session, those that name none go before those of the first session; where no row is of its
        session or names none, all are taken.
        """
        rows = next((forms[form] for form in _forms(name)[:4] for forms in self._by_form if form and form in forms), [])
        general = [row for row in rows if row.session is None]
        named = [row for row in rows if row.session is not None]
        if session is None:
            return general, [row for row in named if row.session == named[0].session]
        exact = [row for row in named if row.session == session]
        if own := exact or [row for row in named if _is_same(row.session, session)]:
            return own, general
        return (general, []) if general else (named, [])


def as_text(value: str | float) -> str:
    """A value as tables have it."""
    return f"{value:g}" if isinstance(value, float) else value


def _forms(name: str) -> tuple[str, str, str, str, str]:
    """A name as written, and in the forms in which tables and folders write the same name differently.

    Without the decimal that spreadsheets append (``2.0``); its letters and digits in any case; the same without the
    zeros before a number, which spreadsheets drop; and without ``sub``. Other decimals are kept: 1.5 is not 15.
    """
    written = name.strip()
    whole = re.sub(r"^(\d+)\.0+$", r"\1", written)
    squeezed = whole if re.fullmatch(r"\d+[.,]\d+", whole) else alphanumeric(whole).casefold()
    return written, whole, squeezed, squeezed.lstrip("0"), squeezed.removeprefix("sub").lstrip("0")


def _is_same(one: str, other: str) -> bool:
    """Whether two names of sessions are the same: ``01`` is ``1`` and ``1.0``."""
    return _forms(one)[3] == _forms(other)[3]


def _agreed(rows: Sequence[Row]) -> dict | None:
    """What the rows about one participant tell together; None if two of them contradict each other."""
    agreed = dict(UNKNOWN)
    for row in rows:
        for key, value in row.known.items():
            if value is not None and agreed[key] not in (None, value):
                return None
            agreed[key] = agreed[key] if value is None else value
    return agreed
