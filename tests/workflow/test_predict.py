"""New scans with the model of a finished study: one command, and nothing of the study is made again."""

import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from headstart import images
from headstart.job import read_json
from headstart.template import template

pytestmark = pytest.mark.workflow

MODEL = "results/tiny/finetune/stroke/scratch/size-2_resample-1"


def test_a_finished_study_segments_new_scans_and_trains_nothing(finished):
    new = finished.folder / "new scans; $(ünter)"
    new.mkdir()
    # People whom the target has not seen; the study's configuration is left out, and with it its data.
    made = finished.results / "datasets/cohort"
    for subject, name in (("01", "Jörg & Co.nii.gz"), ("02", "it's $HOME.nii.gz")):
        shutil.copy(next((made / f"sub-{subject}/anat").glob("*_T1w.nii.gz")), new / name)
    whole = (new / "Jörg & Co.nii.gz").read_bytes()
    (new / "broken.nii.gz").write_bytes(whole[: len(whole) // 2])
    asked = {"model": MODEL, "folder": new.name}
    (finished.folder / "predict.yaml").write_text(yaml.safe_dump({"predict": asked}))
    kept = ("pretrain", "finetune", "template", "derivatives")
    before = finished.written(*kept)
    planned = finished.to_run("predict", study="predict.yaml")
    assert planned == {"predict_scan": 3, "tabulate_predictions": 1, "gate_predictions": 1, "predict": 1}

    stopped = finished.snakemake("--keep-going", "predict", study="predict.yaml")
    place = finished.results / "predict/newscansnter"
    assert stopped.returncode != 0
    assert "Traceback" not in stopped.stderr
    assert "1 of 3 scans got no mask (broken: " in stopped.stderr
    assert "add them to predict.exclude" in stopped.stderr
    table = pd.read_csv(place / "predictions.tsv", sep="\t", index_col="subject")
    assert table.loc["broken", "status"] == "failed"
    assert set(table.index) == {"JrgCo", "broken", "itsHOME"}
    assert not (place / "sub-broken/anat/sub-broken_desc-stroke_dseg.nii.gz").exists()

    (finished.folder / "predict.yaml").write_text(yaml.safe_dump({"predict": {**asked, "exclude": ["broken"]}}))
    assert "predict_scan" not in finished.to_run("predict", study="predict.yaml")
    done = finished.snakemake("--keep-going", "predict", study="predict.yaml")
    assert done.returncode == 0, done.stderr[-2000:]
    assert finished.to_run("predict", study="predict.yaml") == {}
    for subject, name in (("JrgCo", "Jörg & Co.nii.gz"), ("itsHOME", "it's $HOME.nii.gz")):
        stem = place / f"sub-{subject}/anat/sub-{subject}_desc-stroke_dseg"
        mask = images.read(f"{stem}.nii.gz", None)
        assert mask.grid.matches(images.read(new / name).grid)
        assert set(np.unique(mask.data)) <= {0, 1}
        told = read_json(f"{stem}.json")
        assert told["Classes"] == {"0": "background", "1": "lesion"}
        assert told["ModelSHA256"] == read_json(finished.folder / MODEL / "model.json")["sha256"]["model.safetensors"]
    assert finished.written(*kept) == before
    metadata = read_json(finished.folder / MODEL / "model.json")
    assert metadata["template"] == template.SPACE
    assert metadata["voxel_mm"] == 4
    assert metadata["register"]["shrink"] == [2, 1]
    assert metadata["discard_mm"] == {"top": 40, "bottom": 40}


def test_what_is_not_set_is_said_in_one_sentence(bare_project):
    stopped = bare_project.snakemake("--keep-going", "predict")
    assert stopped.returncode != 0
    assert "predict.model is not set; set it to the folder" in stopped.stderr
    assert "Traceback" not in stopped.stderr
