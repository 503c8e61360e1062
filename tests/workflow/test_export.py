"""A study's scans and draws written for other programs by one command, without training anything."""

import csv

import nibabel as nib
import numpy as np
import pytest
import yaml

from headstart.job import read_json

pytestmark = pytest.mark.workflow


def test_the_draws_of_a_study_are_exported_and_nothing_is_trained(finished):
    before = finished.written("derivatives", "pretrain", "finetune", "tables")
    assert finished.to_run("export") == {"export_scan": 4, "export_target": 1, "export": 1}
    done = finished.snakemake("--keep-going", "export")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "stroke: 4 scans and 2 draws are in results/tiny/export/stroke; train nnU-Net with" in done.stderr
    assert finished.to_run("export") == {}
    assert finished.written("derivatives", "pretrain", "finetune", "tables") == before

    # The draws are those of the study.
    folder = finished.results / "export/stroke"
    for draw in ("size-1_resample-1", "size-2_resample-1"):
        with open(finished.results / f"splits/stroke/{draw}.tsv") as file:
            roles = {row["subject"]: row["role"] for row in csv.DictReader(file, delimiter="\t")}
        with open(folder / "scans.csv") as file:
            assert {row["subject"]: row[draw] for row in csv.DictReader(file)} == roles
        raw = folder / f"draws/{draw}/nnUNet_raw/Dataset001_stroke"
        trained = {path.name.removesuffix(".nii.gz") for path in (raw / "labelsTr").iterdir()}
        assert trained == {subject for subject, role in roles.items() if role == "train"}
        assert read_json(raw / "dataset.json")["labels"] == {"background": 0, "lesion": 1}

    # Images and labels are those of the dataset, on its own grid.
    original = finished.results / "datasets/stroke"
    image, labels = (nib.load(folder / f"scans/01/{name}.nii.gz") for name in ("T1w", "labels"))
    (exact,) = original.glob("derivatives/*/sub-01/anat/*lesion*mask.nii.gz")
    assert (folder / "scans/01/T1w.nii.gz").samefile(original / "sub-01/anat/sub-01_T1w.nii.gz")
    assert np.array_equal(labels.affine, image.affine)
    assert np.array_equal(np.asarray(labels.dataobj), np.asarray(nib.load(exact).dataobj))


def test_a_class_that_nnunet_reserves_stops_before_any_work(bare_project):
    study = yaml.safe_load((bare_project.folder / "tiny.yaml").read_text())
    study["targets"]["stroke"]["classes"] = {"ignore": [1]}
    (bare_project.folder / "tiny.yaml").write_text(yaml.safe_dump(study))
    done = bare_project.snakemake("--keep-going", "export")
    assert done.returncode == 1
    assert "headstart: export: targets.stroke.classes has 'ignore'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not bare_project.results.exists()
