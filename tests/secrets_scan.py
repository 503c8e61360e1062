"""A scan of the project's files for secrets, for `make lint`: prints a line for each, and ends with status 1."""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECRETS = re.compile(
    r"""
    -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                                   # Amazon
    | \bgh[pousr]_[A-Za-z0-9]{36,} | \bgithub_pat_\w{22,}             # GitHub
    | \bglpat-[\w-]{20,} | \bhf_[A-Za-z0-9]{30,} | \bpypi-[\w-]{50,}  # GitLab, Hugging Face, PyPI
    | \bxox[abprs]-[A-Za-z0-9-]{10,} | \bAIza[\w-]{35}\b              # Slack, Google
    | \b\w+://[^\s/:@'"{$]+:[^\s/@'"{$]+@                             # a password in an address
    | (?i:\b(?:password|passwd|secret|api_?key|(?:auth|access)_?token)\b["']?\s*[:=]\s*["'][^"'{$<]{8,}["'])
    """,
    re.VERBOSE,
)


def scan(paths: Iterable[Path]) -> list[tuple[Path, int]]:
    """Each place at which a text file seems to hold a secret: its path and line."""
    found = []
    for path in paths:
        content = path.read_bytes()
        if b"\0" not in content:
            lines = content.decode("utf-8", "replace").splitlines()
            found += [(path, number) for number, line in enumerate(lines, 1) if SECRETS.search(line)]
    return found


def found(root: Path) -> list[tuple[Path, int]]:
    """The same for every file of a checkout that git follows or would."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    return scan(path for name in listed if name and (path := root / name).is_file())


if __name__ == "__main__":
    places = found(ROOT)
    for where, number in places:
        print(f"{where.relative_to(ROOT)}:{number}: looks like a secret")
    sys.exit(bool(places))
