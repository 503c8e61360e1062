"""Who was scanned: demographics read from the tables that come with a dataset, and the tables made of them."""

import csv
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from headstart.datasets.scan import Scan, alphanumeric
from headstart.job import UserError

COLUMNS = ("participant_id", "person", "session", "age", "sex", "site")
MISSING = "n/a"
_SEXES = {"f": "F", "female": "F", "m": "M", "male": "M", "o": "O", "other": "O"}


class People:
    """Age, sex and site by the name that a dataset's table gives each person."""

    def __init__(self, known: Mapping[str, dict] | None = None) -> None:
        self._known = dict(known or {})
        # Tables often write 2 where folders write 002, and spreadsheets drop zeros; a name as written comes first.
        for name, about in (known or {}).items():
            self._known.setdefault(name.lstrip("0"), about)

    def of(self, name: str) -> dict:
        """``age``, ``sex`` and ``site`` of a person, None each where the table does not tell."""
        name = alphanumeric(name)
        return self._known.get(name) or self._known.get(name.lstrip("0")) or {"age": None, "sex": None, "site": None}


def read(folder: Path, entry: Mapping, usual: Mapping[str, str] | None = None) -> People:
    """Read the table that ``participants`` of a dataset's entry names, or the one usual in the layout if it is there.

    ``usual``: file and columns that the layout's owners use. Keys of both: ``file`` (a path within ``folder``),
    ``subject``, ``age``, ``sex``, ``site`` (names of columns) and ``sexes`` (what the table's values of sex mean).
    """
    chosen = entry.get("participants", {})
    keys = {**(usual or {}), **chosen}
    path = folder / keys["file"] if "file" in keys else None
    if path is None or ("file" not in chosen and not path.exists()):
        return People()
    known: dict[str, dict] = {}
    for row in _rows(path, [keys[key] for key in ("subject", "age", "sex", "site") if key in chosen]):
        name = alphanumeric((row.get(keys.get("subject", "participant_id")) or "").removeprefix("sub-"))
        about = {
            "age": _age(row.get(keys.get("age", "age"))),
            "sex": _sex(row.get(keys.get("sex", "sex")), keys.get("sexes", {})),
            "site": _text(row.get(keys.get("site", "site"))),
        }
        if name and known.setdefault(name, about) != about:
            raise UserError(f"{path} lists {name} twice, with different values; keep one row.")
    return People(known)


def row(scan: Scan) -> dict:
    """A scan's row of ``participants.tsv``: its name (``participant_id``), and what is known of who was scanned."""
    return {"participant_id": f"sub-{scan.subject}"} | {key: getattr(scan, key) for key in COLUMNS[1:]}


def table(rows: Iterable[Mapping], people: People) -> str:
    """``participants.tsv`` of a dataset's derivatives (BIDS), with what ``people`` tells where the rows do not."""
    lines = ["\t".join(COLUMNS)]
    for given in rows:
        known = people.of(given["participant_id"].removeprefix("sub-"))
        filled = {key: known.get(key) if value is None else value for key, value in given.items()}
        lines.append("\t".join(MISSING if filled[key] is None else _shown(filled[key]) for key in COLUMNS))
    return "\n".join(lines) + "\n"


def summary(datasets: Sequence[str], paths: Sequence[str | Path]) -> list[dict]:
    """A row for each dataset of who was scanned, from its derivatives' ``participants.tsv`` (:func:`table`).

    Scans and people; mean, standard deviation (n - 1) and range of the age, over the people whose age is known at
    their first scan; people of each sex; sites. Zoetmulder 2022, appendix 9.1, tables 3 and 4.
    """
    rows = []
    for dataset, path in zip(datasets, paths, strict=True):
        scans = list(_rows(Path(path)))
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


def _rows(path: Path, columns: Iterable[str] = ()) -> list[dict[str, str]]:
    """The rows of a table that must have ``columns``: tab-separated, or .csv with commas or semicolons."""
    if path.suffix not in (".tsv", ".csv"):
        raise UserError(f"{path} is neither .tsv nor .csv; save the table as one of them.")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            separator = "\t" if path.suffix == ".tsv" else ";" if first.count(";") > first.count(",") else ","
            reader = csv.DictReader(file, delimiter=separator)
            rows = list(reader)
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text; save it as such.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the dataset's participants.") from None
    if lacking := [column for column in columns if column not in (reader.fieldnames or [])]:
        raise UserError(f"{path} has no column {lacking[0]!r}; its columns are {', '.join(reader.fieldnames or [])}.")
    return rows


def _text(value: str | None) -> str | None:
    """A table's value without white space around or tabs in it; None for what stands for a missing one."""
    value = " ".join((value or "").split())
    return None if value.casefold() in ("", "n/a", "na", "nan", "-9999") else value


def _age(value: str | None) -> float | None:
    """Years; BIDS caps high ages as ``89+``."""
    try:
        return float((_text(value) or "").removesuffix("+"))
    except ValueError:
        return None


def _sex(value: str | None, meanings: Mapping[str, str]) -> str | None:
    value = _text(value) or ""
    return meanings.get(value) or _SEXES.get(value.casefold())


def _shown(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else value
