"""The worked examples of docs/extending.md, run as they stand."""

import re
from pathlib import Path

import numpy as np
import small
import torch
import yaml

from headstart import pretrain, settings, sources
from headstart.datasets import layouts
from headstart.networks import trunks
from headstart.slices import store
from headstart.training import source_tasks

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "rules/schemas/config.schema.yaml"
PAGE = (ROOT / "docs/extending.md").read_text()
SMALL = small.architecture(decoder_widths=(16, 16, 8, 8, 8, 8, 8, 8, 8))


def block(title, language):
    """The blocks of code under a title, one after the other."""
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", section, re.S))


def run(title):
    exec(compile(block(title, "python"), title, "exec"), {})


def test_a_target(tmp_path):
    config = settings.resolve(ROOT / "config.yaml", SCHEMA, {**yaml.safe_load(block("A target", "yaml"))})
    assert list(config["targets"]) == ["tumour"]
    for name in ("images/p1.nii.gz", "images/p2.nii.gz", "masks/p1_mask.nii.gz", "masks/p2_mask.nii.gz"):
        (tmp_path / "tumours" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tumours" / name).touch()
    found = layouts.scans("tumours", config["datasets"]["tumours"], tmp_path / "made", tmp_path)
    assert [(scan.subject, scan.target[0].name) for scan in found] == [(f"p{n}", f"p{n}_mask.nii.gz") for n in (1, 2)]


def test_a_source():
    config = settings.resolve(ROOT / "config.yaml", SCHEMA, {**yaml.safe_load(block("A source", "yaml"))})
    found = sources.of_study(config)
    domains = {name: source.domain for name, source in found.items()}
    assert domains == {
        "scratch": "baseline", "cohort-tissues": "synthetic", "own": "synthetic", "heads": "synthetic",
        "synthetic": "synthetic", "relabelled": "synthetic", "natural": "natural", "radimagenet": "other",
        "continued": "synthetic",
    }  # fmt: skip
    assert found["own"].steps == 400
    assert list(found["heads"].classes) == ["white matter", "ventricles"]
    assert found["relabelled"].manual == found["heads"].manual
    assert list(found["relabelled"].classes) == ["matter", "ventricles"]


def test_weights_from_elsewhere():
    config = settings.resolve(ROOT / "config.yaml", SCHEMA, yaml.safe_load(block("Weights from elsewhere", "yaml")))
    assert sources.of_study(config)["imagenet"].weights["file"] == "weights/resnet50-imagenet.pth"


def test_a_layout(tmp_path, monkeypatch):
    monkeypatch.setattr(layouts, "LAYOUTS", dict(layouts.LAYOUTS))
    run("A layout of scans")
    for name in ("case-3_T1.nii.gz", "case-3_lesion.nii.gz", "case-20_T1.nii.gz", "case-20_lesion.nii.gz"):
        (tmp_path / name).touch()
    entry = {"layout": "cases", "folder": str(tmp_path), "exclude": []}
    found = layouts.scans("d", entry, tmp_path / "made", tmp_path)
    assert [(scan.subject, scan.person, scan.target[0].name) for scan in found] == [
        ("20", "20", "case-20_lesion.nii.gz"),
        ("3", "3", "case-3_lesion.nii.gz"),
    ]


def test_a_source_task(tmp_path, monkeypatch):
    monkeypatch.setattr(source_tasks, "TASKS", dict(source_tasks.TASKS))
    monkeypatch.setattr(sources, "TASKS", dict(sources.TASKS))
    run("A source task")
    assert list(sources.TASKS) == list(source_tasks.TASKS)
    rng = np.random.default_rng(0)
    paths = []
    for number in range(2):
        paths.append(tmp_path / f"{number}.npy")
        np.save(paths[-1], rng.integers(0, store.SCALE, (4, 64, 64), dtype=np.uint16))
    spec = source_tasks.SourceTaskSpec("inpainting")
    settings = pretrain.PretrainSettings(
        spec=spec,
        architecture=SMALL,
        training=small.training(1, batch_size=4),
        seed=0,
        held_out=1,
        augment=None,
        synthesis=None,
        origin="lower",
        resident_gb=None,
    )
    made = pretrain.pretrain(paths, [], settings, device="cpu")
    assert made.metadata["kind"] == "inpainting"
    assert made.history[0]["validation"] < 1
    seen, original = made.examples["images"], (made.examples["targets"] * store.SCALE).round()
    centre = np.pad(np.ones((32, 32), bool), 16)
    assert not seen[:, centre].any()
    assert np.array_equal(seen[:, ~centre], original[:, ~centre])
    assert original[:, centre].any()


def test_an_encoder(monkeypatch):
    monkeypatch.setattr(trunks, "RESNETS", dict(trunks.RESNETS))
    run("An encoder")
    with torch.device("meta"):
        trunk = trunks.Trunk("resnet152")
    # torchvision's has 60 192 808 parameters: 2 049 000 in its last layer, 6 272 in the stem's other two channels
    assert sum(each.numel() for each in trunk.parameters()) == 60_192_808 - 2_049_000 - 6_272
