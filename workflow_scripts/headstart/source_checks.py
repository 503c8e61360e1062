"""What a JSON schema cannot check of the section ``pretrain.sources``: each source's keys, its dataset and its task."""

import difflib
import math
from collections.abc import Mapping, Sequence

from headstart import sources
from headstart.consistency import check_augmentation, check_classes, has_side
from headstart.datasets.scan import T1W
from headstart.job import UserError
from headstart.label_table import class_numbers
from headstart.sources import BASELINE, TASKS, Source

# Keys of a training, which weights from elsewhere and the baseline do not have.
_OF_TRAINING = (
    "epochs", "steps", "learning_rate", "augment", "labels", "classes", "structures", "synthesis", "activation",
    "hidden", "patch", "start", "repeats",
)  # fmt: skip
# Keys of some tasks alone.
_OF_TASKS = {
    "labels": ("segmentation",),
    "classes": ("segmentation",),
    "structures": ("segmentation",),
    "synthesis": ("segmentation",),
    "activation": ("classification",),
    "hidden": ("masked-autoencoding",),
    "patch": ("masked-autoencoding",),
}


def check(config: Mapping) -> None:
    """Raise :class:`UserError` unless each source of a valid configuration can be had."""
    for name, entry in config["pretrain"]["sources"].items():
        key = f"pretrain.sources.{name}"
        _check_form(name, key, entry)
        if "dataset" in entry:
            _check_dataset(key, entry["dataset"], config["datasets"])
        if expects := entry.get("weights", {}).get("expects"):
            _check_expected_input(f"{key}.weights.expects", expects["mean"], expects["std"])
    _check_starts(config["pretrain"]["sources"])
    for source in sources.of_study(config).values():
        key = f"pretrain.sources.{source.name}"
        if source.trained:
            _check_repeats(key, source, config["targets"])
            _check_task(key, source, config["datasets"][source.dataset]["layout"])
            _check_first_image(key, source)
            _check_augmentation(key, source)
            _check_synthesis(key, source, config)
        if source.transfer == "all" and not (source.trained and TASKS[source.task].decodes):
            raise UserError(f"{key}.transfer is all, but this source has no decoder; set it to encoder.")
    _check_classes(config)
    _check_strengths("pretrain.synthesis", config["pretrain"]["synthesis"])


def _check_form(name: str, key: str, entry: Mapping) -> None:
    """Check that a source is either a dataset with a task, or weights, or the baseline."""
    trained = [part for part in ("dataset", "task") if part in entry]
    if name == BASELINE and (trained or "weights" in entry):
        raise UserError(f"{key} is the random start, the baseline; write {BASELINE}: {{}}, or rename this source.")
    if trained and "weights" in entry:
        raise UserError(f"{key} has both {trained[0]} and weights; make two sources of them.")
    if len(trained) == 1:
        other = "dataset" if trained == ["task"] else f"task ({', '.join(TASKS)})"
        raise UserError(f"{key} has a {trained[0]} but no {other.partition(' ')[0]}; add its {other}.")
    if not trained and "weights" not in entry and name != BASELINE:
        raise UserError(f"{key} has neither a dataset with a task nor weights; add one (only {BASELINE} has none).")
    for part in _OF_TRAINING:
        if part in entry and not trained:
            raise UserError(f"{key}.{part}: this source is not trained here; remove {part}.")
        if part in entry and entry["task"] not in _OF_TASKS.get(part, TASKS):
            raise UserError(f"{key}.{part} is for the task {_OF_TASKS[part][0]}, not {entry['task']}; remove it.")
    if entry.get("epochs") and entry.get("steps"):
        raise UserError(f"{key} has both epochs and steps, the length of its training; give one.")


def _check_dataset(key: str, dataset: str, datasets: Mapping) -> None:
    if dataset not in datasets:
        near = difflib.get_close_matches(dataset, datasets, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"name one of {', '.join(datasets)}, or list other sources."
        raise UserError(f"{key}.dataset is {dataset!r}, which datasets lacks; {remedy}")


def _check_starts(entries: Mapping[str, Mapping]) -> None:
    """Check that each source that continues another can be trained after it."""
    for name, entry in entries.items():
        key, start = f"pretrain.sources.{name}.start", entry.get("start")
        if start == BASELINE:
            raise UserError(f"{key} is {BASELINE}, the random start that a source has by itself; remove it.")
        chain = [name]
        while start is not None:
            if start not in entries:
                others = [other for other in entries if other not in (BASELINE, *chain)]
                near = difflib.get_close_matches(start, others, n=1)
                listed = f"name one of {', '.join(others)}, or remove it." if others else "remove it."
                remedy = f"did you mean {near[0]!r}?" if near else listed
                raise UserError(f"pretrain.sources.{chain[-1]}.start is {start!r}, which is no source; {remedy}")
            if start in chain:
                raise UserError(f"{key} leads back to {start} ({', '.join([*chain, start])}); remove one start.")
            chain.append(start)
            start = entries[start].get("start")


def _check_repeats(key: str, source: Source, targets: Mapping[str, Mapping]) -> None:
    """Check that some target has a resample for each repeat."""
    most = max(target["resamples"] for target in targets.values())
    if source.repeats > most:
        raise UserError(
            f"{key}.repeats is {source.repeats}, but no target has more than {most} resamples, each of which is "
            "fine-tuned from one repeat; lower it, or raise resamples."
        )


def _check_expected_input(key: str, mean: Sequence[float], std: Sequence[float]) -> None:
    """Check that an image can be normalised with these numbers, one of each channel."""
    if len(mean) != len(std) or len(mean) == 2:
        raise UserError(
            f"{key} has {len(mean)} numbers in mean and {len(std)} in std; give one (grey) or three (RGB) of each."
        )
    if not all(map(math.isfinite, (*mean, *std))):
        raise UserError(f"{key} has numbers that are not finite; correct them.")


def _check_task(key: str, source: Source, layout: str) -> None:
    """Check that a dataset has what a task needs."""
    layouts = TASKS[source.task].layouts
    if source.natural and layout not in layouts:
        raise UserError(
            f"{key}.task is {source.task}, which {source.dataset!r} has no targets for (layout {layout}); name a "
            f"dataset of scans, or of natural images with the layout {' or '.join(layouts)}."
        )


def _check_first_image(key: str, source: Source) -> None:
    """Check that headstart can make the labels that a source needs, which it does of T1 scans alone."""
    if source.uses_made_labels and source.first_image != T1W:
        others = "set labels to target" if source.task == "segmentation" else "choose autoencoding"
        raise UserError(
            f"{key}: headstart makes labels for the task {source.task} from T1 scans, and datasets.{source.dataset}."
            f"images begins with {source.first_image}; {others}, or name a dataset that begins with {T1W}."
        )


def _check_augmentation(key: str, source: Source) -> None:
    """Check that a source can have its augmentation."""
    kinds = source.augment or {}
    names = source.classes or () if source.targets == "target" else ()
    sided = source.on_scans and source.targets == "presence"
    if kinds.get("mirror") and (sided or any(map(has_side, names))):
        raise UserError(f"{key}.augment.mirror would exchange left and right structures; set it to false.")
    if "degrees" not in kinds:
        check_augmentation(f"{key}.augment", kinds)
    elif not source.natural:
        raise UserError(
            f"{key}.augment.degrees is for natural images; write {key}.augment.rotation, as in finetune.augment."
        )


def _check_synthesis(key: str, source: Source, config: Mapping) -> None:
    """Check that a source has synthetic heads and what is made of them, or nothing of the kind."""
    entry = config["pretrain"]["sources"][source.name]
    if not source.label_maps:
        if given := [part for part in ("structures", "synthesis") if part in entry]:
            raise UserError(f"{key}.{given[0]} is for datasets with the layout synthetic; remove it.")
        return
    if source.task != "segmentation":
        raise UserError(f"{key}.task is {source.task}, but synthetic heads have label maps alone; set segmentation.")
    if "augment" in entry:
        raise UserError(
            f"{key}.augment: images of synthetic heads change as pretrain.synthesis.changes says; remove it."
        )
    if source.manual or not source.scans:  # without these, _check_classes says what is missing
        _check_structures(key, source, config)
    people, held_out = config["datasets"][source.dataset].get("people", math.inf), config["pretrain"]["held_out"]
    if people <= held_out:
        raise UserError(
            f"{key}: all {people} heads of {source.dataset!r} are held out (pretrain.held_out); add people."
        )


def _check_structures(key: str, source: Source, config: Mapping) -> None:
    """Check that the classes of label maps are of labels that these have, and can be mirrored."""
    try:
        labels = sources.map_labels(config["datasets"][source.dataset], source.manual)
    except UserError as error:
        raise UserError(f"datasets.{source.dataset}.scans: {error}") from None
    try:
        class_numbers(labels, source.classes)
    except UserError as error:
        raise UserError(f"{key}.structures: {error}") from None
    sided = [name for name in source.classes if has_side(name)]
    if sided and not source.scans:
        raise UserError(
            f"{key}.structures has {sided[0]!r}, but a structure is that of both sides; give it a name without a side."
        )
    if sided and config["pretrain"]["synthesis"]["changes"].get("mirror"):
        raise UserError(
            f"{key} has the class {sided[0]!r}, which mirroring would put on the other side; set "
            "pretrain.synthesis.changes.mirror to false."
        )


def _check_strengths(key: str, synthesis: Mapping) -> None:
    """Check the strengths with which images are made of label maps."""
    check_augmentation(f"{key}.changes", synthesis["changes"])
    if synthesis["texture"]["low"] > synthesis["texture"]["high"]:
        raise UserError(f"{key}.texture: low is above high; exchange them.")


def _check_classes(config: Mapping) -> None:
    """Check that the manual labels of each dataset have one list of classes."""
    of_targets = {target["dataset"]: name for name, target in config["targets"].items()}
    owners: dict[str, Source] = {}
    for source in sources.of_study(config).values():
        key = f"pretrain.sources.{source.name}"
        entry = config["pretrain"]["sources"][source.name]
        if "labels" in entry and not source.on_scans:
            holds = "natural images" if source.natural else "label maps alone"
            raise UserError(f"{key}.labels is for scans, and {source.dataset!r} holds {holds}; remove it.")
        if "classes" in entry and source.label_maps and not source.scans:
            raise UserError(
                f"{key}.classes is for label values; name the structures of each class in {key}.structures."
            )
        if "classes" in entry and not source.uses_manual_labels:
            raise UserError(f"{key}.classes is for the manual labels of scans; remove it, or set labels to target.")
        if not source.uses_manual_labels:
            continue
        if "classes" in entry and source.scans in of_targets:
            raise UserError(
                f"{key}.classes: the labels of {source.scans!r} have the classes of targets."
                f"{of_targets[source.scans]}; remove it."
            )
        if source.manual is None:
            uses = f"datasets.{source.dataset} takes manual labels" if source.label_maps else f"{key}.labels is target"
            raise UserError(
                f"{uses}, but no target has the dataset {source.scans!r}; add {key}.classes, as in "
                "targets.<name>.classes."
            )
        check_classes(f"{key}.classes", source.manual)
        other = owners.setdefault(source.scans, source)
        if _listed(other.manual) != _listed(source.manual):
            raise UserError(
                f"{key}.classes differ from those of pretrain.sources.{other.name}, which uses the same labels; give "
                "each a dataset entry of its own (both may name the same folder)."
            )


def _listed(classes: Mapping[str, Sequence]) -> list[tuple[str, list]]:
    """Classes in their order, which equal mappings need not share."""
    return [(name, list(values)) for name, values in classes.items()]
