"""Masks that were made elsewhere, through the workflow: compared, refused by name, and nothing trained again."""

import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml

pytestmark = pytest.mark.workflow

MODEL = "finetune/stroke/scratch/size-2_resample-1"
PATTERN = r"size-(?P<size>\d+)_resample-(?P<resample>\d+)/(?P<subject>\w+)\.nii\.gz"


@pytest.fixture(scope="module")
def predicted(project, tmp_path_factory):
    """Masks of the test scans by a model of the finished study, as `snakemake predict` makes them, in a folder."""
    own = project.copy(tmp_path_factory.mktemp("predicted") / "project")
    split = pd.read_csv(own.results / "splits/stroke/size-2_resample-1.tsv", sep="\t", dtype=str)
    (own.folder / "new").mkdir()
    tests = split.loc[split["role"] == "test", "subject"]
    for subject in tests:
        scan = own.results / f"datasets/stroke/sub-{subject}/anat/sub-{subject}_T1w.nii.gz"
        shutil.copy(scan, own.folder / f"new/{subject}.nii.gz")
    asked = {"model": f"results/tiny/{MODEL}", "folder": "new"}
    (own.folder / "predict.yaml").write_text(yaml.safe_dump({"predict": asked}))
    done = own.snakemake("--keep-going", "predict", study="predict.yaml")
    assert done.returncode == 0, done.stderr[-2000:]
    folder = own.folder / "masks/size-2_resample-1"
    folder.mkdir(parents=True)
    for subject in tests:
        made = own.results / f"predict/new/sub-{subject}/anat/sub-{subject}_desc-stroke_dseg.nii.gz"
        shutil.copy(made, folder / f"{subject}.nii.gz")
    return folder.parent


@pytest.fixture
def masks(finished, predicted):
    """The folder with these masks, beside a copy of the study."""
    return shutil.copytree(predicted, finished.folder / "masks") / "size-2_resample-1"


def compared_with(project, folder, **external):
    """The tiny study at its larger set size with competitors from a folder."""
    study = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    given = {name: {"folder": str(folder), **entry} for name, entry in external.items()}
    study["targets"]["stroke"] |= {"sizes": [2], "external": given}
    (project.folder / "external.yaml").write_text(yaml.safe_dump(study))


def test_masks_of_the_study_itself_come_back_with_its_scores(finished, masks):
    trained, fixed = {"pattern": PATTERN}, {"pattern": r"size-2_resample-1/(?P<subject>\w+)\.nii\.gz"}
    compared_with(finished, masks.parent, copy=trained, rater=fixed)
    models = finished.written("pretrain", "finetune")
    done = finished.snakemake(study="external.yaml")
    assert done.returncode == 0, done.stderr[-4000:]
    assert finished.written("pretrain", "finetune") == models
    native = pd.read_csv(finished.results / "evaluate/stroke/size-2_native.tsv", sep="\t", dtype={"scan": str})
    by_scan = native.pivot(index="scan", columns="source", values="score")
    assert by_scan["copy"].tolist() == pytest.approx(by_scan["scratch"].tolist(), abs=1e-6)
    assert by_scan["rater"].equals(by_scan["copy"])
    # On the study's grid the masks were resampled once more.
    assert native.query("source == 'copy'")["dice"].tolist() != native.query("source == 'scratch'")["dice"].tolist()
    summary = pd.read_csv(finished.results / "tables/summary.tsv", sep="\t").query("level == 'volume'")
    scores = summary.set_index("source")["score"]
    assert set(scores.index) == {"scratch", "t1-segmentation", "copy", "rater"}
    assert scores["copy"] == pytest.approx(by_scan["scratch"].mean(), abs=1e-5)
    detection = pd.read_csv(finished.results / "tables/detection.tsv", sep="\t")
    assert set(detection["source"]) == set(scores.index)
    # Lesions of whole volumes are those on the scans' own grids, where masks that come back are the same.
    keys, measures = ["overlap", "volume_ml"], ["lesions", "sensitivity", "sensitivity_native", "precision", "f1"]
    whole = detection.query("connectivity == 'volume26'").set_index(["source", *keys]).sort_index()[measures]
    for name in ("copy", "rater"):
        pd.testing.assert_frame_equal(whole.loc[name], whole.loc["scratch"])
    # A column in which every number is 1 is read as integers.
    pd.testing.assert_series_equal(
        whole["sensitivity_native"], whole["sensitivity"], check_names=False, check_dtype=False, check_exact=True
    )
    page = (finished.results / "index.html").read_text()
    assert "masks that were made elsewhere (copy and rater)" in page
    inputs = (finished.results / "provenance.json").read_text()
    assert all(f"masks/size-2_resample-1/{mask.name}" in inputs for mask in masks.iterdir())
    assert finished.to_run(study="external.yaml") == {}


def test_a_missing_and_a_mirrored_mask_are_refused_by_name_before_anything_else(finished, masks):
    compared_with(finished, masks.parent, copy={"pattern": PATTERN})
    first, *_ = sorted(masks.iterdir())
    subject, kept = first.name.removesuffix(".nii.gz"), first.read_bytes()
    (truth,) = (finished.results / "datasets/stroke").rglob(f"sub-{subject}_label-lesion_mask.nii.gz")
    labels = nib.load(truth)
    nib.save(nib.Nifti1Image(np.flip(np.asarray(labels.dataobj), 0).astype(np.uint8), labels.affine), first)
    stopped = finished.snakemake(study="external.yaml")
    assert stopped.returncode != 0
    assert f"masks/size-2_resample-1/{first.name} is mirrored along its first axis" in stopped.stderr
    assert not list(finished.results.glob("evaluate/stroke/copy/*/predictions.npz"))
    first.write_bytes(kept)
    first.rename(first.with_suffix(".bak"))
    lacking = finished.snakemake("--dry-run", study="external.yaml")
    assert lacking.returncode != 0
    said = f"has no mask of test scan {subject} for set size 2, resample 1; add the masks"
    assert said in lacking.stdout + lacking.stderr
