"""Demographics of the participants: read from the tables of a dataset, and tabulated."""

import csv
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from headstart.datasets.scan import Scan, alphanumeric
from headstart.job import UserError

COLUMNS = ("participant_id", "person", "session", "age", "sex", "site")
MISSING = "n/a"
_SEXES = {"f": "F", "female": "F", "m": "M", "male": "M", "o": "O", "other": "O"}


class Demographics:
    """Age, sex and site of participants, by their name in a dataset's table."""

    def __init__(self, by_name: Mapping[str, dict]) -> None:
        self._by_name = dict(by_name)
        # Where folders write 002, tables often write 2, and spreadsheets drop the zeros; an exact match goes first.
        for name, about in by_name.items():
            self._by_name.setdefault(name.lstrip("0"), about)

    def of(self, name: str) -> dict:
        """``age``, ``sex`` and ``site`` of a participant, each None if unknown."""
        name = alphanumeric(name)
        unknown = {"age": None, "sex": None, "site": None}
        return self._by_name.get(name) or self._by_name.get(name.lstrip("0")) or unknown


def read(folder: Path, entry: Mapping, usual: Mapping[str, str]) -> Demographics:
    """Read the table that ``participants`` of a dataset's entry names, or the usual one of the layout if it exists.

    ``usual``: file and columns that datasets with the layout have. Keys of both: ``file`` (a path within ``folder``),
    ``subject``, ``age``, ``sex``, ``site`` (names of columns) and ``sexes`` (meaning of the table's values of sex).
    """
    chosen = entry.get("participants", {})
    keys = {**usual, **chosen}
    path = folder / keys["file"] if "file" in keys else None
    if path is None or ("file" not in chosen and not path.exists()):
        return Demographics({})
    by_name: dict[str, dict] = {}
    for row in _rows(path, [keys[key] for key in ("subject", "age", "sex", "site") if key in chosen]):
        name = alphanumeric((row.get(keys.get("subject", "participant_id")) or "").removeprefix("sub-"))
        about = {
            "age": _age(row.get(keys.get("age", "age"))),
            "sex": _sex(row.get(keys.get("sex", "sex")), keys.get("sexes", {})),
            "site": _text(row.get(keys.get("site", "site"))),
        }
        if name and by_name.setdefault(name, about) != about:
            raise UserError(f"{path} lists {name} twice, with different values; keep one row.")
    return Demographics(by_name)


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
        raise UserError(f"{path} is neither .tsv nor .csv; save the table in one of these formats.")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            separator = "\t" if path.suffix == ".tsv" else ";" if first.count(";") > first.count(",") else ","
            reader = csv.DictReader(file, delimiter=separator)
            rows = list(reader)
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text; save it in that encoding.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the dataset's participants.") from None
    if missing := [column for column in columns if column not in (reader.fieldnames or [])]:
        raise UserError(f"{path} has no column {missing[0]!r}; its columns are {', '.join(reader.fieldnames or [])}.")
    return rows


def _text(value: str | None) -> str | None:
    """A table's value without tabs and surrounding white space; None if it marks a missing value."""
    value = " ".join((value or "").split())
    return None if value.casefold() in ("", "n/a", "na", "nan", "-9999") else value


def _age(value: str | None) -> float | None:
    """Age in years; BIDS caps high ages as ``89+``."""
    try:
        return float((_text(value) or "").removesuffix("+"))
    except ValueError:
        return None


def _sex(value: str | None, meanings: Mapping[str, str]) -> str | None:
    value = _text(value) or ""
    return meanings.get(value) or _SEXES.get(value.casefold())


def _as_text(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else value
