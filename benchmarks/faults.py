"""A table of the tests of faults: what happens at each fault, and whether the study then ends in the same bytes.

    python benchmarks/faults.py

Runs the tests in ``TESTS``; those on Slurm need root, to start its daemons. The docstring of each test says what goes
wrong and, after a colon, what happens. If it contains ``SAME``, the test asserts that weights, evaluations, tables and
figures are those of the undisturbed study, byte for byte.
"""

import ast
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
from record import keep

ROOT = Path(__file__).parents[1]
TESTS = ("test_killed.py", "test_faults.py", "test_qsub.py", "test_slurm.py")
SAME = "same bytes"


def docstrings(path: Path) -> dict[str, str]:
    """The docstrings of a file's tests, by name, each in one line."""
    functions = (node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef))
    return {each.name: " ".join(text.split()) for each in functions if (text := ast.get_docstring(each))}


def measure() -> pd.DataFrame:
    """Run the tests; returns one row per fault."""
    with tempfile.TemporaryDirectory() as scratch:
        outcome = Path(scratch, "outcome.xml")
        files = [ROOT / "tests/workflow" / name for name in TESTS]
        command = [sys.executable, "-m", "pytest", "-q", "-m", "workflow or slurm", f"--junit-xml={outcome}", *files]
        subprocess.run(command, cwd=ROOT, check=False)
        cases = {case.get("name"): case for case in ElementTree.parse(outcome).iter("testcase")}
    texts = {name: text for path in files for name, text in docstrings(path).items() if name in cases}
    rows = []
    for name, text in texts.items():
        fault, _, happened = text.partition(": ")
        failed = next((child.tag for child in cases[name] if child.tag in ("failure", "error", "skipped")), None)
        same = "n/a" if SAME not in text else "not tried" if failed == "skipped" else "no" if failed else "yes"
        row = {"fault": fault, "what happened": happened.rstrip("."), "bytes equal": same}
        rows.append({**row, "test": name, "outcome": failed or "passed"})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    keep(measure(), __file__)
