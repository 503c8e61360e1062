"""Every source through the workflow, on synthetic natural images and weights from a file."""

import pandas as pd
import pytest
import torch
import yaml

from headstart.job import read_json
from headstart.networks.trunks import Encoder

pytestmark = pytest.mark.workflow

TRAINED = (
    "t1-segmentation", "t1-autoencoding", "t1-classification",
    "natural-segmentation", "natural-autoencoding", "natural-classification",
)  # fmt: skip


def test_all_eight_sources_run_and_a_source_without_its_weights_is_left_out(bare_project):
    study = yaml.safe_load((bare_project.folder / "tiny.yaml").read_text())
    study["datasets"]["scenes"] = {"layout": "scenes", "pictures": 24}
    study["slice"]["images_per_file"] = 12
    study["pretrain"]["sources"] = ["scratch", *TRAINED, "imagenet-classification"]
    photos = {"degrees": 10, "scale": 0.1, "mirror": True}
    scans = {"rotation": {"probability": 0.5, "low": -10, "high": 10}, "mirror": True}
    study["pretrain"]["augment"] = {
        "natural-segmentation": photos,
        "natural-classification": scans,
        "t1-segmentation": scans,
    }
    path = bare_project.folder / "eight.yaml"
    path.write_text(yaml.safe_dump(study))
    drawn = [f"results/tiny/figures/pretraining_{source}.png" for source in TRAINED]
    asked = ("--nolock", "pretrain", *drawn, "results/tiny/figures/pretraining.png")
    done = bare_project.snakemake(*asked, study="eight.yaml")
    assert done.returncode == 0, done.stderr[-4000:]
    table = pd.read_csv(bare_project.results / "tables/sources.tsv", sep="\t", index_col="source")
    assert table.loc["natural-classification", ["dataset", "classes", "files"]].tolist() == ["scenes", 10, 2]
    assert table.loc["t1-classification", ["classes", "files"]].tolist() == [16, 3]
    assert "no weights are given" in table.loc["imagenet-classification", "left_out"]
    assert table["left_out"].notna().sum() == 1
    assert not (bare_project.results / "pretrain/imagenet-classification").exists()
    for source in TRAINED:  # each has its own augmentation
        metadata = read_json(bare_project.results / f"pretrain/{source}/model.json")
        if given := study["pretrain"]["augment"].get(source):
            assert {kind: metadata["augment"][kind] for kind in given} == given
            assert not any(metadata["augment"][kind]["probability"] for kind in metadata["augment"].keys() - given)
        else:
            assert metadata["augment"] is None
        assert 0 < metadata["parameters"]["encoder"] < metadata["parameters"]["network"]

    torch.save(Encoder("resnet18", latent_channels=4).state_dict(), bare_project.folder / "weights.pth")
    study["pretrain"]["weights"] = {"file": str(bare_project.folder / "weights.pth")}
    path.write_text(yaml.safe_dump(study))
    again = bare_project.to_run("--nolock", "pretrain", study="eight.yaml")
    assert again["pretrain_source"] == 1
    made = "results/tiny/pretrain/imagenet-classification/encoder.safetensors"
    done = bare_project.snakemake("--nolock", made, study="eight.yaml")
    assert done.returncode == 0, done.stderr[-4000:]
    assert "layer4" in (bare_project.results / "pretrain/imagenet-classification/model.json").read_text()


def test_natural_sources_without_pictures_are_left_out(bare_project):
    study = yaml.safe_load((bare_project.folder / "tiny.yaml").read_text())
    study["pretrain"]["sources"] = ["scratch", "natural-segmentation"]
    (bare_project.folder / "bare.yaml").write_text(yaml.safe_dump(study))
    assert bare_project.to_run("--nolock", "pretrain", study="bare.yaml")["pretrain_source"] == 1
