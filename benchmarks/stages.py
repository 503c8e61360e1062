"""Print the run time of a study: jobs, median and total seconds, and memory of each rule.

Run by ``make bench`` after ``make run``.
"""

import argparse
from pathlib import Path

from record import keep

from headstart.report.runtimes import stages

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results/default"))
    results = parser.parse_args().results
    if not (results / "benchmarks").is_dir():
        raise SystemExit(f"headstart: {results} has no benchmarks; run the study first (make run).")
    keep(stages(results / "benchmarks").assign(study=results.name), __file__)
