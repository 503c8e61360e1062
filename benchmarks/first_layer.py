"""How should the first layer of a network that was pre-trained on one image take a second one?

    make bench-first-layer

``zeros`` is what headstart does: the pre-trained kernels go to the first image, and zeros to the second, so that the
network begins as it was. ``divided`` repeats the kernels for both images and divides them by their number, as timm does
for images of other than three channels, so that it begins with the mean of both. All else is the same: training sets,
seeds, decoder and order of the slices. Scores are the Dice over the volumes of the test scans, and ``gain`` is that of
``zeros`` over ``divided``, with a 95 % confidence interval for new training sets and test scans. Overwrites
benchmarks/first_layer.tsv.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import product
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch
from record import keep
from scipy import stats

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))
from headstart import finetune, seeds, settings  # noqa: E402
from headstart.evaluate import anova  # noqa: E402
from headstart.metrics.overlap import volume_score  # noqa: E402
from headstart.networks import model_files  # noqa: E402
from headstart.networks.architectures import Architecture  # noqa: E402
from headstart.networks.start import Start  # noqa: E402
from headstart.slices import store  # noqa: E402
from headstart.training.loop import predict  # noqa: E402
from headstart.training.settings import TrainingSettings  # noqa: E402

STUDY = settings.of_project(ROOT, ROOT / "benchmarks/first_layer.yaml")
RESULTS = ROOT / "results" / STUDY["study"]
TARGET = STUDY["targets"]["ms"]
IMAGES = STUDY["datasets"]["ms"]["images"]


def divided(given: Mapping, own: Mapping, architecture: Architecture) -> dict[str, torch.Tensor]:
    """In place of :func:`headstart.networks.model_files.widened`: kernels of the image for the mean of all images."""
    found, more = dict(given), architecture.inputs - 1
    for name in given.keys() & own.keys():
        kernel, wanted = given[name], own[name].shape
        if kernel.ndim == 4 and wanted[1] == kernel.shape[1] + more:
            image, rest = kernel[:, :1], kernel[:, 1:]
            found[name] = torch.cat([image / architecture.inputs] * architecture.inputs + [rest], dim=1)
    return found


WAYS = {"zeros": model_files.widened, "divided": divided}


def slices(kind: str, subjects: list[str]) -> list[store.Slices]:
    """The slices of a kind of these scans."""
    paths = sorted((RESULTS / "slices/ms").glob(f"part-*_{kind}.npy"))
    if not paths:
        sys.exit("there are no slices; run `make bench-first-layer`")
    return store.find([path.with_name(f"{path.name.split('_')[0]}_scans.tsv") for path in paths], paths, subjects)


def drawn(size: int) -> list[list[str]]:
    """The scans of each training set of a size."""
    scans = [f"{number:02d}" for number in range(1, STUDY["datasets"]["ms"]["people"] + 1)]
    pool = [subject for subject in scans if subject not in TARGET["test"]]
    order = [seeds.generator(STUDY["seed"], "first layer", size, draw) for draw in range(TARGET["resamples"])]
    return [[pool[index] for index in sorted(each.permutation(len(pool))[:size])] for each in order]


def finetuned(source: str, size: int) -> Iterator[np.ndarray]:
    """The score of each test scan after each training, (S,)."""
    folder = RESULTS / "pretrain" / source
    whole = STUDY["pretrain"]["sources"][source].get("transfer") == "all"
    start = Start(folder / "encoder.safetensors", folder / "decoder.safetensors" if whole else None, {})
    known = {field.name for field in fields(TrainingSettings)}
    training = {key: value for key, value in STUDY["training"].items() if key in known}
    how = finetune.FinetuneSettings(
        architecture=Architecture.of(STUDY["network"] | {"images": len(IMAGES)}),
        training=TrainingSettings(**training | {"epochs": None, "steps": TARGET["steps"], "encoder_factor": 1}),
        classes=["background", *TARGET["classes"]],
        expects={},
        augment=None,
        runs_per_gpu=1,
        resident_gb=4,
    )
    for number, subjects in enumerate(drawn(size), start=1):
        seen = [found for image in IMAGES for found in slices(image, subjects)]
        seed = seeds.seed_for(STUDY["seed"], "first layer", str(size), str(number))
        sets = [finetune.TrainingSet(range(len(subjects)), seed)]
        ((model, _),) = finetune.finetune([start], seen, slices("desc-target_dseg", subjects), sets, how)
        yield np.array([score(model, how, subject) for subject in TARGET["test"]])


def score(model: torch.nn.Module, how: finetune.FinetuneSettings, subject: str) -> float:
    """The Dice of a test scan over its volume."""
    found = [store.read(slices(image, [subject])[0]) for image in IMAGES]
    seen = how.channels.rows([len(found[0])])
    labelled = predict(model, np.concatenate(found), precision="auto", seen=seen)
    (truth,) = slices("desc-target_dseg", [subject])
    return volume_score(labelled, store.read(truth), len(how.classes), TARGET["metric"], "skip")


def gain(differences: np.ndarray) -> dict[str, float]:
    """The mean difference (R, S) with its confidence interval."""
    found = anova.spread(list(anova.influence(differences[np.newaxis], np.ones((1, *differences.shape)))), [0])
    mean, reach = differences.mean(), stats.t.isf(0.025, found.degrees) * np.sqrt(found.variance)
    return {"gain": mean, "low": mean - reach, "high": mean + reach}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    rows = []
    for source, size in product((name for name in STUDY["pretrain"]["sources"] if name != "scratch"), TARGET["sizes"]):
        scores = {}
        for way, function in WAYS.items():
            with mock.patch.object(model_files, "widened", function):
                scores[way] = np.stack(list(finetuned(source, size)))
            print(source, size, way, scores[way].mean(axis=1).round(3), flush=True)
        means = {way: found.mean() for way, found in scores.items()}
        rows.append({"source": source, "size": size, **means, **gain(scores["zeros"] - scores["divided"])})
    keep(pd.DataFrame(rows), __file__)


if __name__ == "__main__":
    main()
