"""From a folder of scans to a study that is planned to its last job, as a new user goes."""

import re

import nibabel as nib
import numpy as np
import pytest

from headstart.begin import study

PEOPLE = range(1, 7)


def image(path, labels):
    """A tiny scan, or its labels."""
    data = np.zeros((30, 30, 30), np.uint8)
    data[10:20, 10:20, 10:20] = 1 if labels else np.arange(50, 60)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, np.diag([6.0, 6, 6, 1])), path)


def bids(person, session=None):
    """Names of a scan and of its lesion mask."""
    within = f"sub-{person}/" + (f"ses-{session}/" if session else "") + "anat"
    stem = f"sub-{person}" + (f"_ses-{session}" if session else "")
    return f"{within}/{stem}_T1w.nii.gz", f"derivatives/manual/{within}/{stem}_label-lesion_mask.nii.gz"


FOLDERS = {
    "lesion masks": [bids(person) for person in PEOPLE],
    "several sessions": [bids(person, session) for person in PEOPLE for session in ("before", "after")],
    "Zoë's flat $folder": [(f"scans/p{n} T1.nii.gz", f"masks/p{n} lesion.nii.gz") for n in PEOPLE],
    "more without labels": [bids(person) for person in PEOPLE] + [(bids(n)[0], None) for n in range(11, 18)],
}


@pytest.mark.parametrize("place", FOLDERS)
def test_the_study_of_a_folder_is_planned_to_its_last_job(bare_project, tmp_path, monkeypatch, place):
    for scan, labels in FOLDERS[place]:
        image(tmp_path / place / scan, labels=False)
        if labels:
            image(tmp_path / place / labels, labels=True)
    monkeypatch.chdir(bare_project.folder)
    path = study.begin("mine", str(tmp_path / place), None, None, force=False, gpu=False)
    shown = bare_project.snakemake("--dry-run", study=str(path))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert not re.search("possible overlap|not read", shown.stderr)
    jobs = bare_project.count(shown)
    scans = len(FOLDERS[place])
    assert jobs["resample_target"] == sum(labels is not None for _, labels in FOLDERS[place])
    assert jobs["register_scan"] == scans
    # Of six people four are outside the largest fold; their scans without labels are a source of their own.
    sources = 3 if place == "more without labels" else 2
    assert jobs["finetune_lesion"] == sources * (4 if place == "several sessions" else 3)
    assert jobs["pretrain_source"] == sources
    # Five folds, twice.
    assert jobs["write_split"] == 10 * jobs["finetune_lesion"] / sources
