"""Recipes that are refused, and paths, which need no heavy imports."""

import subprocess
import sys
from pathlib import Path

import pytest
from settings_of import recipe

import headstart
from headstart.job import UserError
from headstart.phantom.recipe import subject_paths


@pytest.mark.parametrize(
    "invalid",
    [
        {"lesions": "tumour"},
        {"voxel_mm": (0, 1)},
        {"voxel_mm": (2, 1)},
        {"slice_mm": (-1, 5)},
        {"further_slice_mm": (4, 2)},
        {"orientations": ()},
        {"orientations": ("RRS",)},
        {"orientations": ("XYZ",)},
    ],
)
def test_an_invalid_recipe_is_refused_with_the_name_of_its_key(invalid):
    with pytest.raises(UserError, match=next(iter(invalid))):
        recipe(**invalid)


def test_paths_are_bids():
    paths = subject_paths("data", "07")
    assert paths["first"] == Path("data/sub-07/anat/sub-07_T1w.nii.gz")
    assert paths["lesion"] == Path("data/derivatives/ground_truth/sub-07/anat/sub-07_label-lesion_mask.nii.gz")


def test_paths_of_a_flair_are_given_only_if_asked_for():
    plain, with_flair = subject_paths("data", "07"), subject_paths("data", "07", ("T1w", "FLAIR"))
    further = {key: with_flair[key] for key in with_flair if key not in plain}
    ground_truth = Path("data/derivatives/ground_truth/sub-07/anat")
    assert further == {
        "second": Path("data/sub-07/anat/sub-07_FLAIR.nii.gz"),
        "second_sidecar": Path("data/sub-07/anat/sub-07_FLAIR.json"),
        "movement": ground_truth / "sub-07_from-T1w_to-FLAIR_mode-image_xfm.txt",
    }


def test_paths_import_nothing_heavy():
    code = "import sys, headstart.phantom.recipe; print(sorted({'numpy', 'scipy', 'nibabel'} & set(sys.modules)))"
    package_root = Path(headstart.__file__).parents[1]
    shown = subprocess.run([sys.executable, "-c", code], cwd=package_root, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
