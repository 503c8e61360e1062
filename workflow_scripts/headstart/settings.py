"""The configuration: read, laid over the default study, checked before any job runs."""

import copy
import difflib
import os
from collections.abc import Mapping
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from headstart.datasets.natural import CLASSED, MAPPED, is_natural
from headstart.job import UserError

# A study that names its own datasets or targets means these alone, not these beside the default study's.
_WHOLE = ("datasets", "targets")
# Which key of pretrain names a natural source's dataset, and what layouts that may have.
_NEEDS = {
    "natural-segmentation": ("rooms", MAPPED),
    "natural-autoencoding": ("rooms", MAPPED),
    "natural-classification": ("objects", CLASSED),
}


def resolve(defaults: str | os.PathLike, schema: str | os.PathLike, study: Mapping | None = None) -> dict:
    """The complete configuration of a study.

    ``defaults``: path of the default study (YAML); ``schema``: path of its JSON schema (YAML); ``study``: what a
    study changes, laid over the defaults key by key, but for ``datasets`` and ``targets``, which it replaces whole.
    Raises :class:`UserError` in one sentence that names the key and what would be right.
    """
    rules = yaml.safe_load(Path(schema).read_text(encoding="utf-8"))
    base = yaml.safe_load(Path(defaults).read_text(encoding="utf-8"))
    config = _lay_over(base, study or {})
    _check(config, rules)
    config = _with_defaults(config, rules, rules)
    _check_references(config)
    return _with_natural(config)


def label_values(listed: list[int | str]) -> list[int]:
    """Label values of a class: single integers and ranges such as ``"100-207"``, both ends included."""
    values = []
    for item in listed:
        first, _, last = str(item).partition("-")
        values.extend(range(int(first), int(last or first) + 1))
    return values


def weights_file(file: str | None, data: str | os.PathLike | None) -> Path | None:
    """The weights that ``pretrain.weights.file`` names, absolute or within the ``data`` folder; None if it names none.

    Raises :class:`UserError` if they are not there.
    """
    if file is None:
        return None
    path = Path(file)
    if not path.is_absolute():
        if not data:
            raise UserError("pretrain.weights.file is relative; set data in the configuration, or HEADSTART_DATA.")
        path = Path(data) / path
    if not path.is_file():
        raise UserError(f"pretrain.weights.file: {path} does not exist; correct it, or remove it.")
    return path


def _lay_over(base: Mapping, study: Mapping, path: tuple[str, ...] = ()) -> dict:
    merged = dict(copy.deepcopy(base))
    for key, value in study.items():
        whole = not path and key in _WHOLE
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping) and not whole:
            merged[key] = _lay_over(merged[key], value, (*path, key))
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def _check(config: Mapping, rules: Mapping) -> None:
    error = best_match(Draft202012Validator(rules).iter_errors(config))
    if error is not None:
        raise UserError(_sentence(error))


def _sentence(error: ValidationError) -> str:
    """One sentence for a schema error, with the nearest known key or value."""
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
    if error.validator == "propertyNames" or error.validator == "pattern":
        return f"{place}: the name {error.instance!r} must be letters, digits and single hyphens."
    return f"{place}: {error.message}; see docs/configuration.md."


def _with_defaults(value: object, rules: Mapping, root: Mapping) -> object:
    """Fill in the defaults that the schema states, at every depth."""
    if "$ref" in rules:
        rules = root["$defs"][rules["$ref"].rsplit("/", 1)[1]]
    if isinstance(value, Mapping):
        known = rules.get("properties", {})
        filled = {key: copy.deepcopy(rule["default"]) for key, rule in known.items() if "default" in rule}
        filled.update(value)
        others = rules.get("additionalProperties") or {}
        return {key: _with_defaults(item, known.get(key, others), root) for key, item in filled.items()}
    return value


def _check_references(config: Mapping) -> None:
    """Names that one part of the configuration gives to another must exist there."""
    datasets = config["datasets"]
    users = {f"targets.{name}": target["dataset"] for name, target in config["targets"].items()}
    users["pretrain"] = config["pretrain"]["dataset"]
    for user, dataset in users.items():
        if dataset not in datasets:
            near = difflib.get_close_matches(dataset, datasets, n=1, cutoff=0) or ["nothing"]
            raise UserError(f"{user}.dataset is {dataset!r}, which datasets lacks; did you mean {near[0]!r}?")
        if is_natural(datasets[dataset]):
            raise UserError(f"{user}.dataset is {dataset!r}, which holds natural images; name a dataset of scans.")
    owners: dict[str, str] = {}
    for name, target in config["targets"].items():
        if owners.setdefault(target["dataset"], name) != name:
            raise UserError(
                f"targets.{name} and targets.{owners[target['dataset']]} share the dataset {target['dataset']!r}; "
                "give each a dataset entry of its own (both may name the same folder)."
            )
        values = [v for listed in target["classes"].values() for v in label_values(listed)]
        doubled = sorted({v for v in values if values.count(v) > 1})
        if doubled:
            raise UserError(f"targets.{name}.classes gives label {doubled[0]} to two classes; keep it in one.")
    if config["slice"]["size"] % 32:
        raise UserError(f"slice.size is {config['slice']['size']}; the encoder halves it five times: take 32, 64, ...")


def left_out(pretrain: Mapping) -> dict[str, str]:
    """The sources that a study asks for and cannot have, and why; ``pretrain``: that part of its configuration."""
    reasons = {}
    for source in pretrain["sources"]:
        if source in _NEEDS and pretrain[_NEEDS[source][0]] is None:
            layouts = " or ".join(_NEEDS[source][1])
            reasons[source] = f"no dataset has suitable natural images; add one with the layout {layouts}"
        if source == "imagenet-classification" and pretrain["weights"]["file"] is None:
            reasons[source] = "no weights are given; name a file in pretrain.weights.file"
    return reasons


def _with_natural(config: dict) -> dict:
    """Name the datasets of the natural sources where the study leaves that open: the first that suits."""
    for key, layouts in _NEEDS.values():
        name = config["pretrain"][key]
        suited = [other for other, entry in config["datasets"].items() if entry["layout"] in layouts]
        if name is None and suited:
            config["pretrain"][key] = suited[0]
        elif name is not None and name not in suited:
            raise UserError(
                f"pretrain.{key} is {name!r}, which is no dataset with the layout {' or '.join(layouts)}; correct it."
            )
    return config
