"""What the methods text of a study says of its sources: their data, their tasks and how they were trained."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath

import pandas as pd

from headstart import sources
from headstart.datasets import natural
from headstart.report import methods_augmentation
from headstart.report.html import listed, plain
from headstart.report.sources import Shown
from headstart.report.wording import count, emphasised, grouped, number
from headstart.slices import cut
from headstart.sources import Source
from headstart.template import template

# What the tasks are called whose network restores a slice that was changed.
_RESTORING = {"masked-autoencoding": "masked auto-encoding", "restoring": "the restoration of distorted slices"}


def of_study(config: Mapping, participants: pd.DataFrame, left_out: Mapping[str, Sequence[str]]) -> dict:
    """The names that the template ``methods.rst.jinja`` uses of the sources.

    ``config``: the resolved configuration; ``participants``: its table of participants; ``left_out``: subjects of each
    dataset that no source was trained on.
    """
    found = in_order(config)
    trained = [source for source in found if source.trained]
    tasks = {source.task for source in trained}
    used, kept = _material(config, trained, participants, left_out)
    omitted = {name: left_out.get(name, ()) for name in dict.fromkeys(source.scans for source in trained)}
    made = config["pretrain"]["synthesis"]
    augmentations = {source.name: made["changes"] if source.label_maps else source.augment for source in trained}
    augmented, not_augmented = methods_augmentation.of_sources(augmentations, list(augmentations))
    lengths = _grouped({source.name: _length(source) for source in trained})
    usual = config["training"]["learning_rate"]
    rates = _grouped({source.name: number(source.learning_rate or usual) for source in trained})
    differences = {
        "the length of pre-training": len(lengths) > 1,
        "the augmentation of pre-training": len(augmented) + bool(not_augmented) > 1,
        "the learning rate of pre-training": len(rates) > 1,
        "the learning rate of fine-tuning": len(config["finetune"]["learning_rates"]) > 1,
    }
    return {
        "sources": [_described(source, found, config) for source in found],
        "compares_with_baseline": len(found) > 1 and any(source.domain == "baseline" for source in found),
        "made_for": emphasised(dict.fromkeys(source.dataset for source in found if source.uses_made_labels)),
        "segments": any(source.targets == "tissue" for source in found),
        "classifies": any(source.on_scans and source.targets == "presence" for source in found),
        "trained": bool(trained),
        "autoencodes": "autoencoding" in tasks,
        "restores": [name for task, name in _RESTORING.items() if task in tasks],
        "heads": "classification" in tasks,
        **_runs(config, trained),
        "lengths": _with_names(lengths),
        "rates_of_sources": {rate: emphasised(names) for rate, names in rates.items() if rate != number(usual)},
        "differing": [name for name, differs in differences.items() if differs],
        "material": used,
        "held_out": kept,
        "omitted": [f"{count(len(scans), 'scan')} of *{plain(name)}*" for name, scans in omitted.items() if scans],
        "strip": made["strip"],
        "augmented": augmented,
        "not_augmented": not_augmented,
        "whole": [f"*{plain(source.name)}*" for source in found if source.transfer == "all"],
        "encoders_alone": emphasised(
            source.name for source in found if source.transfer == "encoder" and source.domain != "baseline"
        ),
    }


def in_order(config: Mapping) -> list[Source]:
    """The sources of a study in the order of its figures."""
    found = sources.of_study(config)
    shown = Shown({name: {"domain": source.domain, "task": source.task} for name, source in found.items()})
    return [found[name] for name in shown.in_order(found)]


def image_datasets(config: Mapping) -> list[dict]:
    """The datasets of natural images that sources are trained on."""
    names = dict.fromkeys(source.dataset for source in in_order(config) if source.natural)
    return [_image_dataset(config, name) for name in names]


def _image_dataset(config: Mapping, name: str) -> dict:
    """A dataset of natural images: ``classes`` of whole images, and ``labels`` that its label maps hold."""
    entry = config["datasets"][name]
    return {
        "name": name,
        "layout": entry["layout"],
        "images": entry["pictures"],
        "classes": len(natural.class_names(entry)),
        "labels": len(natural.label_names(entry)),
        "chosen": "classes" in entry,
    }


def _described(source: Source, found: Sequence[Source], config: Mapping) -> dict:
    """A source as the template describes it; ``first``: the first source with its task, which states the loss."""
    return {
        "name": source.name,
        "domain": source.domain,
        "task": source.task,
        "targets": source.targets,
        "dataset": source.dataset,
        "images": _image_dataset(config, source.dataset) if source.natural else None,
        "classes": [plain(name) for name in source.classes or ()],
        "synthesis": source.synthesis,
        "scans": source.scans if source.label_maps else None,
        "clusters": config["datasets"][source.dataset].get("clusters") if source.label_maps else None,
        "activation": source.activation,
        "hidden": source.hidden,
        "patch": source.patch,
        "normalised": bool(source.weights and source.weights.get("expects")),
        "file": source.weights and PurePath(source.weights["file"]).name,
        "start": source.start,
        "start_decodes": source.start is not None and _takes_decoder(source, found),
        "first": next(other.name for other in found if other.task == source.task),
    }


def _takes_decoder(source: Source, found: Sequence[Source]) -> bool:
    """Whether a source that continues another may start with a decoder, too."""
    start = next(other for other in found if other.name == source.start)
    return start.transfer == "all" and sources.TASKS[source.task].decodes


def _runs(config: Mapping, trained: Sequence[Source]) -> dict:
    """How pre-trainings started, and how often they were run; ``shared``: those with fewer runs than resamples."""
    most = max(target["resamples"] for target in config["targets"].values())
    repeated = _grouped({source.name: str(source.repeats) for source in trained if source.repeats > 1})
    return {
        "continued": emphasised(source.name for source in trained if source.start),
        "started_at_random": any(source.start is None for source in trained),
        "repeated": {times: emphasised(names) for times, names in repeated.items()},
        "once": emphasised(source.name for source in trained if source.repeats == 1),
        "shared": emphasised(source.name for source in trained if 1 < source.repeats < most),
    }


def _length(source: Source) -> str:
    return count(source.steps, "update") if source.steps else count(source.epochs, "epoch")


def _grouped(said: Mapping[str, str]) -> dict[str, list[str]]:
    """The sources of which the same is said."""
    groups: dict[str, list[str]] = {}
    for name, words in said.items():
        groups.setdefault(words, []).append(name)
    return groups


def _with_names(groups: Mapping[str, Sequence[str]]) -> str:
    """What is said in a list, with the sources of which it is said where these differ."""
    if len(groups) < 2:
        return "".join(groups)
    return listed([f"{words} ({emphasised(names)})" for words, names in groups.items()])


def _material(
    config: Mapping, trained: Sequence[Source], participants: pd.DataFrame, left_out: Mapping[str, Sequence[str]]
) -> tuple[list[str], list[str]]:
    """What sources were trained on in each dataset, and what was held out of it."""
    held_out, used, kept = config["pretrain"]["held_out"], [], []
    grid, datasets = template.grid(config["template"]["voxel_mm"]), config["datasets"]
    of_heads = sorted((source for source in trained if not source.natural), key=lambda source: source.label_maps)
    for source in {source.dataset: source for source in of_heads}.values():
        name, what = plain(source.dataset), "synthetic head" if source.label_maps else "scan"
        if source.scans:
            total = int(participants.set_index("dataset").at[source.scans, "scans"])
            total -= len(left_out.get(source.scans, ()))
            what = "label map" if source.label_maps else what
        else:
            total = datasets[source.dataset]["people"]
        slices = (total - held_out) * cut.count(grid, datasets[source.scans or source.dataset]["discard_mm"])
        used.append(f"{grouped(slices)} slices of {count(total - held_out, what)} of *{name}*")
        kept.append(f"{count(held_out, what)} of *{name}*")
    per_file = config["slice"]["images_per_file"]
    images = held_out * per_file
    for name in dict.fromkeys(source.dataset for source in trained if source.natural):
        total = config["datasets"][name]["pictures"]
        about = "about " if total % per_file else ""  # the last file, which may be held out, has fewer
        used.append(f"{about}{grouped(total - images)} images of *{plain(name)}*")
        kept.append(f"{about}{grouped(images)} images of *{plain(name)}*")
    return used, kept if held_out else []
