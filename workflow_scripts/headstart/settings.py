"""A study's configuration: merged with the default study, and validated before any job runs."""

import copy
import difflib
import os
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from headstart import consistency, job, old_keys, source_checks, stand_ins, without_labels
from headstart.datasets.scan import in_data
from headstart.job import UserError

# A folder named by a variable of a shell, and the starts of a quoted path, a URL and a path of Windows.
_NO_PATH = re.compile(r"(^|/)\$[A-Za-z_{(]|^([\"'`]|\w+:[/\\]|\\\\|%\w+%)")
# Keys of an entry, whose values a rule of the schema may list under their plural: it then concerns such entries alone.
_ANNOTATED = ("layout", "task")
# Mappings that a study replaces as a whole: its own are not added to those of the default study.
_REPLACED_AS_A_WHOLE = (("datasets",), ("targets",), ("pretrain", "sources"))


def resolve(defaults: str | os.PathLike, schema: str | os.PathLike, study: Mapping | None = None) -> dict:
    """Return the complete, validated configuration of a study, with ``~`` in paths written out.

    ``defaults``: path of the default study (YAML); ``schema``: path of the JSON schema (YAML); ``study``: the keys that
    a study changes. They replace the defaults one by one, but ``datasets``, ``targets`` and ``pretrain.sources`` are
    replaced as a whole.
    Raises :class:`UserError` in one sentence that names the key and the remedy.
    """
    rules = yaml.safe_load(Path(schema).read_text(encoding="utf-8"))
    base = yaml.safe_load(Path(defaults).read_text(encoding="utf-8"))
    _check_names(study or {})
    old_keys.check(study or {}, (study or {}).get("datasets") or base["datasets"])
    config = _merge(base, study or {})
    _validate(config, rules)
    config = _complete(config, rules, rules)
    consistency.check(config)
    source_checks.check(config)
    without_labels.check(config)
    return config


def of_project(root: str | os.PathLike, study: str | os.PathLike | None = None) -> dict:
    """:func:`resolve` for the project in the folder ``root`` and the file of a study; without it, the default study."""
    changes = yaml.safe_load(Path(study).read_text(encoding="utf-8")) if study else None
    return resolve(Path(root, "config.yaml"), Path(root, "rules/schemas/config.schema.yaml"), changes)


def data_folder(config: Mapping) -> str | None:
    """The data folder of a resolved configuration, or of the environment; None if neither names one.

    Raises :class:`UserError` as :func:`resolve` does for the other paths.
    """
    named = config["data"] or _path(os.environ.get("HEADSTART_DATA", ""), "HEADSTART_DATA")
    return job.within_project(named) if named else None


def weights_file(source: str, file: str, data: str | os.PathLike | None) -> Path:
    """Return the path of a source's ``weights.file``, which may be relative to the ``data`` folder.

    Raises :class:`UserError` if the file does not exist, or if its first bytes show that it holds no weights.
    """
    key = f"pretrain.sources.{source}.weights.file"
    path = in_data(key, file, data)
    if not path.is_file():
        raise UserError(f"{key}: {path} does not exist; correct it, or remove the source.")
    try:
        stand_ins.first_bytes(path)
    except UserError as error:
        raise UserError(f"{key}: {error}") from None
    return path


def _check_names(study: Mapping, above: tuple[str, ...] = ()) -> None:
    """Raise :class:`UserError` for a key that YAML did not read as a text, as it does with 1, 012 or yes."""
    for key, value in study.items():
        if not isinstance(key, str):
            place = f"configuration key {'.'.join(above)}" if above else "the configuration"
            raise UserError(f"{place} has the key {key!r}, {_read_as(key)}; put it in quotes.")
        if isinstance(value, Mapping):
            _check_names(value, (*above, key))


def _read_as(value: object) -> str:
    """What YAML made of a value without quotes that should be a text."""
    kinds = {bool: "a truth value", int: "a number", float: "a number", type(None): "nothing"}
    return f"since YAML reads this word without quotes as {kinds.get(type(value), 'a date')}"


def _number(text: str) -> str | None:
    """A number as YAML reads it, for one that it reads as a text (``1e-4``, or in quotes); None for other texts."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return f"{number:f}" if number.is_finite() else None


def _merge(base: Mapping, study: Mapping, path: tuple[str, ...] = ()) -> dict:
    merged = dict(copy.deepcopy(base))
    for key, value in study.items():
        whole = (*path, key) in _REPLACED_AS_A_WHOLE
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping) and not whole:
            merged[key] = _merge(merged[key], value, (*path, key))
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def _validate(config: Mapping, rules: Mapping) -> None:
    error = best_match(Draft202012Validator(rules).iter_errors(config))
    if error is not None:
        raise UserError(_message(error))


def _message(error: ValidationError) -> str:
    """One sentence for a validation error, with the closest known key or value."""
    where = ".".join(str(step) for step in error.absolute_path)
    place = f"configuration key {where}" if where else "the configuration"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in known)
        near = difflib.get_close_matches(unknown, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}."
        return f"{place} has no key {unknown!r}; {hint}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"{place} lacks the key {missing!r}; add it."
    if error.validator == "enum":
        near = difflib.get_close_matches(str(error.instance), [str(v) for v in error.validator_value], n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(map(str, error.validator_value))}."
        return f"{place} is {error.instance!r}; {hint}"
    wanted = error.schema.get("type", ())
    if error.validator == "type" and "string" in wanted and not isinstance(error.instance, Mapping | list):
        return f"{place} is {error.instance!r}, {_read_as(error.instance)}; put it in quotes."
    if isinstance(error.instance, str) and (number := _number(error.instance)) and error.validator in ("type", "anyOf"):
        return f"{place} is {error.instance!r}, which YAML reads as a text; write {number}, without quotes."
    if error.validator == "pattern":
        return f"{place}: {error.instance!r} must be {error.schema['text']}."
    return f"{place}: {error.message}; see docs/configuration.md."


def _complete(value: object, rules: Mapping, root: Mapping, where: tuple[str, ...] = ()) -> object:
    """Return a valid value as the workflow takes it, at every depth.

    Defaults of the schema are filled in, except those of keys that an entry does not read; paths are checked and their
    ``~`` written out; a number such as 3.0, which is an integer to the schema, becomes one.
    """
    if "$ref" in rules:
        rules = {**root["$defs"][rules["$ref"].rsplit("/", 1)[1]], **rules}
    for choice in rules.get("anyOf", ()):
        value = _complete(value, choice, root, where)
    if isinstance(value, Mapping):
        known = rules.get("properties", {})
        filled = {
            key: copy.deepcopy(rule["default"])
            for key, rule in known.items()
            if "default" in rule and _is_read(rule, value)
        }
        filled.update(value)
        others = rules.get("additionalProperties") or {}
        return {key: _complete(item, known.get(key, others), root, (*where, key)) for key, item in filled.items()}
    if isinstance(value, list):
        return [_complete(item, rules.get("items", {}), root, where) for item in value]
    if isinstance(value, str) and rules.get("format") == "path":
        return _path(value, f"configuration key {'.'.join(where)}")
    whole = isinstance(value, float) and "integer" in (rules.get("type") or ())
    return int(value) if whole else value


def _is_read(rule: Mapping, entry: Mapping) -> bool:
    """Whether an entry reads a key with this rule, by its layout, its task, and its other keys."""
    suits = all(entry.get(key) in rule.get(f"{key}s", [entry.get(key)]) for key in _ANNOTATED)
    return suits and entry.keys() >= {*rule.get("with", ())} and entry.keys().isdisjoint(rule.get("without", ()))


def _path(written: str, place: str) -> str:
    """A path with its ``~`` written out; raises :class:`UserError` for what only a shell, or Windows, takes for one.

    ``place``: where it is written, for the message.
    """
    path = os.path.expanduser(written)
    if path.startswith("~"):
        raise UserError(f"{place} is {written!r}, and this machine knows no such home folder; write it out.")
    if _NO_PATH.search(path) and not os.path.lexists(path):
        raise UserError(
            f"{place} is {written!r}, which is taken as it stands; write the path itself, without "
            "variables, quotes, file: or a drive (~ stands for your home folder)."
        )
    return path
