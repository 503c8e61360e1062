"""The sources of a study: what each encoder is pre-trained on, from the section ``pretrain.sources``.

A source is a dataset with a task, or a file of weights; ``scratch``, the baseline, is neither. A dataset has scans,
natural images, or label maps alone, of which images are made in training (:mod:`headstart.training.synthesis`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

from headstart.datasets import natural, synthetic
from headstart.datasets.scan import T1W, image_names
from headstart.label_table import Label, class_numbers, dense_classes
from headstart.phantom.label_maps import LABELS
from headstart.slices import scan_maps
from headstart.slices.cut import PRESENCE_NAMES
from headstart.template.template import TISSUES

BASELINE = "scratch"


@dataclass(frozen=True)
class TaskKind:
    """What a kind of source task needs, and what may be transferred from it.

    targets: the targets of its slices, "labels" (a label map) or "presence" (the classes that a slice shows); None if
        the slices are all it needs.
    layouts: layouts of natural images that have these targets.
    decodes: whether the encoder is trained with a decoder, which can be fine-tuned too.
    """

    targets: str | None
    layouts: Collection[str]
    decodes: bool


# The kinds of source tasks; headstart.training.source_tasks.TASKS has the training of each.
TASKS = {
    "segmentation": TaskKind(targets="labels", layouts=natural.WITH_LABEL_MAPS, decodes=True),
    "autoencoding": TaskKind(targets=None, layouts=tuple(natural.LAYOUTS), decodes=True),
    "classification": TaskKind(targets="presence", layouts=natural.WITH_CLASSES, decodes=False),
    "masked-autoencoding": TaskKind(targets=None, layouts=tuple(natural.LAYOUTS), decodes=True),
    "restoring": TaskKind(targets=None, layouts=tuple(natural.LAYOUTS), decodes=True),
}


@dataclass(frozen=True)
class Source:
    """One source of a study; what it does not have is None.

    dataset, task: what it is trained on, and a key of :data:`TASKS`.
    natural, phantom, label_maps: the kind of that dataset; label_maps: label maps without images, of synthetic heads or
        of labelled scans; phantom: scans, or the label maps of scans, of phantoms.
    scans: the dataset of the scans that it is trained on, or of whose labels its label maps are made.
    first_image: name of the first image of these scans, the one that it is trained on.
    labels: of a segmentation of scans, "tissue" (made by headstart) or "target" (the dataset's manual labels).
    manual: label values of each class of the manual labels that it uses, as a target lists them.
    classes: of a segmentation, its classes: ``manual``, or of label maps, the structures of each class by name.
    synthesis: style of the images that are made of label maps, "t1" or "any".
    activation: of a classification.
    hidden, patch: fraction and side, in pixels, of the patches that masked auto-encoding hides.
    weights: a file of weights as the configuration describes it; trained_on: the sets that these were trained on.
    start: the source with which its training starts instead of a random start.
    repeats: how many times it is pre-trained, each time with a seed of its own.
    transfer: what is fine-tuned, the "encoder" or "all".
    epochs, steps: length of the training, one of the two.
    learning_rate: instead of that of the section ``training``.
    augment: as the configuration has it.
    """

    name: str
    dataset: str | None
    task: str | None
    natural: bool
    phantom: bool
    label_maps: bool
    scans: str | None
    first_image: str | None
    labels: str | None
    manual: Mapping[str, Sequence[int | str]] | None
    classes: Mapping[str, Sequence[int | str]] | None
    synthesis: str | None
    activation: str | None
    hidden: float | None
    patch: int | None
    weights: Mapping | None
    trained_on: tuple[str, ...]
    start: str | None
    repeats: int
    transfer: str
    epochs: int | None
    steps: int | None
    learning_rate: float | None
    augment: Mapping | None

    @property
    def domain(self) -> str:
        """What it is trained on, or ``other`` (weights from a file) or ``baseline``.

        ``t1`` and ``mr``: scans whose first image is, or is not, a T1; ``synthetic``: phantoms; ``natural``.
        """
        if self.dataset is None:
            return "baseline" if self.weights is None else "other"
        if self.natural:
            return "natural"
        if self.phantom or self.label_maps:
            return "synthetic"
        return "t1" if self.first_image == T1W else "mr"

    @property
    def trained(self) -> bool:
        """Whether it is trained in the study."""
        return self.dataset is not None

    @property
    def on_scans(self) -> bool:
        """Whether it is trained on scans."""
        return self.trained and not self.natural and not self.label_maps

    @property
    def generated(self) -> bool:
        """Whether headstart's generator made the anatomy that it is trained on."""
        return self.phantom or (self.label_maps and self.scans is None)

    @property
    def uses_manual_labels(self) -> bool:
        """Whether it is trained on manual labels, or on label maps that are made of them."""
        return self.labels == "target" or (self.label_maps and self.scans is not None)

    @property
    def targets(self) -> str | None:
        """The kind of slices with its targets; None if it needs none.

        "labels" of natural images, "tissue" or "target" of scans, "presence" of either, and "structures" of synthetic
        heads, from which their images are made too.
        """
        kind = TASKS[self.task].targets if self.task else None
        if self.label_maps:
            return "structures"
        return self.labels if kind == "labels" and not self.natural else kind

    @property
    def uses_made_labels(self) -> bool:
        """Whether headstart makes the labels that it needs."""
        return self.on_scans and self.targets in ("tissue", "presence")

    def repeat_of(self, number: int) -> int:
        """The repeat, from 1, from which a training starts: the number of a resample, or of a repeat that continues it.

        All repeats have their turn.
        """
        return (number - 1) % self.repeats + 1

    def spec(self, entry: Mapping) -> dict:
        """The task, as :class:`headstart.training.source_tasks.SourceTaskSpec` has it.

        ``entry``: that of its dataset.
        """
        match self.targets:
            case "presence":
                names = natural.class_names(entry).values() if self.natural else PRESENCE_NAMES
                return {"kind": self.task, "classes": list(names), "activation": self.activation}
            case "labels":
                return {"kind": self.task, "classes": list(natural.label_names(entry)), "first": 1}
            case "tissue":
                return {"kind": self.task, "classes": ["background", *TISSUES.values()]}
            case "target" | "structures":
                return {"kind": self.task, "classes": ["background", *self.classes]}
        masked = {"hidden": self.hidden, "patch": self.patch} if self.hidden is not None else {}
        return {"kind": self.task, "classes": [], **masked}

    def synthesised(self, config: Mapping) -> dict | None:
        """How images are made of its label maps, for :func:`headstart.training.synthesis.synthesis`; None of others.

        How bright the labels of scans are is measured later (:func:`headstart.slices.scan_maps.measured`).
        """
        if not self.label_maps:
            return None
        labels = map_labels(config["datasets"][self.dataset], self.manual)
        return {
            **config["pretrain"]["synthesis"],
            "style": self.synthesis,
            "fineness": config["datasets"][self.dataset].get("fineness", 1),
            "labels": [asdict(label) for label in labels],
            "classes": class_numbers(labels, self.classes),
        }


def of_study(config: Mapping) -> dict[str, Source]:
    """The sources of a resolved and checked configuration, by name, in its order."""
    return {name: _source(name, entry, config) for name, entry in config["pretrain"]["sources"].items()}


def lineage(source: Source, known: Mapping[str, Source]) -> list[Source]:
    """A source and those that it continues, one after the other; ``known``: the sources of the study by name."""
    return [source, *lineage(known[source.start], known)] if source.start else [source]


def map_labels(entry: Mapping, manual: Mapping[str, Sequence] | None) -> tuple[Label, ...]:
    """The labels of the label maps of a dataset's entry; ``manual``: the classes of the scans that it names, if any.

    Raises :class:`UserError` if the classes cannot be labels (:func:`headstart.slices.scan_maps.labels_of`).
    """
    if "scans" not in entry:
        return LABELS
    return scan_maps.labels_of(list(manual), scan_maps.Clusters(**entry["clusters"]))


def manual_classes(config: Mapping) -> dict[str, Mapping[str, Sequence[int | str]]]:
    """The classes of each dataset whose manual labels a target or a source uses, targets first."""
    used = {source.scans: source.manual for source in of_study(config).values() if source.uses_manual_labels}
    return _classes_of_targets(config) | used


def _classes_of_targets(config: Mapping) -> dict[str, Mapping[str, Sequence[int | str]]]:
    return {target["dataset"]: target["classes"] for target in config["targets"].values()}


def _source(name: str, entry: Mapping, config: Mapping) -> Source:
    dataset, task = entry.get("dataset"), entry.get("task")
    described = config["datasets"][dataset] if dataset else None
    images = described is not None and natural.is_natural(described)
    heads = described is not None and synthetic.has_label_maps_alone(described)
    segmented = dataset and not images and not heads and TASKS[task].targets == "labels"
    labels = entry.get("labels", "tissue") if segmented else None
    scans = synthetic.dataset_of_scans(dataset, config["datasets"]) if dataset else None
    named = entry.get("classes") or _classes_of_targets(config).get(scans)
    manual = named if labels == "target" or (heads and scans) else None
    weights = dict(entry["weights"]) if "weights" in entry else None
    trained_on = tuple(weights.pop("trained_on", ())) if weights else ()
    dense = {name: [name] for name in manual or ()} if heads and scans else dense_classes(LABELS)
    without_length = dataset and not (entry.get("epochs") or entry.get("steps"))
    return Source(
        name=name,
        dataset=dataset,
        task=task,
        natural=images,
        phantom=scans is not None and config["datasets"][scans]["layout"] == "phantom",
        label_maps=heads,
        scans=scans,
        first_image=image_names(config["datasets"][scans])[0] if scans else None,
        labels=labels,
        manual=manual,
        classes=entry.get("structures") or dense if heads else manual,
        synthesis=entry.get("synthesis", config["pretrain"]["synthesis"]["style"]) if heads else None,
        activation=entry.get("activation"),
        hidden=entry.get("hidden"),
        patch=entry.get("patch"),
        weights=weights,
        trained_on=trained_on,
        start=entry.get("start"),
        repeats=entry.get("repeats", 1),
        transfer=entry["transfer"],
        epochs=config["pretrain"]["epochs"] if without_length else entry.get("epochs"),
        steps=entry.get("steps"),
        learning_rate=entry.get("learning_rate"),
        augment=entry.get("augment"),
    )
