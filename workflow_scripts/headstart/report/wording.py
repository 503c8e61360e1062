"""Numbers, names and lists as they stand in a printed sentence."""

from collections.abc import Iterable, Sequence

from headstart.report.html import listed, plain

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def emphasised(names: Iterable[str]) -> str:
    """Names in italics, in a sentence; an empty string without any."""
    marked = [f"*{plain(name)}*" for name in names]
    return listed(marked) if marked else ""


def either(items: Sequence[str]) -> str:
    """Items in a sentence: a, b or c."""
    *first, last = items
    return f"{', '.join(first)} or {last}" if first else last


def count(amount: int, noun: str) -> str:
    """A number with its noun, in the singular or the plural."""
    return f"{grouped(amount)} {noun}{'' if amount == 1 else 's'}"


def grouped(amount: int) -> str:
    """A whole number; from 10,000 on with commas."""
    return f"{amount:,}" if amount >= 10_000 else f"{amount}"


def number(value: float) -> str:
    """A number as print has it: 0.05, 30, 2 × 10⁻⁴."""
    if value and abs(value) < 0.001:
        mantissa, exponent = f"{value:.3e}".split("e")
        power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
        return power if float(mantissa) == 1 else f"{float(mantissa):g} × {power}"
    return grouped(int(value)) if value == int(value) else f"{value:g}"


def ordinal(value: float) -> str:
    """1st, 2nd, 97.5th."""
    last_two = value % 100
    suffix = "th" if 11 <= last_two <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value:g}{suffix}"
