"""Tables as text files: .tsv and .csv as programs and people write them."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from headstart import stand_ins
from headstart.job import UserError

# Names the separator for Excel, above a table.
_EXCEL = re.compile(r"sep=.?", re.IGNORECASE)


def read(path: Path) -> tuple[list[str], list[dict[str | None, str]]]:
    """The columns of a table, and its rows by column; values beyond the last column have the key None.

    Read are tabs, commas, semicolons, or spaces (aligned columns) as separators; UTF-8 with or without a byte order
    mark, and UTF-16; any line ends. Empty lines are left out, and comments (``#``) and Excel's ``sep=;`` above the
    columns' names. In a table with tabs, a quotation mark is a character like any other unless it encloses a value, as
    BIDS says. Raises :class:`UserError` naming the file if it cannot be read.
    """
    if path.suffix.lower() not in (".tsv", ".csv"):
        raise UserError(f"{path} is neither .tsv nor .csv; save the table in one of these formats.")
    text = _text(path)
    if tool := stand_ins.pointer_of(text.partition("\n")[0].encode()):
        raise UserError(f"{path} is a pointer of {tool}, not the table; fetch it (datalad get, git lfs pull).")
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip()]
    while lines and (lines[0].lstrip().startswith("#") or _EXCEL.fullmatch(lines[0].strip())):
        del lines[0]
    if not lines:
        return [], []
    header, *rows = _split(path, lines)
    return header, [_by_column(header, row) for row in rows]


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if path.is_symlink():
            raise UserError(f"{path} is a link to a missing file; fetch it (datalad get) or remove it.") from None
        raise UserError(f"{path} cannot be read (it does not exist); check the dataset's participants.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the dataset's participants.") from None
    utf_16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    # Spreadsheets and other binary files may be valid UTF-8.
    if "\0" in text:
        raise UserError(f"{path} is not UTF-8 text; save it in that encoding.")
    return text


def _split(path: Path, lines: list[str]) -> Iterator[list[str]]:
    """The values of each line; the separator is the one that the names of the columns have."""
    names = lines[0]
    commas, semicolons = names.count(","), names.count(";")
    if "\t" in names and (path.suffix.lower() == ".tsv" or not commas + semicolons):
        # Copied lines may have lost their tabs to spaces.
        parts = (line.split("\t") if "\t" in line else re.split(r"\s{2,}", line) for line in lines)
        yield from ([_unquoted(value) for value in row] for row in parts)
    elif commas or semicolons:
        yield from _split_quoted(path, "\n".join(lines), ";" if semicolons > commas else ",")
    else:
        yield from _split_at_spaces(lines)


def _split_quoted(path: Path, text: str, separator: str) -> Iterator[list[str]]:
    """The values of each row of a table in which quotation marks enclose values with separators and line ends."""
    if text.count('"') % 2:
        raise UserError(f"{path} has a quotation mark without a second one, which hides rows; correct it.")
    # A value may be longer than the limit of the module, which is for all files of the process.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    for row in csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True):
        yield [value.strip() for value in row]


def _split_at_spaces(lines: list[str]) -> Iterator[list[str]]:
    """The values of lines with aligned columns; of lines that have no such columns, the whole lines."""
    for separator in (r"\s{2,}", r"\s+"):
        rows = [re.split(separator, line.strip()) for line in lines]
        if {len(row) for row in rows} == {len(rows[0])} != {1}:
            return ([_unquoted(value) for value in row] for row in rows)
    return ([line.strip()] for line in lines)


def _by_column(header: list[str], row: list[str]) -> dict[str | None, str]:
    values: dict[str | None, str] = dict(zip(header, row, strict=False))
    if beyond := " ".join(value for value in row[len(header) :] if value):
        values[None] = beyond
    return values


def _unquoted(value: str) -> str:
    """A value without white space around it, and without quotation marks that enclose it."""
    value = value.strip()
    return value[1:-1].replace('""', '"').strip() if len(value) > 1 and value[0] == value[-1] == '"' else value
