"""Writes the results of benchmarks, with the date and the machine."""

import datetime
import os
import platform
from pathlib import Path

import pandas as pd


def keep(table: pd.DataFrame, script: str) -> None:
    """Print a table of results and write it beside the script that measured them."""
    print(table.to_string(index=False))
    machine = f"{os.cpu_count()} cores {platform.machine()}"
    table.assign(date=datetime.date.today().isoformat(), machine=machine).to_csv(
        Path(script).with_suffix(".tsv"), sep="\t", index=False, na_rep="n/a", float_format="%.4g"
    )
