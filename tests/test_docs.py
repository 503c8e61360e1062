"""What the docs point at is there."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [line.split("|")[1:-1] for line in (ROOT / "docs/paper.md").read_text().splitlines() if re.match(r"\| \d", line)]


@pytest.mark.parametrize("row", ROWS, ids=[row[1].strip()[:50] for row in ROWS])
def test_each_statement_of_the_paper_has_its_code_and_its_test(row):
    _, _, code, tests = row
    for name in re.findall(r"`([\w.]+)`", code):
        module, attribute = name.rsplit(".", 1)
        assert hasattr(importlib.import_module(f"headstart.{module}"), attribute), name
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests)
    assert named and len(named) == tests.count("::")
    for path, function in named:
        assert f"def {function}(" in (ROOT / path).read_text(), f"{path}::{function}"


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs").glob("*.md")) + [ROOT / "README.md"], ids=lambda path: path.name
)
def test_links_between_pages_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text()):
        linked = (page.parent / target) if target else page
        assert linked.exists(), target
        if anchor and linked.suffix == ".md":
            titles = re.findall(r"^#+ (.*)$", linked.read_text(), re.M)
            assert anchor in [re.sub(r"[^\w\s-]", "", title.lower()).replace(" ", "-") for title in titles], anchor
