"""Print where a study's time went: jobs, median and total seconds, and memory of each rule.

Run by ``make bench`` after ``make run``; appends to benchmarks/stages.tsv with the machine's kind.
"""

import argparse
import datetime
import os
import platform
from pathlib import Path

import pandas as pd


def stages(folder: Path) -> pd.DataFrame:
    """A row a rule: jobs, median_s, total_s, peak_mib."""
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        measured = pd.read_csv(path, sep="\t").iloc[0]
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        rows.append({"rule": rule, "s": measured["s"], "peak_mib": measured["max_rss"]})
    table = pd.DataFrame(rows)
    table["peak_mib"] = pd.to_numeric(table["peak_mib"], errors="coerce")  # a job of under a second has "NA"
    found = table.groupby("rule").agg(
        jobs=("s", "size"), median_s=("s", "median"), total_s=("s", "sum"), peak_mib=("peak_mib", "max")
    )
    return found.round(1).reset_index()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results/default"))
    results = parser.parse_args().results
    if not (results / "benchmarks").is_dir():
        raise SystemExit(f"headstart: {results} has no benchmarks; run the study first (make run).")
    table = stages(results / "benchmarks")
    print(table.to_string(index=False))
    today = datetime.date.today().isoformat()
    machine = f"{os.cpu_count()} cores {platform.machine()}"
    kept = Path(__file__).with_name("stages.tsv")
    table.assign(study=results.name, date=today, machine=machine).to_csv(
        kept, sep="\t", index=False, mode="a", header=not kept.exists()
    )
