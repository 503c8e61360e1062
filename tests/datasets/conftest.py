from pathlib import Path

import pytest

from headstart.datasets import layouts
from headstart.datasets.scan import Scan

# Defaults that the schema has for single layouts.
BY_LAYOUT = {"flat": {"masks": False}, "oasis1": {"image": "subject"}}


class Folder:
    """A dataset's folder of empty files, and what is read from it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def touch(self, *names: str) -> None:
        for name in names:
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).touch()

    def write(self, name: str, *lines: str) -> None:
        self.touch(name)
        (self.path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def scans(self, layout: str, **entry) -> list[Scan]:
        """The scans of a dataset ``d`` whose folder is given relative to its parent, as the data folder."""
        defaults = {"exclude": [], "lesions": "none", **BY_LAYOUT.get(layout, {})}
        entry = {"layout": layout, "folder": self.path.name, **defaults, **entry}
        return layouts.scans("d", entry, "made", self.path.parent)

    def within(self, *paths: Path) -> list[str]:
        return [path.relative_to(self.path).as_posix() for path in paths]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    return Folder(tmp_path / "set")
