"""Pre-training: encoders that have seen a source task, one that comes from elsewhere, and one that has seen nothing.

Every source leaves through one door, :func:`save`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from torch import nn

from headstart.job import UserError, atomic, logger
from headstart.networks import external_weights, model_files
from headstart.networks.architectures import Architecture, Encoder, count_parameters
from headstart.seeds import generator, seed_for
from headstart.slices import store
from headstart.training import distributed
from headstart.training.augment import Augment
from headstart.training.checkpoint import Checkpoint, identity_of
from headstart.training.devices import choose_device, choose_precision
from headstart.training.loop import predict, train
from headstart.training.losses import median_frequency_weights
from headstart.training.tasks import AutoEncoding, Classification, Segmentation, SourceTask, Task
from headstart.training.trainer import DivergedError, Training

Paths = Sequence[store.Slices]

# What a description of a training names paths for.
_KINDS = ("images", "targets")

# Held-out slices of which a source's outputs are kept, for the report.
_SHOWN = 6


@dataclass(frozen=True)
class SourceTaskSpec:
    """What a source task asks: its ``kind``, a key of :data:`TASKS`, and ``classes``.

    ``first``: value of the first class in label maps, lower ones are of no class; ``activation``: of classification.
    """

    kind: str
    classes: Sequence[str] = ()
    first: int = 0
    activation: str = "sigmoid"

    def task(self, targets: np.ndarray | None, architecture: Architecture, seed: int) -> SourceTask:
        """The task, as these training targets shape it."""
        return TASKS[self.kind](self, targets, architecture, seed)


# Kinds of source tasks, and how each is made of what is spec, its training targets, the architecture and the seed.
TASKS: dict[str, Callable[[SourceTaskSpec, np.ndarray | None, Architecture, int], SourceTask]] = {
    "segmentation": lambda spec, targets, architecture, seed: Segmentation(
        median_frequency_weights(targets, len(spec.classes), spec.first), spec.first
    ),
    "autoencoding": lambda spec, targets, architecture, seed: AutoEncoding(architecture, seed),
    "classification": lambda spec, targets, architecture, seed: Classification(spec.classes, spec.activation),
}


@dataclass(frozen=True)
class Source:
    """An encoder (on the CPU), its training's rows, what ``model.json`` says, and arrays of examples for the report."""

    encoder: Encoder
    metadata: Mapping
    history: Sequence[Mapping] = ()
    examples: Mapping[str, np.ndarray] = field(default_factory=dict)


def scratch(architecture: Architecture, seed: int) -> Source:
    """The baseline: an encoder as it was initialised."""
    return Source(architecture.make_encoder(seed_for(seed, "encoder")), _metadata("scratch", architecture, seed))


def from_file(path: str | os.PathLike, sha256: str | None, architecture: Architecture, seed: int) -> Source:
    """An encoder with a trunk from elsewhere; what the file lacks is as in :func:`scratch`. See :mod:`.weights`."""
    encoder = architecture.make_encoder(seed_for(seed, "encoder"))
    loaded = asdict(external_weights.load_trunk(encoder, path, sha256))
    for how, names in loaded.items():
        logger.info("%s: %d tensors%s", how, len(names), f" ({', '.join(names[:8])})" if 0 < len(names) < 400 else "")
    return Source(encoder, _metadata("file", architecture, seed) | {"file": Path(path).name, "tensors": loaded})


def pretrain(
    spec: SourceTaskSpec,
    image_paths: Paths,
    target_paths: Paths,
    architecture: Architecture,
    training: Training,
    seed: int,
    *,
    held_out_files: int = 0,
    augment: Augment | None = None,
    checkpoint: Checkpoint | None = None,
    resident_gb: float | None = None,
    device: str = "auto",
) -> Source:
    """Train the encoder, with what the task puts behind it, on a source task, and keep the encoder (section 4.1).

    ``image_paths`` and ``target_paths`` say where each scan's slices lie, or name each file of natural images, in the
    same order (:mod:`headstart.slices.store`); auto-encoding has no targets. ``held_out_files`` whole files, drawn from the
    seed, are held out: the history's ``validation`` is the task's score on them. ``augment`` changes the others as they
    are learnt from. The encoder starts as :func:`scratch` of the same seed does. See :class:`headstart.training.trainer.Trainer`
    for ``checkpoint`` and :func:`headstart.training.feed.load` for ``resident_gb``. Raises
    :class:`headstart.training.trainer.DivergedError`, which holds the encoder as it last was well.
    """
    kept, held_out = hold_out(len(image_paths), held_out_files, seed)
    images, targets = _joined(kept, image_paths, target_paths)
    task = spec.task(targets, architecture, seed)
    encoder = architecture.make_encoder(seed_for(seed, "encoder"))
    model = task.network(encoder, architecture, images.shape[1], seed)
    unseen = [part if part is None else part[:] for part in _joined(held_out, image_paths, target_paths)]
    options = {"precision": training.precision, "device": device}
    try:
        history = train(
            model, images, targets, task, training, seed_for(seed, "train"),
            validation=_validation(task, *unseen, **options) if held_out else None, augment=augment, checkpoint=checkpoint,
            resident_gb=resident_gb, device=device,
        )  # fmt: skip
    except DivergedError as error:
        error.encoder = encoder.cpu()
        raise
    metadata = _metadata(spec.kind, architecture, seed) | {
        "classes": list(spec.classes),
        "first": spec.first,
        **task.metadata(),
        "augment": augment and asdict(augment),
        "parameters": {"encoder": count_parameters(encoder), "network": count_parameters(model)},
        "measure": task.measure,
        "size": list(images.shape[1:]),
        "files": len(kept),
        "held_out_files": len(held_out),
        "slices": len(images),
        "data_sha256": store.fingerprint([*image_paths, *target_paths]),
        "training": asdict(training) | {"precision": choose_precision(training.precision, choose_device(device))},
    }
    examples = _examples(model, task, *(unseen if held_out else (images, targets)), **options)
    return Source(encoder.cpu(), metadata, history, examples)


def run(description: Mapping, device: str = "auto") -> None:
    """Pre-train as a description says, and write what comes of it (:func:`save`); of several processes one does.

    ``description``, of JSON's types: ``spec``, ``images``, ``targets``, ``network``, ``training``, ``seed``,
    ``held_out``, ``augment`` and ``resident_gb`` as in :func:`pretrain`; ``state`` and ``minutes``, where the state of
    the training is kept and how often; ``identity`` of what else it depends on; ``encoder``, the file to write;
    ``metadata``, more for its ``model.json``. Where the training diverged, the last good encoder is written beside.
    """
    paths = [
        [store.SliceRange(*path) if isinstance(path, list) else path for path in description[kind]] for kind in _KINDS
    ]
    identity = identity_of({**description, "processes": distributed.world_size()}, store.fingerprint(sum(paths, [])))
    checkpoint = Checkpoint(description["state"], identity, description["minutes"])
    encoder = Path(description["encoder"])
    try:
        made = pretrain(
            SourceTaskSpec(**description["spec"]),
            *paths,
            Architecture.of(description["network"]),
            Training(**description["training"]),
            description["seed"],
            held_out_files=description["held_out"],
            augment=Augment(**description["augment"]) if description["augment"] else None,
            checkpoint=checkpoint,
            resident_gb=description["resident_gb"],
            device=device,
        )
    except DivergedError as error:
        if distributed.rank() > 0:
            raise
        kept = encoder.with_name("last_good.safetensors")
        model_files.save_weights(error.encoder, kept)
        checkpoint.remove()
        raise UserError(f"{error} The encoder as it last was well is {kept}.") from None
    if distributed.rank() == 0:
        save(made, encoder, description["metadata"])
        checkpoint.remove()


def save(source: Source, path: str | os.PathLike, expects: Mapping) -> None:
    """Write an encoder with its ``model.json``, ``training.tsv``, ``examples.npz`` and ``README.md`` beside it."""
    metadata = {**source.metadata, **expects}
    model_files.save(source.encoder, path, metadata, source.history)
    with atomic(Path(path).with_name("examples.npz")) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, **source.examples)
    model_files.write_card(Path(path).with_name("README.md"), metadata, source.history)


def hold_out(files: int, held_out_files: int, seed: int) -> tuple[list[int], list[int]]:
    """Indices of the files to train on and of those to validate on, each in ascending order, drawn from the seed."""
    if held_out_files >= files:
        raise UserError(
            f"pretrain.held_out is {held_out_files} but the source has {files} scans or files of pictures; lower it, "
            "so that some are left to train on."
        )
    order = generator(seed, "validation").permutation(files).tolist()
    return sorted(order[held_out_files:]), sorted(order[:held_out_files])


def _joined(
    files: list[int], image_paths: Paths, target_paths: Paths
) -> tuple[store.SliceArray | None, store.SliceArray | None]:
    """Images of the files chosen, and targets, where there are any."""
    chosen = [[paths[file] for file in files] for paths in (image_paths, target_paths) if paths]
    if not files or len(chosen) < 2:
        return store.SliceArray(chosen[0]) if files else None, None
    return store.join_pairs(*chosen)


def _validation(
    task: Task, images: np.ndarray, targets: np.ndarray | None, **options: str
) -> Callable[[nn.Module], float]:
    """A function that scores a model on held-out slices."""
    shown = images.astype(np.float32) / store.SCALE
    return lambda model: task.score(predict(model, images, task.finish, **options), shown, targets)


def _examples(
    model: nn.Module, task: Task, images: np.ndarray, targets: np.ndarray | None, **options: str
) -> dict[str, np.ndarray]:
    """A few slices, evenly spread, with the model's outputs and what they should be."""
    chosen = np.linspace(0, len(images) - 1, min(_SHOWN, len(images)) + 2).round().astype(int)[1:-1]
    found = {"images": images[chosen], "outputs": predict(model, images[chosen], task.finish, **options)}
    return found if targets is None else found | {"targets": targets[chosen]}


def _metadata(kind: str, architecture: Architecture, seed: int) -> dict:
    return {
        "kind": kind,
        "encoder": architecture.encoder,
        "latent_channels": architecture.latent_channels,
        "intensities": "[0, 1]",
        "seed": seed,
        "versions": model_files.versions(),
    }


if __name__ == "__main__":
    distributed.work(run)
