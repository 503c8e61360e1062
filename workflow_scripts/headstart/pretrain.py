"""Pre-training: the encoder of each source, trained on a task, read from a file, or left as initialised.

All of them are written by :func:`save`.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import nn

from headstart.job import UserError, atomic, logger
from headstart.networks import external_weights, model_card, model_files
from headstart.networks.architectures import Architecture, Segmenter, count_parameters
from headstart.networks.start import Start
from headstart.networks.trunks import Trunk
from headstart.seeds import generator, seed_for
from headstart.slices import store
from headstart.training import distributed, feed, outputs
from headstart.training.augment import Augmentation, augmentation
from headstart.training.checkpoint import Checkpoint, of_training
from headstart.training.devices import choose_device, choose_precision
from headstart.training.loop import train
from headstart.training.settings import TrainingSettings
from headstart.training.source_tasks import SourceTaskSpec
from headstart.training.synthesis import Synthesis, synthesis
from headstart.training.trainer import DivergedError

Paths = Sequence[store.Slices]

# Parts of the description of a pre-training on which its result does not depend; contents of files are compared.
_CHANGES_NOTHING = {"images", "targets", "start", "state", "minutes", "encoder", "resident_gb"}


@dataclass(frozen=True)
class PretrainSettings:
    """How a source is pre-trained.

    ``held_out``: number of scans, or files of natural images, that are held out for validation; ``augment``: None for
    none; ``synthesis``: how images are made of label maps, None if there are images; ``origin``: where row 0 of a slice
    is, "lower" (scans) or "upper" (natural images); ``resident_gb``: see :func:`headstart.training.feed.load`.
    """

    spec: SourceTaskSpec
    architecture: Architecture
    training: TrainingSettings
    seed: int
    held_out: int
    augment: Augmentation | None
    synthesis: Synthesis | None
    origin: str
    resident_gb: float | None


@dataclass(frozen=True)
class Source:
    """An encoder (on the CPU), what ``model.json`` says of it, its history, and examples of its outputs.

    ``decoder``: what followed it, if that is part of a segmentation network; None for a classification head.
    """

    encoder: Trunk
    metadata: Mapping
    decoder: nn.Module | None = None
    history: Sequence[Mapping] = ()
    examples: Mapping[str, np.ndarray] = field(default_factory=dict)


def scratch(architecture: Architecture, seed: int) -> Source:
    """The baseline: an encoder as it was initialised; each fine-tuning draws a random start of its own."""
    encoder = architecture.make_encoder(seed_for(seed, "encoder"))
    return Source(encoder, _metadata("scratch", architecture, seed, untrained=encoder.state_dict()))


def from_file(file: external_weights.WeightFile, architecture: Architecture, seed: int) -> Source:
    """An encoder with a trunk from another project; tensors missing from the file are those of :func:`scratch`.

    See :func:`headstart.networks.external_weights.load_trunk`.
    """
    encoder = architecture.make_encoder(seed_for(seed, "encoder"))
    loaded = asdict(external_weights.load_trunk(encoder, file))
    for how, names in loaded.items():
        logger.info("%s: %d tensors%s", how, len(names), f" ({', '.join(names[:8])})" if 0 < len(names) < 400 else "")
    metadata = _metadata("file", architecture, seed, untrained=loaded["missing"])
    expects = {"file_expects": asdict(file.expects)} if file.expects else {}
    return Source(encoder, metadata | {"file": Path(file.path).name, "tensors": loaded, **expects})


def pretrain(
    image_paths: Paths,
    target_paths: Paths,
    settings: PretrainSettings,
    *,
    start: Start | None = None,
    checkpoint: Checkpoint | None = None,
    device: str = "auto",
) -> Source:
    """Train an encoder, followed by the task's own part, on a source task, and keep the encoder (section 4.1).

    Parameters
    ----------
    image_paths, target_paths
        Slices of each scan, or each file of natural images, in the same order, see :mod:`headstart.slices.store`;
        auto-encoding has no targets, and label maps of which images are made have no images.
    settings
        Task, network, training and seed. The scans or files that are held out are drawn from the seed; the history's
        ``validation`` is the task's score on them.
    start
        Weights of another source, from which the training starts; None to start as :func:`scratch` of the same seed.
    checkpoint
        See :class:`headstart.training.trainer.Trainer`.
    device
        See :func:`headstart.training.devices.choose_device`.

    Raises
    ------
    UserError
        If the settings hold out all there is, or the start was not made for this study.
    DivergedError
        If the loss is no longer finite; it has the encoder after the last epoch with a finite loss.
    """
    spec, architecture, training, seed = settings.spec, settings.architecture, settings.training, settings.seed
    made = settings.synthesis
    kept, held_out = hold_out(len(image_paths or target_paths), settings.held_out, seed)

    def slices_of(files: Sequence[int]) -> outputs.Slices:
        return outputs.Slices(*store.join_files(files, image_paths, target_paths), made, seed_for(seed, "rendered"))

    images, targets = store.join_files(kept, image_paths, target_paths)
    if made:
        made.check(targets)
    task = spec.task(made.class_maps(targets) if made else targets, architecture, seed)
    drawn = seed_for(seed, "encoder")
    encoder = start.make_encoder(architecture, drawn) if start else architecture.make_encoder(drawn)
    size = targets.shape[1] // made.fineness if made else images.shape[1]
    model = task.network(encoder, architecture, size, seed)
    if start:
        start.load_decoder(model, spec.classes, architecture)
    unseen = slices_of(held_out) if held_out else None
    chosen = choose_device(device)
    place = (chosen, settings.resident_gb)
    slices = feed.load_labels(targets, size**2, *place) if made else feed.load(images, targets, *place)
    options = {"precision": training.precision, "device": device}
    try:
        history = train(
            model,
            slices,
            task,
            training,
            seed_for(seed, "train"),
            validation=outputs.validation(task, unseen, seed_for(seed, "held out"), **options) if unseen else None,
            augment=made or settings.augment,
            checkpoint=checkpoint,
        )
    except DivergedError as error:
        error.encoder = encoder.cpu()
        raise
    metadata = _metadata(spec.kind, architecture, seed) | {
        "classes": list(spec.classes),
        "first": spec.first,
        **task.metadata(),
        "augment": settings.augment and asdict(settings.augment),
        "parameters": {"encoder": count_parameters(encoder), "network": count_parameters(model)},
        "measure": task.measure,
        "size": [size, size],
        "origin": settings.origin,
        "files": len(kept),
        "held_out_files": len(held_out),
        "slices": len(slices),
        "data_sha256": store.fingerprint([*image_paths, *target_paths]),
        "training": asdict(training) | {"precision": choose_precision(training.precision, chosen)},
    }
    if start:
        metadata["start_sha256"] = start.hashes()
    if made:
        metadata["synthesis"] = asdict(made)
    shown = unseen or slices_of(kept[:1] if made else kept)
    examples = outputs.examples(model, task, shown, seed_for(seed, "examples"), **options)
    decoder = model.decoder.cpu() if isinstance(model, Segmenter) else None
    return Source(encoder.cpu(), metadata, decoder, history, examples)


def run(description: Mapping, device: str = "auto") -> None:
    """Pre-train as described and write the result with :func:`save`; of several processes only one writes.

    ``description``, of JSON's types: ``images`` and ``targets`` as in :func:`pretrain`; ``spec``, ``network``,
    ``training``, ``seed``, ``held_out``, ``augment``, ``synthesis``, ``origin`` and ``resident_gb`` as in
    :class:`PretrainSettings`; ``start``, None or ``encoder`` and ``decoder`` as in
    :class:`headstart.networks.start.Start`; ``state`` and ``minutes``, file and interval of the checkpoint, and
    ``identity``, what else the result depends on; ``encoder``, the file to write, with ``source`` and ``expects`` for
    :func:`save`; ``about``, further entries of ``model.json``. If the training diverges, the last good encoder is
    written beside it.
    """
    image_paths, target_paths = (
        [store.SliceRange(*path) if isinstance(path, list) else path for path in description[kind]]
        for kind in ("images", "targets")
    )
    settings = PretrainSettings(
        spec=SourceTaskSpec(**description["spec"]),
        architecture=Architecture.of(description["network"]),
        training=TrainingSettings(**description["training"]),
        seed=description["seed"],
        held_out=description["held_out"],
        augment=augmentation(description["augment"]) if description["augment"] else None,
        synthesis=synthesis(description["synthesis"]) if description["synthesis"] else None,
        origin=description["origin"],
        resident_gb=description["resident_gb"],
    )
    data = store.fingerprint([*image_paths, *target_paths])
    given = description["start"]
    start = Start(**given, expects=description["expects"]) if given else None
    decides = {key: value for key, value in description.items() if key not in _CHANGES_NOTHING}
    checkpoint = of_training(
        description["state"], description["minutes"], settings.training.precision, device,
        decides, data, start and start.hashes(), distributed.world_size(),
    )  # fmt: skip
    encoder = Path(description["encoder"])
    try:
        made = pretrain(image_paths, target_paths, settings, start=start, checkpoint=checkpoint, device=device)
    except DivergedError as error:
        if distributed.rank() > 0:
            raise
        kept = encoder.with_name("last_good.safetensors")
        model_files.save_weights(error.encoder, kept)
        checkpoint.remove()
        raise UserError(f"{error} The encoder after the last epoch with a finite loss is {kept}.") from None
    if distributed.rank() == 0:
        made = replace(made, metadata={**made.metadata, **description["about"]})
        save(made, encoder, description["source"], description["expects"])
        checkpoint.remove()


def save(source: Source, path: str | os.PathLike, name: str, expects: Mapping) -> None:
    """Write an encoder with its ``model.json``, ``training.tsv``, ``examples.npz`` and ``README.md`` beside it.

    The weights of its decoder are in ``decoder.safetensors``, which is empty if there is none.

    ``name``: that of the source; ``expects``: the input for which the study's weights are made.
    """
    metadata = {**source.metadata, "source": name, **expects}
    beside = {"decoder.safetensors": source.decoder}
    model_files.save(source.encoder, path, metadata, source.history, beside)
    with atomic(Path(path).with_name("examples.npz")) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, **source.examples)
    model_card.write(Path(path).with_name("README.md"), metadata, source.history)


def hold_out(files: int, held_out: int, seed: int) -> tuple[list[int], list[int]]:
    """Indices of the files to train on and of those to validate on, each in ascending order, drawn from the seed."""
    if held_out >= files:
        raise UserError(
            f"pretrain.held_out is {held_out} but the source has {files} scans or files of natural images; lower it, "
            "so that some are left to train on."
        )
    order = generator(seed, "validation").permutation(files).tolist()
    return sorted(order[held_out:]), sorted(order[:held_out])


def _metadata(kind: str, architecture: Architecture, seed: int, untrained: Iterable[str] = ()) -> dict:
    """What ``model.json`` says of every encoder; ``untrained``: names of the tensors that are random."""
    return {
        "kind": kind,
        **architecture.encoder_metadata,
        "untrained": list(untrained),
        "intensities": "[0, 1]",
        "seed": seed,
        "versions": model_files.versions(architecture.encoder),
    }


if __name__ == "__main__":
    distributed.work(run)
