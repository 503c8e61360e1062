"""Known faults of weights and settings: ``make bad-inputs`` writes each and prints what headstart says."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from bad_folders import Case, Say, show

from headstart import settings
from headstart.networks.architectures import Encoder
from headstart.networks.external_weights import WeightFile, load_trunk

ROOT = Path(__file__).parents[1]
ENCODER = "resnet18"
# Torchvision's order, in which a ResNet's layers are numbered by ``torch.nn.Sequential(*resnet.children())``.
CHILDREN = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc"]
State = Mapping[str, torch.Tensor]


def numbered(state: State) -> dict[str, torch.Tensor]:
    """The names of ``torch.nn.Sequential(*resnet.children())``."""
    split = {name: name.partition(".") for name in state}
    return {f"{CHILDREN.index(split[name][0])}.{split[name][2]}": tensor for name, tensor in state.items()}


def prefixed(state: State, prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def small_state(encoder: str) -> dict[str, torch.Tensor]:
    """The tensors of a trunk, each of a single value that is stored once: a file of them is small."""
    with torch.device("meta"):
        tensors = Encoder(encoder, latent_channels=4).state_dict()
    return {
        name: torch.ones((), dtype=tensor.dtype).expand(tensor.shape)
        for name, tensor in tensors.items()
        if not name.startswith("compress.")
    }


def content(data: bytes):
    """A file of weights of these bytes."""

    def ask(place: Path, say: Say) -> str:
        (place / "weights.pth").write_bytes(data)
        return loaded(place / "weights.pth")

    return ask


def tensors(change: Callable[[dict[str, torch.Tensor]], object], encoder: str = ENCODER):
    """A file of weights with what ``change`` makes of the tensors of a trunk."""

    def ask(place: Path, say: Say) -> str:
        torch.save(change(small_state(encoder)), place / "weights.pth")
        return loaded(place / "weights.pth")

    return ask


def loaded(path: Path) -> str:
    """How many tensors of a file the encoder of the study takes."""
    found = load_trunk(Encoder(ENCODER, latent_channels=4), WeightFile(path, None, prefix=None, expects=None))
    return f"{len(found.loaded)} tensors"


def study(written: str):
    """A study of these lines of YAML."""

    def ask(place: Path, say: Say) -> str:
        (place / "study.yaml").write_text(f"{written}\n", encoding="utf-8")
        return settings.of_project(ROOT, place / "study.yaml")["study"]

    return ask


def with_nan(state: State) -> dict[str, torch.Tensor]:
    return {**state, "bn1.bias": torch.full((64,), torch.nan)}


def without(state: State, name: str) -> dict[str, torch.Tensor]:
    return {other: tensor for other, tensor in state.items() if other != name}


RANGE = (
    "targets: {anatomy: {dataset: anatomy, classes: {grey matter: [%s]}, metric: dice, test: 2, sizes: [3], "
    "resamples: 1, epochs: 1}}"
)
SOURCE = "pretrain: {sources: {scratch: {}, mine: {%s}}}"
ALL = "120 tensors"

WEIGHTS = [
    Case(
        "lfs-pointer", None, "is a pointer of Git LFS, not the file itself", content(b"version https://git-lfs.github")
    ),
    Case(
        "annex-pointer", None, "is a pointer of git-annex, not the file itself", content(b"/annex/objects/MD5E-s1--x")
    ),
    Case("web-page", None, "is a web page, not the file itself", content(b"<!DOCTYPE html><html>Sign in</html>")),
    Case("empty-file", None, "is empty; make or download it again", content(b"")),
    Case("no-weights", None, "is damaged or not a file of weights", content(b"not weights")),
    Case("nan", None, "has values that are NaN or infinite in 1 tensors (bn1.bias)", tensors(with_nan)),
    Case("numbered-names", ALL, None, tensors(numbered)),
    Case("prefix", ALL, None, tensors(lambda state: {"state_dict": prefixed(state, "module.encoder.")})),
    Case("another-resnet", None, "is a resnet50, and network.encoder of this study is", tensors(dict, "resnet50")),
    Case("two-trunks", None, "contains 2 trunks", tensors(lambda state: {**state, **prefixed(state, "student.")})),
    Case("tensor-missing", None, "1 tensors missing (bn1.bias)", tensors(lambda state: without(state, "bn1.bias"))),
    Case(
        "deep-stem",
        None,
        "has a stem of several 3 x 3 convolutions",
        tensors(lambda state: {**state, "conv1.0.weight": state["conv1.weight"]}),
    ),
    Case(
        "vision-transformer",
        None,
        "it holds a vision transformer",
        tensors(lambda state: {"cls_token": state["bn1.bias"]}),
    ),
    Case("no-resnet", None, "contains no trunk of a ResNet", tensors(lambda state: {"w": state["bn1.bias"]})),
]

SETTINGS = [
    Case("variable-in-a-path", None, "results is '$HOME/x', which is taken as it stands", study("results: $HOME/x")),
    Case("url-for-a-path", None, "data is 'file:///x', which is taken as it stands", study("data: file:///x")),
    Case("home-folder-of-nobody", None, "this machine knows no such home folder", study("data: ~nobodyofthisname/x")),
    Case("tilde-alone", None, "results is None, since YAML reads this word without quotes as", study("results: ~")),
    Case(
        "subject-012-without-quotes",
        None,
        "datasets.a.exclude.0 is 10, since YAML reads this word without quotes as a number; put it in quotes",
        study("datasets: {a: {layout: phantom, people: 3, exclude: [012]}}"),
    ),
    Case(
        "range-that-falls",
        None,
        "targets.anatomy.classes.grey matter: '207-100' is empty; give the lower end first.",
        study(RANGE % '"207-100"'),
    ),
    Case("range-without-end", None, "'1-' must be a range such as 100-207", study(RANGE % '"1-"')),
    Case("number-as-text", None, "write 0.0001, without quotes", study("training: {learning_rate: 1e-4}")),
    Case("key-misspelt", None, "has no key 'trainning'; did you mean 'training'?", study("trainning: {}")),
    Case("key-renamed", None, "check.scans is now check.scans_per_job; rename it", study("check: {scans: 1}")),
    Case(
        "sources-by-name",
        None,
        "a list of pretrain.sources is of an earlier version; each source has its own dataset and task now: write "
        "sources: {scratch: {}, t1-segmentation: {dataset: anatomy, task: segmentation}}.",
        study("pretrain: {sources: [scratch, t1-segmentation]}"),
    ),
    Case("source-without-a-task", None, "has a dataset but no task; add its task", study(SOURCE % "dataset: cohort")),
    Case(
        "source-of-no-dataset",
        None,
        "which datasets lacks; did you mean 'heads'?",
        study(SOURCE % "dataset: haeds, task: segmentation"),
    ),
    Case("key-yes", None, "the configuration has the key True", study("yes: 1")),
    Case("whole-number-with-a-fraction", "default", None, study("training: {batch_size: 8.0}")),
]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    show(parser.parse_args().folder, [*WEIGHTS, *SETTINGS])
