"""What a JSON schema cannot check: whether the parts of a study's configuration fit one another."""

import difflib
import re
from collections.abc import Mapping

from headstart.datasets import folds, synthetic
from headstart.datasets.natural import is_natural
from headstart.datasets.scan import image_names
from headstart.job import UserError
from headstart.slices import channels

# Words of a class's name that put it on one side, and where its words begin: at other signs, and at capitals.
_SIDES = re.compile(r"left.*|right.*|[lr][ht]?|.{3,}(left|right)", re.IGNORECASE)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
# How often a whole backbone halves a slice.
_HALVINGS = 5
# The weakest and strongest value of each random change that can be meant (headstart.training.augment.Augment). Control
# points of the elastic deformation are an eighth of the side apart.
_STRENGTHS = {
    "rotation": (-180, 180),
    "scale": (0.1, 10),
    "shear": (-45, 45),
    "elastic": (0, 0.1),
    "inverted_gamma": (0.1, 10),
    "gamma": (0.1, 10),
    "brightness": (0, 10),
    "contrast": (0, 10),
    "bias": (0, 5),
    "blur": (0.01, 20),
    "low_resolution": (0.05, 1),
    "noise": (0, 1),
}


def has_side(title: str) -> bool:
    """Whether a class lies on one side, by its name."""
    return any(_SIDES.fullmatch(word) for word in _WORDS.findall(title))


def label_values(listed: list[int | str]) -> list[int]:
    """Expand the label values of a class: integers, and ranges such as ``"100-207"`` with both ends included."""
    values = []
    for item in listed:
        first, _, last = str(item).partition("-")
        values.extend(range(int(first), int(last or first) + 1))
    return values


def check(config: Mapping) -> None:
    """Raise :class:`UserError` unless datasets that targets name exist, classes share no label, and so on."""
    datasets = config["datasets"]
    for name, entry in datasets.items():
        if synthetic.has_label_maps_alone(entry):
            synthetic.check(name, datasets)
    for name, target in config["targets"].items():
        dataset = target["dataset"]
        if dataset not in datasets:
            near = difflib.get_close_matches(dataset, datasets, n=1, cutoff=0) or ["nothing"]
            raise UserError(f"targets.{name}.dataset is {dataset!r}, which datasets lacks; did you mean {near[0]!r}?")
        if not synthetic.has_scans(datasets[dataset]):
            holds = "natural images" if is_natural(datasets[dataset]) else "no scans"
            raise UserError(f"targets.{name}.dataset is {dataset!r}, which holds {holds}; name a dataset of scans.")
    owners: dict[str, str] = {}
    for name, target in config["targets"].items():
        owner = owners.setdefault(target["dataset"], name)
        # In one order, in which labels are numbered.
        if list(config["targets"][owner]["classes"].items()) != list(target["classes"].items()):
            raise UserError(
                f"targets.{name} and targets.{owner} share the dataset {target['dataset']!r} but not its classes, or "
                "their order; give both the same, or each a dataset entry of its own (both may name the same folder)."
            )
        images = image_names(datasets[target["dataset"]])
        if unknown := [image for image in target.get("images", ()) if image not in images]:
            raise UserError(
                f"targets.{name}.images names {unknown[0]}, but datasets.{target['dataset']}.images are "
                f"{', '.join(images)}; add it there, or remove it."
            )
        if target.get("test") == []:
            raise UserError(f"targets.{name}.test is empty; list the subjects of the test set, or give their number.")
        if (target["epochs"] is None) == (target["steps"] is None):
            raise UserError(f"targets.{name} needs either steps or epochs, the length of its fine-tuning; give one.")
        mirrored = target["augment"] and (config["finetune"]["augment"] or {}).get("mirror")
        if mirrored and (sided := [title for title in target["classes"] if has_side(title)]):
            raise UserError(
                f"targets.{name}.classes has {sided[0]!r}, which mirroring would put on the other side; set "
                f"finetune.augment.mirror or targets.{name}.augment to false."
            )
        check_classes(f"targets.{name}.classes", target["classes"])
        for competitor, entry in target.get("external", {}).items():
            check_classes(f"targets.{name}.external.{competitor}.classes", entry.get("classes", {}))
    folds.check(config)
    check_augmentation("finetune.augment", config["finetune"]["augment"] or {})
    network = config["network"]
    if network["decoder"] == "paper" and "/" in network["encoder"]:
        raise UserError(
            f"network.encoder is {network['encoder']}, and the paper's decoder follows a ResNet; set network.decoder "
            "to unet."
        )
    steps = len(network["unet_widths"])
    if network["decoder"] == "unet" and "/" in network["encoder"] and steps < _HALVINGS:
        raise UserError(
            f"network.unet_widths has {steps} steps, and network.encoder {network['encoder']} halves a slice five "
            "times; give five, such as [192, 96, 48, 24, 16]."
        )
    check_slices(config["slice"], config["template"]["voxel_mm"])


def check_slices(section: Mapping, voxel_mm: float) -> None:
    """Raise :class:`UserError` for slices that a network cannot take, or neighbours that cannot be meant."""
    size, count, distance = section["size"], section["neighbours"], section["neighbour_mm"]
    if size % 32:
        raise UserError(f"slice.size is {size}; networks halve it up to five times: take 32, 64, ...")
    if distance is None:
        return
    if not count:
        raise UserError(f"slice.neighbour_mm is {distance:g} and slice.neighbours is 0; set neighbours to 1, or more.")
    if not channels.step_of(distance, voxel_mm):
        raise UserError(
            f"slice.neighbour_mm is {distance:g}, but slices are {voxel_mm:g} mm apart (template.voxel_mm); take "
            f"{voxel_mm:g} or more, or null for the next slices."
        )


def check_classes(place: str, classes: Mapping[str, list[int | str]]) -> None:
    """Raise :class:`UserError` for a range of labels that is empty, or a label of two classes; ``place``: the key."""
    for title, listed in classes.items():
        if empty := [item for item in listed if not label_values([item])]:
            raise UserError(f"{place}.{title}: {empty[0]!r} is empty; give the lower end first.")
    values = [value for listed in classes.values() for value in label_values(listed)]
    if doubled := sorted({value for value in values if values.count(value) > 1}):
        raise UserError(f"{place} gives label {doubled[0]} to two classes; keep it in one.")


def check_augmentation(place: str, kinds: Mapping) -> None:
    """Raise :class:`UserError` for limits of a random change that are in the wrong order or cannot be meant.

    ``place``: the key of the augmentation.
    """
    for kind, chance in kinds.items():
        if kind == "mirror":
            continue
        key = f"{place}.{kind}"
        if chance["low"] > chance["high"]:
            raise UserError(f"{key}: low is {chance['low']} and high is {chance['high']}; exchange them.")
        least, most = _STRENGTHS[kind]
        for end, value in (("low", chance["low"]), ("high", chance["high"])):
            if not least <= value <= most:
                raise UserError(f"{key}.{end} is {value}; give a value from {least} to {most}.")
