"""Print the conda environment with the packages of the lock: ``python envs/environment.py``, for ``make lock``."""

from pathlib import Path

HEAD = """\
# Made by make lock from requirements.txt; change requirements.in instead.
#   conda env create --name headstart --file envs/environment.yaml
name: headstart
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - git
  - pip:
"""


def environment(lock: str) -> str:
    """Return the environment, YAML, of a lock with one ``name==version`` per line.

    Packages come from PyPI, as everywhere else: several of them are not on conda's channels.
    """
    pinned = [line for line in lock.splitlines() if line and not line.startswith("#")]
    return HEAD + "".join(f"      - {line}\n" for line in pinned)


if __name__ == "__main__":
    print(environment(Path(__file__).with_name("requirements.txt").read_text(encoding="utf-8")), end="")
