"""What happened at each fault, and whether the study then ended in the same bytes: tests of faults, as a table.

    python benchmarks/faults.py

Runs the tests of ``TESTS``, those on Slurm where root may start its daemons. Each test's docstring says what goes
wrong and, after a colon, what happens; where it says ``SAME``, the test asserts that weights, evaluations, tables and
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


def told(path: Path) -> dict[str, str]:
    """The docstrings, of those tests in a file that have one, in one line each."""
    functions = (node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef))
    return {each.name: " ".join(text.split()) for each in functions if (text := ast.get_docstring(each))}


def measure() -> pd.DataFrame:
    """A row for each fault."""
    with tempfile.TemporaryDirectory() as scratch:
        outcome = Path(scratch, "outcome.xml")
        files = [ROOT / "tests/workflow" / name for name in TESTS]
        command = [sys.executable, "-m", "pytest", "-q", "-m", "workflow or slurm", f"--junit-xml={outcome}", *files]
        subprocess.run(command, cwd=ROOT, check=False)
        cases = {case.get("name"): case for case in ElementTree.parse(outcome).iter("testcase")}
    rows = []
    for name, text in {name: text for path in files for name, text in told(path).items() if name in cases}.items():
        fault, _, happened = text.partition(": ")
        failed = next((child.tag for child in cases[name] if child.tag in ("failure", "error", "skipped")), None)
        same = "n/a" if SAME not in text else "not tried" if failed == "skipped" else "no" if failed else "yes"
        row = {"fault": fault, "what happened": happened.rstrip("."), "bytes equal": same}
        rows.append({**row, "test": name, "outcome": failed or "passed"})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    keep(measure(), __file__)
