"""Where a study's time went, and what it ran on."""

import importlib.metadata
import os
import platform
from pathlib import Path

import pandas as pd


def stages(folder: str | os.PathLike) -> pd.DataFrame:
    """Time and memory by rule, from the benchmark files of a study.

    ``folder``: ``benchmarks/`` of its results, a file or folder a rule. Columns: rule, jobs (as last run), median_s and
    total_s (seconds), peak_mib (the largest resident memory of a job, MiB; n/a where all took less than a second).
    """
    rows = []
    for path in sorted(Path(folder).rglob("*.tsv")):
        measured = pd.read_csv(path, sep="\t").iloc[0]
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        rows.append({"rule": rule, "s": measured["s"], "peak_mib": measured["max_rss"]})
    table = pd.DataFrame(rows, columns=["rule", "s", "peak_mib"])
    table["peak_mib"] = pd.to_numeric(table["peak_mib"], errors="coerce")  # a job of under a second has "NA"
    found = table.groupby("rule").agg(
        jobs=("s", "size"), median_s=("s", "median"), total_s=("s", "sum"), peak_mib=("peak_mib", "max")
    )
    return found.round(1).reset_index()


def versions() -> pd.DataFrame:
    """What this environment is: name and version of system, processor, Python and each package, by name."""
    system = {
        "system": platform.platform(),
        "processor": f"{os.cpu_count()} cores {platform.machine()}",
        "python": platform.python_version(),
    }
    packages = {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}
    ordered = dict(sorted(packages.items(), key=lambda pair: pair[0].lower()))
    rows = [{"name": name, "version": version} for name, version in (system | ordered).items()]
    return pd.DataFrame(rows)
