"""Set size 0: which sources segment a target as they are pre-trained, without any labelled scan of the target."""

from collections.abc import Mapping, Sequence

from headstart import sources
from headstart.datasets.scan import T1W, image_names, same_folder
from headstart.job import UserError
from headstart.sources import Source


def unmatched(given: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The wanted classes that are not exactly one of the given ones.

    Classes are the same by name, whatever the case of its letters and the spaces around it.
    """
    offered, asked = _folded(given), _folded(wanted)
    return [name for name, key in zip(wanted, asked, strict=True) if offered.count(key) != 1 or asked.count(key) != 1]


def places(given: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where each wanted class is among the given ones, all of which must be there (:func:`unmatched`)."""
    offered = _folded(given)
    return [offered.index(key) for key in _folded(wanted)]


def usable(config: Mapping, target: str) -> list[str]:
    """The sources of a resolved configuration that segment a target as they are pre-trained, in its order.

    They are trained on labels that include the classes of the target, none of them a label of the target's own scans,
    and on the first image that its models see, and transferred as a whole.
    """
    return [source.name for source in _segmenting(config) if _hindrance(config, source, target) is None]


def resamples(target: Mapping, size: int) -> int:
    """How many resamples there are of a set size of a target, as the configuration describes it.

    Of size 0 there is one for each test set: the network is the same. With cross-validation it tests all scans at once.
    """
    return 1 if size == 0 and target["split"] != "redrawn" else target["resamples"]


def check(config: Mapping) -> None:
    """Raise :class:`UserError` where the set size 0 is asked for and there is no source for it, or no other size."""
    for name, target in config["targets"].items():
        key = f"targets.{name}.sizes"
        if 0 not in target["sizes"]:
            continue
        if target["sizes"] == [0]:
            raise UserError(f"{key} has 0 alone, where no source can be compared with {sources.BASELINE}; add a size.")
        if usable(config, name):
            continue
        hindrances = [
            f"pretrain.sources.{source.name} {_hindrance(config, source, name)}" for source in _segmenting(config)
        ]
        raise UserError(
            f"{key} has 0, but no source segments this target as it is pre-trained "
            f"({'; '.join(hindrances) or 'none has the task segmentation'}); change or add a source, or remove 0."
        )


def _segmenting(config: Mapping) -> list[Source]:
    """The sources whose network segments scans."""
    every = sources.of_study(config).values()
    return [source for source in every if source.task == "segmentation" and not source.natural]


def _hindrance(config: Mapping, source: Source, target: str) -> str | None:
    """Why a source that segments scans cannot segment a target as it is pre-trained; None if it can."""
    wanted, datasets = config["targets"][target], config["datasets"]
    own = datasets[source.scans or source.dataset]
    if source.uses_manual_labels and (
        source.scans == wanted["dataset"] or same_folder(own, datasets[wanted["dataset"]])
    ):
        return "is trained on manual labels of the target's own scans"
    if lacking := unmatched(source.spec(datasets[source.dataset])["classes"], ["background", *wanted["classes"]]):
        return f"lacks the class {', '.join(map(repr, lacking))}"
    seen, trained_on = wanted.get("images", image_names(datasets[wanted["dataset"]]))[0], source.first_image or T1W
    if seen != trained_on:
        return f"is trained on {trained_on}, and the first image that the target's models see is {seen}"
    return None if source.transfer == "all" else "has transfer: encoder, not all"


def _folded(names: Sequence[str]) -> list[str]:
    return [name.strip().casefold() for name in names]
