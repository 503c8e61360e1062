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

from headstart import consistency, job, stand_ins
from headstart.datasets.natural import WITH_CLASSES, WITH_LABEL_MAPS
from headstart.job import UserError

# Keys of earlier versions, and what each is called now.
RENAMED = {
    "check.scans": "check.scans_per_job",
    "pretrain.validation_scans": "pretrain.held_out",
    "slice.percentiles": "register.percentiles",
    "slice.pictures": "slice.images_per_file",
    "slice.scans": "slice.scans_per_file",
    "training.together": "training.runs_per_gpu",
}
# A folder named by a variable of a shell, and the starts of a quoted path, a URL and a path of Windows.
_NO_PATH = re.compile(r"(^|/)\$[A-Za-z_{(]|^([\"'`]|\w+:[/\\]|\\\\|%\w+%)")
# Sections that a study replaces as a whole: its datasets and targets are not added to those of the default study.
_REPLACED_AS_A_WHOLE = ("datasets", "targets")
# The key of `pretrain` that names the dataset of each natural source, and the layouts that suit it.
_NATURAL_SOURCES = {
    "natural-segmentation": ("rooms", WITH_LABEL_MAPS),
    "natural-autoencoding": ("rooms", WITH_LABEL_MAPS),
    "natural-classification": ("objects", WITH_CLASSES),
}


def resolve(defaults: str | os.PathLike, schema: str | os.PathLike, study: Mapping | None = None) -> dict:
    """Return the complete, validated configuration of a study, with ``~`` in paths written out.

    ``defaults``: path of the default study (YAML); ``schema``: path of the JSON schema (YAML); ``study``: the keys that
    a study changes. They replace the defaults one by one, but ``datasets`` and ``targets`` are replaced as a whole.
    Raises :class:`UserError` in one sentence that names the key and the remedy.
    """
    rules = yaml.safe_load(Path(schema).read_text(encoding="utf-8"))
    base = yaml.safe_load(Path(defaults).read_text(encoding="utf-8"))
    _check_names(study or {})
    _check_renamed(study or {})
    _check_augmentation_by_source(study or {})
    config = _merge(base, study or {})
    _validate(config, rules)
    config = _complete(config, rules, rules)
    consistency.check(config)
    return _choose_natural_datasets(config)


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


def weights_file(file: str | None, data: str | os.PathLike | None) -> Path | None:
    """Return the path of ``pretrain.weights.file``, which may be relative to the ``data`` folder; None if it is None.

    Raises :class:`UserError` if the file does not exist, or if its first bytes show that it holds no weights.
    """
    if file is None:
        return None
    path = Path(job.within_project(file))
    if not os.path.isabs(file):
        if not data:
            raise UserError("pretrain.weights.file is relative; set data in the configuration, or HEADSTART_DATA.")
        path = Path(data) / path
    if not path.is_file():
        raise UserError(f"pretrain.weights.file: {path} does not exist; correct it, or remove it.")
    try:
        stand_ins.first_bytes(path)
    except UserError as error:
        raise UserError(f"pretrain.weights.file: {error}") from None
    return path


def left_out(pretrain: Mapping) -> dict[str, str]:
    """Return the sources that a study lists but cannot have, each with the reason.

    ``pretrain``: that section of the resolved configuration.
    """
    reasons = {}
    for source in pretrain["sources"]:
        if source in _NATURAL_SOURCES and pretrain[_NATURAL_SOURCES[source][0]] is None:
            layouts = " or ".join(_NATURAL_SOURCES[source][1])
            reasons[source] = f"no dataset has suitable natural images; add one with the layout {layouts}"
        if source == "imagenet-classification" and pretrain["weights"]["file"] is None:
            reasons[source] = "no weights are given; name a file in pretrain.weights.file"
    return reasons


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


def _check_renamed(study: Mapping) -> None:
    """Raise a :class:`UserError` with the new name of the first renamed key in a study."""
    for old, new in RENAMED.items():
        section, key = old.split(".")
        if isinstance(study.get(section), Mapping) and key in study[section]:
            raise UserError(f"configuration key {old} is now {new}; rename it.")


def _check_augmentation_by_source(study: Mapping) -> None:
    """Raise a :class:`UserError` for the augmentation of an earlier version: one for all sources, or null."""
    pretrain = study.get("pretrain")
    if not isinstance(pretrain, Mapping) or "augment" not in pretrain:
        return
    given = pretrain["augment"]
    if given is None:
        raise UserError("configuration key pretrain.augment names sources now; write {} for none.")
    if isinstance(given, Mapping) and "degrees" in given:
        one = yaml.safe_dump(
            {"natural-segmentation": dict(given)}, default_flow_style=True, sort_keys=False, width=1000
        )
        raise UserError(
            f"configuration key pretrain.augment.degrees is now pretrain.augment.<source>.degrees; name each source, "
            f"as in augment: {one.strip()}."
        )


def _merge(base: Mapping, study: Mapping, path: tuple[str, ...] = ()) -> dict:
    merged = dict(copy.deepcopy(base))
    for key, value in study.items():
        whole = not path and key in _REPLACED_AS_A_WHOLE
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

    Defaults of the schema are filled in, except those of keys that an entry's layout does not read; paths are checked
    and their ``~`` written out; a number such as 3.0, which is an integer to the schema, becomes one.
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
            if "default" in rule and ("layouts" not in rule or value["layout"] in rule["layouts"])
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


def _choose_natural_datasets(config: dict) -> dict:
    """Where ``pretrain.rooms`` or ``pretrain.objects`` is null, set it to the first dataset with a suitable layout."""
    for key, layouts in _NATURAL_SOURCES.values():
        name = config["pretrain"][key]
        suited = [other for other, entry in config["datasets"].items() if entry["layout"] in layouts]
        if name is None and suited:
            config["pretrain"][key] = suited[0]
        elif name is not None and name not in suited:
            raise UserError(
                f"pretrain.{key} is {name!r}, which is no dataset with the layout {' or '.join(layouts)}; correct it."
            )
    return config
