"""Synthetic subjects with a FLAIR beside the T1, or without a T1: a whole study of each."""

import re
import textwrap
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.torch import load_file
from scipy.spatial.transform import Rotation

from headstart.job import read_json

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).parents[2]
MODEL = "finetune/{target}/scratch/size-2_resample-1"


def test_subjects_of_datasets_that_ask_for_a_flair_have_one(bare_project):
    study = yaml.safe_load((bare_project.folder / "tiny.yaml").read_text())
    study["datasets"]["stroke"]["images"] = ["T1w", "FLAIR"]
    (bare_project.folder / "flair.yaml").write_text(yaml.safe_dump(study))
    plain, with_flair = (bare_project.to_run("datasets", study=name) for name in ("tiny.yaml", "flair.yaml"))
    assert "make_subject_with_flair" not in plain
    assert with_flair["make_subject_with_flair"] == study["datasets"]["stroke"]["people"]
    assert with_flair["make_subject"] + with_flair["make_subject_with_flair"] == plain["make_subject"]


def documented():
    """The dataset with T1 and FLAIR in BIDS that docs/data.md shows."""
    text = (ROOT / "docs/data.md").read_text(encoding="utf-8")
    block = re.search(r"\*\*T1 and FLAIR\*\*.*?\n\n((?:    [^\n]*\n)+)", text, re.S)[1]
    return yaml.safe_load(textwrap.dedent(block))["mine"]


@pytest.mark.timeout(1800)
def test_a_study_with_flair_from_its_scans_to_new_ones(finished):
    kept = finished.written("pretrain")
    study = yaml.safe_load((finished.folder / "tiny.yaml").read_text())
    study["datasets"]["stroke"]["images"] = ["T1w", "FLAIR"]
    study["finetune"] = {"learning_rates": [1.0e-3]}
    study["datasets"]["stroke"]["people"] = 3
    study["targets"]["stroke"] |= {"test": 1, "sizes": [2]}
    study["targets"]["t1"] = study["targets"]["stroke"] | {"images": ["T1w"]}
    (finished.folder / "flair.yaml").write_text(yaml.safe_dump(study))
    done = finished.snakemake("--nolock", study="flair.yaml")
    assert done.returncode == 0, done.stderr[-4000:]
    assert finished.written("pretrain") == kept
    assert finished.to_run("--nolock", study="flair.yaml") == {}

    # What each model sees, and that the FLAIR is where the T1 is.
    both, alone = (read_json(finished.results / MODEL.format(target=name) / "model.json") for name in ("stroke", "t1"))
    assert both["images"] == ["T1w", "FLAIR"]
    assert both["network"]["images"] == 2
    assert not alone.keys() & {"images"} | alone["network"].keys() & {"images"}
    # The weights of a pre-trained source for FLAIR are zeros until it is trained on FLAIR.
    pretrained = finished.results / MODEL.format(target="stroke").replace("scratch", "t1-segmentation")
    kernel = load_file(pretrained / "model.safetensors")["encoder.conv1.weight"]
    assert (kernel.abs().sum((0, 2, 3)) > 0).tolist() == [True, True]
    aligned = pd.read_csv(finished.results / "tables/images_aligned.tsv", sep="\t", dtype={"subject": str})
    assert len(aligned) == 3
    assert aligned["failed"].isna().all()
    for row in aligned.itertuples():
        truth = finished.results / f"datasets/stroke/derivatives/ground_truth/sub-{row.subject}/anat"
        (movement,) = truth.glob("*_from-T1w_to-FLAIR_mode-image_xfm.txt")
        turned = np.degrees(Rotation.from_matrix(np.loadtxt(movement)[:3, :3]).magnitude())
        assert abs(row.rotation_deg - turned) < 1
    assert "tables/images_aligned.tsv" in (finished.results / "index.html").read_text()
    assert "networks see T1-weighted and FLAIR images" in (finished.results / "index.html").read_text()
    assert "images_aligned.tsv" in (finished.results / "provenance.json").read_text()
    splits = [(finished.results / f"splits/{name}/size-2_resample-1.tsv").read_bytes() for name in ("stroke", "t1")]
    assert splits[0] == splits[1]
    methods = " ".join((finished.results / "methods/methods.rst").read_text().split())
    assert "each with a FLAIR image" in methods
    assert "Networks received T1-weighted and FLAIR images" in methods

    # The same scans in BIDS, as the documentation shows it, give the same slices.
    entry = {key: value for key, value in documented().items() if key != "image_entities"}
    entry |= {"folder": str(finished.results / "datasets/stroke"), "labels": "derivatives/ground_truth"}
    entry["discard_mm"] = study["datasets"]["stroke"]["discard_mm"]
    study["datasets"] |= {"mine": entry | {"include": ["01", "02"]}}
    study["targets"] = {"stroke": study["targets"]["t1"] | {"dataset": "mine", "test": 1, "sizes": [1]}}
    del study["targets"]["stroke"]["images"]
    (finished.folder / "bids.yaml").write_text(yaml.safe_dump(study))
    names = [f"part-0000_{kind}.npy" for kind in ("T1w", "FLAIR", "desc-target_dseg")]
    done = finished.snakemake("--nolock", *(f"results/tiny/slices/mine/{name}" for name in names), study="bids.yaml")
    assert done.returncode == 0, done.stderr[-2000:]
    for name in names:
        mine, own = (np.load(finished.results / f"slices/{dataset}/{name}") for dataset in ("mine", "stroke"))
        assert np.array_equal(mine, own)

    # New scans.
    found = r"sub-\w+/anat/sub-(?P<subject>\w+)_{}\.nii\.gz"
    asked = {
        "model": f"results/tiny/{MODEL.format(target='stroke')}",
        "folder": "results/tiny/datasets/stroke",
        "pattern": found.format("T1w"),
        "patterns": {"FLAIR": found.format("FLAIR")},
        "exclude": ["02", "03", "04"],
    }
    (finished.folder / "predict.yaml").write_text(yaml.safe_dump({"predict": asked}))
    done = finished.snakemake("--keep-going", "predict", study="predict.yaml")
    assert done.returncode == 0, done.stderr[-2000:]
    anat = finished.results / "predict/stroke/sub-01/anat"
    sidecar = read_json(anat / "sub-01_desc-stroke_dseg.json")
    assert sidecar["Images"]["FLAIR"]["Scan"].endswith("sub-01_FLAIR.nii.gz")
    assert nib.load(anat / "sub-01_desc-stroke_dseg.nii.gz").shape == nib.load(finished.folder / sidecar["Scan"]).shape
    done = finished.snakemake("--keep-going", "publish", study="flair.yaml")
    assert done.returncode == 0, done.stderr[-2000:]
    (card,) = (finished.results / "published").glob("*/README.md")
    assert "channels in the order of the images: T1w, FLAIR" in card.read_text()


@pytest.mark.timeout(1800)
def test_a_study_of_flair_alone_from_its_scans_to_new_ones(finished):
    study = yaml.safe_load((finished.folder / "tiny.yaml").read_text())
    study["datasets"] = {
        "dark": study["datasets"]["stroke"] | {"people": 3, "images": ["FLAIR"]},
        "both": study["datasets"]["cohort"] | {"people": 2, "images": ["FLAIR", "T1w"]},
    }
    study["pretrain"]["sources"] = {"scratch": {}, "hidden": {"dataset": "both", "task": "autoencoding"}}
    study["finetune"] = {"learning_rates": [1.0e-3]}
    study["targets"] = {"stroke": study["targets"]["stroke"] | {"dataset": "dark", "test": 1, "sizes": [2]}}
    (finished.folder / "dark.yaml").write_text(yaml.safe_dump(study | {"study": "dark"}))
    finished.take_template(finished, "dark")
    done = finished.snakemake("--nolock", study="dark.yaml")
    assert done.returncode == 0, done.stderr[-4000:]
    results = finished.folder / "results/dark"

    # No file is named after an image that is not there.
    assert [path for part in ("derivatives", "slices") for path in (results / part).rglob("*T1w*")] == []
    anat = results / "derivatives/dark/sub-01/anat"
    for name in ("desc-qc_FLAIR.json", "from-FLAIR_to-MNI152NLin2009aSym_mode-image_xfm.mat"):
        assert (anat / f"sub-01_{name}").is_file()
    assert (results / "slices/dark/part-0000_FLAIR.npy").is_file()
    quality = pd.read_csv(results / "tables/quality.tsv", sep="\t")
    assert quality["failed"].isna().all()
    assert not quality["warnings"].astype(str).str.contains("not a").any()
    truth = pd.read_csv(results / "tables/ground_truth.tsv", sep="\t")
    assert (truth["registration_mm"] < truth["best_affine_mm"] + 2.5).all()
    metadata = read_json(results / MODEL.format(target="stroke") / "model.json")
    assert (metadata["first_image"], metadata["images"]) == ("FLAIR", ["FLAIR"])
    methods = " ".join((results / "methods/methods.rst").read_text().split())
    assert "3 synthetic FLAIR scans" in methods
    assert "T1-weighted contrast" not in methods

    # New scans, which need no T1.
    asked = {
        "model": f"results/dark/{MODEL.format(target='stroke')}",
        "folder": "results/dark/datasets/dark",
        "pattern": r"sub-\w+/anat/sub-(?P<subject>\w+)_FLAIR\.nii\.gz",
        "exclude": ["02", "03"],
    }
    (finished.folder / "predict.yaml").write_text(yaml.safe_dump({"predict": asked}))
    done = finished.snakemake("--keep-going", "predict", study="predict.yaml")
    assert done.returncode == 0, done.stderr[-2000:]
    made = {path.name for path in (results / "predict/dark/sub-01/anat").iterdir()}
    assert {"sub-01_desc-stroke_dseg.nii.gz", "sub-01_desc-qc_FLAIR.json"} < made
