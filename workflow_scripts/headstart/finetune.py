"""Fine-tuning: a source's encoder and a decoder, trained together on labelled scans of a target."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from headstart.networks import model_files
from headstart.networks.architectures import Architecture, Segmenter
from headstart.networks.start import Start
from headstart.seeds import seed_for
from headstart.slices import store
from headstart.slices.channels import Channels
from headstart.training import feed
from headstart.training.augment import Augmentation, augmentation
from headstart.training.checkpoint import Checkpoint, of_training
from headstart.training.devices import choose_device
from headstart.training.loop import train_together
from headstart.training.losses import class_counts, median_frequency_weights
from headstart.training.settings import TrainingSettings
from headstart.training.tasks import Segmentation
from headstart.training.trainer import Trainer

Paths = Sequence[store.Slices]


@dataclass(frozen=True)
class TrainingSet:
    """The training set of one resample: positions of its ``scans`` among those of the job, ``seed`` and checkpoint.

    The seed must not depend on the source: the decoder and the order of the slices are then the same for every source,
    so that sources differ by their encoder alone.
    """

    scans: Sequence[int]
    seed: int
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True)
class FinetuneSettings:
    """How a source is fine-tuned on a target.

    ``classes``: names in the order of their values, the background (0) first; ``expects``: what ``model.json`` says of
    the slices (template, voxel size, size); ``augment``: None for none; ``runs_per_gpu``: trainings that run at once on
    a GPU; ``resident_gb``: see :func:`headstart.training.feed.load`; ``neighbour_step``: distance, in slices, of the
    neighbours that the architecture has.
    """

    architecture: Architecture
    training: TrainingSettings
    classes: Sequence[str]
    expects: Mapping
    augment: Augmentation | None
    runs_per_gpu: int
    resident_gb: float | None
    neighbour_step: int = 1

    @property
    def channels(self) -> Channels:
        """What the network sees of each slice."""
        return Channels(self.architecture.images, self.architecture.neighbours, self.neighbour_step)

    @classmethod
    def of(cls, params: object) -> "FinetuneSettings":
        """The settings that a rule gives as its parameters, each by its name (``network``: the architecture)."""
        return cls(
            architecture=Architecture.of(params.network),
            training=TrainingSettings(**params.training),
            classes=params.classes,
            expects=params.expects,
            augment=augmentation(params.augment) if params.augment else None,
            runs_per_gpu=params.runs_per_gpu,
            resident_gb=params.resident_gb,
            neighbour_step=params.neighbour_step,
        )


def finetune(
    starts: Sequence[Start],
    image_paths: Paths,
    label_paths: Paths,
    training_sets: Sequence[TrainingSet],
    settings: FinetuneSettings,
    *,
    device: str = "auto",
) -> Iterator[tuple[Segmenter, list[dict]]]:
    """Fine-tune a source's encoder on each draw of scans (paper, section 4.3).

    The loss is cross-entropy per pixel, weighted by median frequency over the labels of the training set.

    Parameters
    ----------
    starts
        Weights of the source for each training set, in their order. What is untrained in them is drawn from the seed of
        the training set: ``scratch`` has a random start of its own each time.
    image_paths, label_paths
        Slices and labels of all scans that occur in a training set, in the same order
        (:mod:`headstart.slices.store`), and of several images of a scan one after the other
        (:class:`headstart.slices.channels.Channels`); they are loaded once.
    training_sets
        The training sets.
    settings
        Network, training and classes.
    device
        See :func:`headstart.training.devices.choose_device`.

    Yields
    ------
    tuple
        For each training set in order, the model on the CPU in evaluation mode, and the history of its training
        (:class:`headstart.training.trainer.Trainer`).

    Raises
    ------
    UserError
        If the encoder was not made for this study.
    """
    architecture = settings.architecture
    images, labels = store.join_pairs(image_paths, label_paths, architecture.images)
    chosen = choose_device(device)
    seen = settings.channels.rows(labels.lengths)
    slices = feed.load(images, labels, chosen, settings.resident_gb, seen=seen)
    counts = [class_counts(store.read(path), len(settings.classes)) for path in label_paths]

    def trainer_of(training_set: TrainingSet, start: Start) -> Trainer:
        encoder = start.make_encoder(architecture, seed_for(training_set.seed, "encoder"))
        rows = np.concatenate([labels.rows(position) for position in training_set.scans])
        task = Segmentation(median_frequency_weights(sum(counts[position] for position in training_set.scans)))
        model = task.network(encoder, architecture, images.shape[1], training_set.seed)
        start.load_decoder(model, settings.classes, architecture)
        seed = seed_for(training_set.seed, "train")
        options = {"rows": rows, "augment": settings.augment, "checkpoint": training_set.checkpoint}
        return Trainer(model, slices, task, settings.training, seed, **options)

    trainings = [functools.partial(trainer_of, *each) for each in zip(training_sets, starts, strict=True)]
    for trainer in train_together(trainings, chosen, settings.training, settings.runs_per_gpu):
        yield trainer.model.cpu().eval(), trainer.history


def resumable(
    training_set: TrainingSet, metadata: Mapping, code: str, state: str, minutes: float, *, device: str = "auto"
) -> TrainingSet:
    """A training set with a checkpoint in the file ``state`` (:class:`headstart.training.checkpoint.Checkpoint`).

    ``metadata``: what ``model.json`` will say of the model; ``code``: a hash of the code. A state belongs to the
    training with these alone, on the same kind of device in the same precision.
    """
    kept = of_training(state, minutes, metadata["training"]["precision"], device, metadata, code)
    return replace(training_set, checkpoint=kept)


def metadata(
    settings: FinetuneSettings,
    training_set: TrainingSet,
    image_paths: Paths,
    label_paths: Paths,
    start: Mapping[str, str],
    about: Mapping,
) -> dict:
    """What ``model.json`` says of the model of one training set.

    ``image_paths`` and ``label_paths`` are those of :func:`finetune`; ``start``: hashes of the pre-trained weights, see
    :meth:`headstart.networks.start.Start.hashes`; ``about``: further entries, such as the names of source and target,
    and the preparation of the scans, which a prediction repeats.
    """
    data = [
        path
        for paths in (image_paths, label_paths)
        for path in store.of_scans(paths, training_set.scans, len(label_paths))
    ]
    return {
        "kind": "segmentation",
        "classes": list(settings.classes),
        "training": asdict(settings.training),
        "augment": settings.augment and asdict(settings.augment),
        "network": settings.architecture.metadata,
        "seed": training_set.seed,
        "start_sha256": dict(start),
        "data_sha256": store.fingerprint(data),
        "versions": model_files.versions(settings.architecture.encoder),
        **settings.expects,
        **about,
    }
