"""Keys of earlier versions: what each is called now, or the sources that took its place, in one sentence."""

from collections.abc import Mapping

import yaml

from headstart.datasets.natural import WITH_CLASSES, WITH_LABEL_MAPS
from headstart.datasets.synthetic import has_scans
from headstart.job import UserError

RENAMED = {
    "check.scans": "check.scans_per_job",
    "pretrain.validation_scans": "pretrain.held_out",
    "slice.percentiles": "register.percentiles",
    "slice.pictures": "slice.images_per_file",
    "slice.scans": "slice.scans_per_file",
    "training.together": "training.runs_per_gpu",
}
# Keys of `pretrain` that each source has now.
_MOVED = ("transfer", "dataset", "rooms", "objects", "activation", "weights", "augment")
# The sources of earlier versions: the key that named the dataset of each, and its task.
_SOURCES = {
    "scratch": None,
    "t1-segmentation": ("dataset", "segmentation"),
    "t1-autoencoding": ("dataset", "autoencoding"),
    "t1-classification": ("dataset", "classification"),
    "natural-segmentation": ("rooms", "segmentation"),
    "natural-autoencoding": ("rooms", "autoencoding"),
    "natural-classification": ("objects", "classification"),
    "imagenet-classification": None,
}
_LAYOUTS = {"rooms": WITH_LABEL_MAPS, "objects": WITH_CLASSES}


def check(study: Mapping, datasets: Mapping) -> None:
    """Raise a :class:`UserError` with the new form of the first key of an earlier version in a study.

    ``datasets``: those of the study, or of the default study where it has none.
    """
    for old, new in RENAMED.items():
        section, key = old.split(".")
        if isinstance(study.get(section), Mapping) and key in study[section]:
            raise UserError(f"configuration key {old} is now {new}; rename it.")
    if isinstance(pretrain := study.get("pretrain"), Mapping):
        _check_pretrain(pretrain, datasets)


def _check_pretrain(pretrain: Mapping, datasets: Mapping) -> None:
    """Raise a :class:`UserError` that declares the sources which the section ``pretrain`` has in its earlier form."""
    old = [f"pretrain.{key}" for key in _MOVED if key in pretrain]
    old += ["pretrain.epochs.t1 and natural"] if isinstance(pretrain.get("epochs"), Mapping) else []
    old += ["a list of pretrain.sources"] if isinstance(pretrain.get("sources"), list) else []
    if not old:
        return
    declared = yaml.safe_dump(_declared(pretrain, datasets), default_flow_style=True, sort_keys=False, width=100_000)
    gone = f"{', '.join(old[:-1])} and {old[-1]}" if old[1:] else old[0]
    raise UserError(
        f"{gone} {'are' if old[1:] else 'is'} of an earlier version; each source has its own dataset and task now: "
        f"write sources: {declared.strip()}."
    )


def _declared(pretrain: Mapping, datasets: Mapping) -> dict[str, dict]:
    """The sources of a section ``pretrain`` of an earlier version in the form of today, as far as they can be had."""
    given = pretrain.get("sources") or list(_SOURCES)
    named = given if isinstance(given, Mapping) else {name: {} for name in map(str, given)}
    made = {name: _source(name, pretrain, datasets) for name in named}
    return {name: made[name] | (named[name] or {}) for name in named if made[name] is not None or named[name]}


def _source(name: str, pretrain: Mapping, datasets: Mapping) -> dict | None:
    """One of these sources; None if its dataset, or its file, is not there."""
    if name == "scratch":
        return {}
    if name == "imagenet-classification":
        weights = {key: value for key, value in (pretrain.get("weights") or {}).items() if value is not None}
        return {"weights": weights} if "file" in weights else None
    key, task = _SOURCES.get(name) or ("dataset", "segmentation")
    dataset = pretrain.get(key) or _first(datasets, key)
    if dataset is None:
        return None
    made = {"dataset": dataset, "task": task}
    if task == "classification" and "activation" in pretrain:
        made["activation"] = pretrain["activation"]
    if isinstance(epochs := pretrain.get("epochs"), Mapping):
        made["epochs"] = epochs.get("t1" if key == "dataset" else "natural")
    augment = pretrain.get("augment") or {}
    # In the earliest versions, there was one augmentation of all natural images.
    own = augment.get(name) if "degrees" not in augment else augment if key != "dataset" else None
    made |= {"augment": own} if own else {}
    transfer = (pretrain.get("transfer") or {}).get(name)
    return made | ({"transfer": transfer} if transfer else {})


def _first(datasets: Mapping, key: str) -> str | None:
    """The first dataset that suits a key: of scans, or of natural images with label maps or classes."""
    suits = has_scans if key == "dataset" else lambda entry: entry["layout"] in _LAYOUTS[key]
    return next((name for name, entry in datasets.items() if "layout" in entry and suits(entry)), None)
