"""docs/configuration.md is what `make docs` generates, and has every key of the schema."""

import re
import runpy
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/configuration.md").read_text()
SCHEMA = yaml.safe_load((ROOT / "rules/schemas/config.schema.yaml").read_text())
# Rows of the tables with four columns: key, values, default, description.
CELLS = [re.split(r"(?<!\\)\|", line)[1:-1] for line in PAGE.splitlines() if line.startswith("| `")]
ROWS = [[cell.strip() for cell in cells] for cells in CELLS if len(cells) == 4]


def keys_of(rule, path=""):
    """Every key of the schema at every depth, each with its rule; user-named keys are called <>."""
    if "$ref" in rule:
        rule = {**SCHEMA["$defs"][rule["$ref"].rpartition("/")[2]], **rule}
    if path:
        yield path, rule
    # `else` has the keys of another key.
    for option in [*rule.get("anyOf", []), *([rule["then"]] if "then" in rule else [])]:
        yield from ((key, inner) for key, inner in keys_of(option, path) if key != path)
    for name, inner in rule.get("properties", {}).items():
        yield from keys_of(inner, f"{path}.{name}" if path else name)
    if isinstance(inner := rule.get("additionalProperties"), dict):
        yield from keys_of(inner, f"{path}.<>")


KEYS = dict(keys_of(SCHEMA))
# Sections have a heading and a paragraph of their own; all other keys have a row in a table.
SECTIONS = {key for key, rule in KEYS.items() if "." not in key and rule["type"] == "object"}


def key_of(row):
    """The key of a row, as in KEYS."""
    return re.sub("<[^>]*>", "<>", row[0].strip("`"))


def test_the_page_is_up_to_date():
    generate = runpy.run_path(str(ROOT / "docs/generate/configuration.py"))
    assert generate["page"]() == PAGE, "run make docs"


def test_every_key_of_the_schema_is_described():
    assert [key for key, rule in KEYS.items() if not re.search(r"\w", rule.get("description", ""))] == []


def test_every_key_of_the_schema_has_a_row_and_every_row_is_a_key():
    rows = [key_of(row) for row in ROWS]
    assert len(rows) == len(set(rows))
    assert set(rows) == set(KEYS) - SECTIONS
    assert set(re.findall(r"^## (\w+)$", PAGE, re.M)) == SECTIONS | {"general"}


def test_every_row_has_the_values_that_its_key_takes_and_its_description():
    for row in ROWS:
        _, values, _, description = row
        assert values, row
        plain = re.sub(r"\[(\w+\.md)\]\(\1\)", r"docs/\1", description).replace(r"\|", "|")
        assert plain.endswith(KEYS[key_of(row)]["description"]), row


def test_the_defaults_on_the_page_are_those_of_the_default_study():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    compared = 0
    for key, _, default, _ in ROWS:
        value, steps = config, key.strip("`").split(".")
        while steps and isinstance(value, dict) and steps[0] in value:
            value = value[steps.pop(0)]
        if not steps and not isinstance(value, dict):
            assert yaml.safe_load(default.strip("`")) == value, key
            compared += 1
    assert compared > 70
