"""Print where a study's time went: jobs, median and total seconds, and memory of each rule.

Run by ``make bench`` after ``make run``.
"""

import argparse
from pathlib import Path

import pandas as pd
from record import keep


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
    keep(stages(results / "benchmarks").assign(study=results.name), __file__)
