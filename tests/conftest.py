import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_scans() -> Path:
    """The folder of real scans; tests that ask for it are skipped where there is none."""
    for folder in (os.environ.get("HEADSTART_DATA"), Path(__file__).parents[2] / "shared/data"):
        if folder and Path(folder).is_dir():
            return Path(folder)
    pytest.skip("no real scans: set HEADSTART_DATA to run this")
