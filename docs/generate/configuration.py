"""Write docs/configuration.md, the reference of all keys: ``python docs/generate/configuration.py``, for ``make docs``.

Keys, values and descriptions come from the schema of the configuration. Defaults come from config.yaml or, for the
entries that users name themselves, from the schema. The introduction is in configuration.template.md.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from string import Template

import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from headstart.old_keys import RENAMED  # noqa: E402

# Sections whose entries users name themselves; those of config.yaml are examples, not defaults.
NAMED_BY_USERS = ("datasets", "targets")
NOT_SET = "–"
# Annotations of the schema: what reads a key, and the key of the entry that it goes with, or does not.
READERS = {"layouts": "Layout", "tasks": "Task", "with": "With", "without": "Without"}


def page() -> str:
    """The page, from the schema, the default study and the template."""
    schema = yaml.safe_load((ROOT / "rules/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    defaults = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    reference = Reference(schema["$defs"])
    sections = {key: rule for key, rule in schema["properties"].items() if rule.get("type") == "object"}
    general = {key: rule for key, rule in schema["properties"].items() if key not in sections}
    rows = [row for key, rule in general.items() for row in reference.rows(key, rule, defaults[key])]
    texts = [f"## general\n\n{table(rows)}"]
    for key, rule in sections.items():
        rows = reference.nested_rows(key, rule, {} if key in NAMED_BY_USERS else defaults[key])
        texts.append(f"## {key}\n\n{linked(rule['description'])}\n\n{table(rows)}")
    template = Template(Path(__file__).with_name("configuration.template.md").read_text(encoding="utf-8"))
    return template.substitute(
        contents=", ".join(f"[{key}](#{key})" for key in ("general", *sections)),
        sections="\n\n".join(texts),
        renamed="\n".join(f"| `{old}` | `{new}` |" for old, new in RENAMED.items()),
    )


class Reference:
    """Rows of the tables: key, values, default and description; ``definitions`` are those that the schema refers to."""

    def __init__(self, definitions: Mapping) -> None:
        self.definitions = definitions

    def rows(self, key: str, rule: Mapping, default: object, required: bool = False) -> Iterator[tuple[str, ...]]:
        """The row of one key, and those of the keys within it; ``default``: its value in config.yaml, if it has one."""
        rule = self.resolved(rule)
        inherited = default if isinstance(default, Mapping) else {}
        shown = "" if inherited else as_default(rule.get("default", default))
        readers = [f"{word}: {codes(rule[key])}. " for key, word in READERS.items() if key in rule]
        shown = "*required*" if required and shown == NOT_SET else shown
        yield f"`{key}`", self.values(rule), shown, "".join(readers) + linked(rule["description"])
        yield from self.nested_rows(key, rule, inherited)

    def nested_rows(self, key: str, rule: Mapping, defaults: Mapping) -> Iterator[tuple[str, ...]]:
        """The rows of the keys within a key, at every depth."""
        # What `else` allows are keys that another key's rows describe.
        others = [*rule.get("anyOf", ()), *([rule["then"]] if "then" in rule else [])]
        for part in (rule, *map(self.resolved, others)):
            for name, inner in part.get("properties", {}).items():
                required = name in part.get("required", ())
                yield from self.rows(f"{key}.{name}", inner, defaults.get(name, NOT_SET), required)
            if isinstance(inner := part.get("additionalProperties"), Mapping):
                yield from self.rows(f"{key}.<{self.resolved(inner)['title']}>", inner, NOT_SET)

    def resolved(self, rule: Mapping) -> Mapping:
        """A rule with what it refers to filled in."""
        return self.definitions[rule["$ref"].rpartition("/")[2]] | rule if "$ref" in rule else rule

    def values(self, rule: Mapping) -> str:
        """The values that a key takes, in words."""
        rule = self.resolved(rule)
        if "anyOf" in rule:
            return " or ".join(self.values(part) for part in rule["anyOf"])
        if "enum" in rule:
            return codes(as_yaml(value) for value in rule["enum"])
        types = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
        return " or ".join(self.values_of(name, rule) for name in types)

    def values_of(self, type_name: str, rule: Mapping) -> str:
        """The values of one of a rule's types, in words."""
        match type_name:
            case "array":
                length = f" of {rule['maxItems']}" if "maxItems" in rule else ""
                return f"list{length}: {self.values(rule['items'])}"
            case "integer" | "number":
                if "minimum" in rule and "maximum" in rule:
                    return f"{type_name} from {rule['minimum']} to {rule['maximum']}"
                signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
                bounds = ", ".join(f"{sign} {rule[name]}" for name, sign in signs.items() if name in rule)
                return f"{type_name} {bounds}".strip()
            case "string":
                return rule.get("text", "text")
        return {"boolean": "`true`, `false`", "null": "`null`", "object": "mapping"}[type_name]


def as_default(value: object) -> str:
    """A default as code; a dash where a key is not set."""
    return NOT_SET if value is NOT_SET else f"`{as_yaml(value)}`"


def as_yaml(value: object) -> str:
    """A value as config.yaml would have it, on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).removesuffix("...\n").strip()


def codes(values: Iterable[str]) -> str:
    """Values as code, with commas between them."""
    return ", ".join(f"`{value}`" for value in values)


def linked(text: str) -> str:
    """A description with links to the other pages."""
    return re.sub(r"docs/(\w+\.md)", r"[\1](\1)", text)


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [("key", "values", "default", "description"), ("---",) * 4, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    (ROOT / "docs/configuration.md").write_text(page(), encoding="utf-8")
