"""Neighbouring slices as channels, in a finished study: what is made again, and new scans."""

import shutil

import pandas as pd
import pytest
import yaml
from safetensors.torch import load_file

from headstart.job import read_json

pytestmark = pytest.mark.workflow

MODEL = "finetune/stroke/t1-segmentation/size-2_resample-1"


def test_models_of_targets_see_neighbours_and_sources_stay_as_they_are(finished):
    kept = finished.written("pretrain", "slices", "derivatives")
    study = yaml.safe_load((finished.folder / "tiny.yaml").read_text())
    study["slice"] |= {"neighbours": 1, "neighbour_mm": 8}
    (finished.folder / "beside.yaml").write_text(yaml.safe_dump(study))
    done = finished.snakemake("--nolock", study="beside.yaml")
    assert done.returncode == 0, done.stderr[-4000:]
    assert finished.written("pretrain", "slices", "derivatives") == kept
    model = read_json(finished.results / MODEL / "model.json")
    assert (model["network"]["neighbours"], model["neighbour_step"]) == (1, 2)
    kernel = load_file(finished.results / MODEL / "model.safetensors")["encoder.conv1.weight"]
    assert kernel.shape[1] == 3
    assert (kernel[:, [0, 2]] != 0).any()
    scores = pd.read_csv(finished.results / "tables/summary.tsv", sep="\t")
    assert scores["score"].notna().all()
    assert "1 neighbouring slice on either side" in (finished.results / "methods/methods.rst").read_text()
    assert finished.to_run("--nolock", study="beside.yaml") == {}

    new = finished.folder / "new"
    new.mkdir()
    anat = finished.results / "datasets/cohort/sub-01/anat"
    shutil.copy(next(anat.glob("*_T1w.nii.gz")), new / "p1.nii.gz")
    asked = {"model": f"results/tiny/{MODEL}", "folder": "new"}
    (finished.folder / "predict.yaml").write_text(yaml.safe_dump({"predict": asked}))
    done = finished.snakemake("--keep-going", "predict", study="predict.yaml")
    assert done.returncode == 0, done.stderr[-2000:]
    done = finished.snakemake("--keep-going", "publish", study="beside.yaml")
    assert done.returncode == 0, done.stderr[-2000:]
    (card,) = (finished.results / "published").glob("*/README.md")
    assert "3 channels from bottom to top, 8 mm apart" in card.read_text()
