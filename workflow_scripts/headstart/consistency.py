"""What a JSON schema cannot check: whether the parts of a study's configuration fit one another."""

import difflib
import re
from collections.abc import Mapping

from headstart.datasets.natural import is_natural
from headstart.job import UserError

# Words of a class's name that put it on one side, and where its words begin: at other signs, and at capitals.
_SIDES = re.compile(r"left.*|right.*|[lr][ht]?|.{3,}(left|right)", re.IGNORECASE)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
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
# Sources some of whose classes lie on one side, see headstart.slices.cut.PRESENCE_NAMES.
_SIDED_SOURCES = ("t1-classification",)


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
    """Raise :class:`UserError` unless datasets and sources that are named exist, classes share no label, and so on."""
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
        if (target["epochs"] is None) == (target["steps"] is None):
            raise UserError(f"targets.{name} needs either steps or epochs, the length of its fine-tuning; give one.")
        mirrored = config["finetune"]["augment"] and config["finetune"]["augment"]["mirror"]
        if mirrored and (sided := [title for title in target["classes"] if has_side(title)]):
            raise UserError(
                f"targets.{name}.classes has {sided[0]!r}, which mirroring would put on the other side; set "
                "finetune.augment.mirror to false."
            )
        for title, listed in target["classes"].items():
            if empty := [item for item in listed if not label_values([item])]:
                raise UserError(f"targets.{name}.classes.{title}: {empty[0]!r} is empty; give the lower end first.")
        values = [v for listed in target["classes"].values() for v in label_values(listed)]
        doubled = sorted({v for v in values if values.count(v) > 1})
        if doubled:
            raise UserError(f"targets.{name}.classes gives label {doubled[0]} to two classes; keep it in one.")
    _check_augmentation("finetune.augment", config["finetune"]["augment"] or {})
    for key in ("augment", "transfer"):
        for source in config["pretrain"][key]:
            if source not in config["pretrain"]["sources"]:
                raise UserError(f"pretrain.{key} names {source!r}, which pretrain.sources lacks; correct or remove it.")
    _check_sources_augmentation(config["pretrain"]["augment"])
    for source, how in config["pretrain"]["transfer"].items():
        if how == "all" and (source == "scratch" or source.endswith("-classification")):
            raise UserError(f"pretrain.transfer.{source} is all, but this source has no decoder; set it to encoder.")
    if config["slice"]["size"] % 32:
        raise UserError(f"slice.size is {config['slice']['size']}; the encoder halves it five times: take 32, 64, ...")


def _check_sources_augmentation(augment: Mapping) -> None:
    """Raise :class:`UserError` unless each source that has an augmentation is trained here and can have this one."""
    for source, kinds in augment.items():
        key, domain = f"pretrain.augment.{source}", source.partition("-")[0]
        if domain not in ("t1", "natural"):
            raise UserError(f"pretrain.augment names {source!r}, which is not trained here; remove it.")
        if kinds.get("mirror") and source in _SIDED_SOURCES:
            raise UserError(f"{key}.mirror would exchange left and right structures; set it to false.")
        if "degrees" not in kinds:
            _check_augmentation(key, kinds)
        elif domain != "natural":
            raise UserError(f"{key}.degrees is for natural images; write {key}.rotation, as in finetune.augment.")


def _check_augmentation(place: str, kinds: Mapping) -> None:
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
