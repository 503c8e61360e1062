"""What make says before it installs anything."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_another_python_ends_in_one_sentence(tmp_path, version):
    (tmp_path / "envs").mkdir()
    for name in ("Makefile", "envs/requirements.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = {(*version, 0)}; $2"\n')
    other.chmod(0o755)
    done = subprocess.run(["make", "setup", f"PYTHON={other}"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    said = done.stderr.splitlines()[0]
    assert said.startswith("headstart runs on Python 3.11 to 3.13")
    assert f"is {version[0]}.{version[1]}; call make PYTHON=" in said
    assert not (tmp_path / ".venv").exists()
