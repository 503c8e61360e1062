"""The documentation agrees with the code and with itself."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from headstart.version import __version__

ROOT = Path(__file__).parents[1]
ROWS = [line.split("|")[1:-1] for line in (ROOT / "docs/paper.md").read_text().splitlines() if re.match(r"\| \d", line)]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md")), ROOT / "workflow_scripts/README.md"]
STAGES = ["datasets", "register", "label", "slice", "pretrain", "finetune", "evaluate", "report"]
# Files of rules beside those of the stages.
BESIDE = ["external", "tables", "figures", "provenance", "plan", "predict", "publish", "export", "compare"]


@pytest.mark.parametrize("row", ROWS, ids=[row[1].strip()[:50] for row in ROWS])
def test_each_statement_of_the_paper_has_its_code_and_its_test(row):
    _, _, code, tests = row
    for name in re.findall(r"`([\w.]+)`", code):
        module, attribute = name.rsplit(".", 1)
        assert hasattr(importlib.import_module(f"headstart.{module}"), attribute), name
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests)
    assert named
    assert len(named) == tests.count("::")
    for path, function in named:
        assert f"def {function}(" in (ROOT / path).read_text(), f"{path}::{function}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text()):
        linked = (page.parent / target) if target else page
        assert linked.exists(), target
        if anchor and linked.suffix == ".md":
            titles = re.findall(r"^#+ (.*)$", linked.read_text(), re.M)
            assert anchor in [re.sub(r"[^\w\s-]", "", title.lower()).replace(" ", "-") for title in titles], anchor


def test_the_version_is_the_same_wherever_it_stands():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]) == __version__


def test_every_page_in_docs_is_linked_from_another():
    for page in (ROOT / "docs").glob("*.md"):
        others = "".join(other.read_text() for other in PAGES if other != page)
        assert re.search(rf"\]\((docs/|\.\./docs/)?{page.name}[)#]", others), page.name


def test_pictures_in_docs_are_small_and_shown():
    texts = "".join(page.read_text() for page in PAGES)
    for picture in (ROOT / "docs").glob("*.png"):
        assert picture.stat().st_size < 300_000, picture
        assert f"docs/{picture.name})" in texts, picture


def test_the_readme_draws_the_eight_stages():
    chain = " --> ".join(STAGES)
    assert f"```mermaid\nflowchart LR\n{chain}\n```" in (ROOT / "README.md").read_text()


def scripts_by_stage() -> dict[str, list[str]]:
    """What workflow_scripts/README.md lists: names of scripts without their suffix, by stage."""
    _, *sections = (ROOT / "workflow_scripts/README.md").read_text().split("\n## ")
    return {text.partition("\n")[0]: re.findall(r"^- `(\w+)\.py`: \S", text, re.M) for text in sections}


def test_the_list_of_scripts_names_each_script_once():
    listed = [name for names in scripts_by_stage().values() for name in names]
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "workflow_scripts").glob("*.py"))


@pytest.mark.parametrize("stage", [*STAGES, *BESIDE])
def test_the_list_of_scripts_puts_each_script_under_the_stage_whose_rules_run_it(stage):
    run = re.findall(r'"\.\./workflow_scripts/(\w+)\.py"', (ROOT / f"rules/{stage}.smk").read_text())
    assert set(scripts_by_stage()[stage]) == set(run)
