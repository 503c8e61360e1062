"""Run times of a study by rule, and versions of the software it ran with."""

import importlib.metadata
import os
import platform
from pathlib import Path

import pandas as pd


def stages(folder: str | os.PathLike) -> pd.DataFrame:
    """Time and memory by rule, from the benchmark files of a study.

    ``folder``: ``benchmarks/`` of its results, with one file or folder per rule. Columns: rule, jobs (the last run of
    each), median_s and total_s (seconds), peak_mib (the largest resident memory of a job, in MiB; n/a if all jobs took
    less than a second).
    """
    rows = []
    for path in sorted(Path(folder).rglob("*.tsv")):
        measured = pd.read_csv(path, sep="\t").iloc[0]
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        rows.append({"rule": rule, "s": measured["s"], "peak_mib": measured["max_rss"]})
    table = pd.DataFrame(rows, columns=["rule", "s", "peak_mib"])
    table["peak_mib"] = pd.to_numeric(table["peak_mib"], errors="coerce")  # "NA" for jobs of less than a second
    found = table.groupby("rule").agg(
        jobs=("s", "size"), median_s=("s", "median"), total_s=("s", "sum"), peak_mib=("peak_mib", "max")
    )
    return found.round(1).reset_index()


def versions() -> pd.DataFrame:
    """Name and version of the system, the processor, Python and each installed package."""
    system = {
        "system": platform.platform(),
        "processor": f"{os.cpu_count()} cores {platform.machine()}",
        "python": platform.python_version(),
    }
    packages = {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}
    ordered = dict(sorted(packages.items(), key=lambda pair: pair[0].lower()))
    rows = [{"name": name, "version": version} for name, version in (system | ordered).items()]
    return pd.DataFrame(rows)
