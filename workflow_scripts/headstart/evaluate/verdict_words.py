"""The numbers of a verdict in words, from its row of :func:`headstart.evaluate.verdict.verdict`."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from headstart.evaluate.tables import metric_name


def p(row: Mapping) -> str:
    """The adjusted p-value of the gain of the source with the highest mean."""
    return "adjusted p < 0.0001" if row["p_adjusted"] < 1e-4 else f"adjusted p = {row['p_adjusted']:.2g}"


def gain(row: Mapping) -> str:
    """That gain with its 95 % confidence interval, if it has one."""
    ends = "" if pd.isna(row["low"]) else f" {interval(row['low'], row['high'])}"
    return f"{row['gain']:+.3f} {metric_name(row['metric'])}{ends}"


def interval(low: float, high: float) -> str:
    """A 95 % confidence interval of a gain."""
    return "[95 % CI not available]" if np.isnan(low) else f"[95 % CI {low:+.3f}, {high:+.3f}]"


def sizes(row: Mapping) -> str:
    """The set sizes that a gain is averaged over, and what the training sets are drawn from, if it is known."""
    *first, last = str(row["sizes"]).split(", ")
    if not first and row["pool"] == float(last):
        return f"with all {scans(last)}, where resamples differ by their seeds alone"
    drawn = "" if pd.isna(row["pool"]) else f" of {'these' if row['training_scans'] == 'these' else 'any like these'} "
    drawn += f"{row['pool']:.0f}" if drawn else ""
    named = f"averaged over {', '.join(first)} and {scans(last)}" if first else f"with {scans(last)}"
    return named + drawn


def scans(number: str) -> str:
    """A number of labelled scans."""
    return f"{number} labelled scan{'s' * (number != '1')}"


def names(listed: str | None) -> list[str]:
    """The sources of a list in a table; an empty list, and one read back from a file, is NaN or None."""
    return [] if pd.isna(listed) or not listed else listed.split(", ")


def head_starts(row: Mapping) -> dict[str, str]:
    """The largest set size up to which each source is a head start."""
    listed = row["head_start_up_to"]
    return {} if pd.isna(listed) or not listed else dict(part.split(": ") for part in listed.split("; "))


def size_by_size(row: Mapping) -> str:
    """Up to which set size the source with the highest mean is a head start, for the end of a sentence on its gain."""
    *first, last = str(row["sizes"]).split(", ")
    reach = head_starts(row).get(row["highest"])
    if not first:
        return ""
    if reach is None:
        return ", but at no single set size"
    return ", and at each set size by itself" if reach == last else f", by itself with up to {scans(reach)}"


def saved(row: Mapping) -> str:
    """Labelled scans saved with their 95 % confidence interval, marked where they lie beyond the measured sizes."""
    found, low, high = (
        "unknown" if sign == "n/a" else f"{sign} {scans:.0f}".removeprefix("= ")
        for scans, sign in ((row[name], row[f"{name}_is"]) for name in ("saved", "saved_low", "saved_high"))
    )
    if found == low == high:  # unknown, or beyond the measured sizes with all of its interval
        words = {"unknown": "an unknown number of", ">": "more than", "<": "less than"}
        sign, *number = found.split()
        return " ".join([words.get(sign, sign), *number, "labelled scan" if found == "1" else "labelled scans"])
    return f"{found} labelled scans [95 % CI {low}, {high}]"
