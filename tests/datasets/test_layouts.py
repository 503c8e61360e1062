import subprocess
import sys
from pathlib import Path

import pytest

from headstart.datasets import derivatives, layouts
from headstart.job import UserError

PACKAGE = Path(__file__).parents[2] / "workflow_scripts"


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"layout": "miccai2012"}, "datasets.ba has no folder"),
        ({"layout": "miccai2012", "folder": "oasis"}, "set data in the configuration, or HEADSTART_DATA"),
        ({"layout": "miccai2012", "folder": "/nowhere"}, "the folder /nowhere does not exist"),
        ({"layout": "phantom"}, "no people; say how many"),
        ({"layout": "phantom", "people": 3, "include": ["9"]}, "include names 9, which the folder lacks"),
        ({"layout": "phantom", "people": 3, "exclude": ["1", "2", "3"]}, "exclude names 1, 2, 3"),
        (
            {"layout": "phantom", "people": 1, "mask_lesions": True},
            "no lesion mask; exclude it, or remove",
        ),
        ({"layout": "phantom", "people": 1, "exclude": ["01"]}, "has no scans; check its folder, include and exclude"),
    ],
)
def test_a_missing_dataset_is_one_sentence(entry, sentence):
    with pytest.raises(UserError, match=sentence):
        layouts.scans("ba", {"exclude": [], "lesions": "none", "voxel_mm": [1, 1], **entry}, "made", None)


def test_synthetic_subjects_are_planned_before_they_are_generated(tmp_path):
    entry = {"layout": "phantom", "people": 2, "target": "lesion", "lesions": "ms", "exclude": []}
    first, second = layouts.scans("ms", entry, tmp_path, None)
    assert (first.subject, second.subject) == ("01", "02")
    assert first.person == "ms-01"
    assert first.target == (first.ground_truth["lesion"],)
    assert not first.masks
    assert not first.first.exists()


def test_synthetic_heads_are_drawn_in_a_number_or_named_by_their_scans():
    entry = {"layout": "synthetic", "exclude": []}
    assert layouts.heads("h", entry | {"people": 2}) == ["01", "02"]
    assert layouts.heads("h", entry | {"scans": "mine", "clusters": {}}) == []
    with pytest.raises(
        UserError, match=r"datasets.h has .* no people; say how many heads to draw, or name a dataset of"
    ):
        layouts.heads("h", entry)


def test_persons_do_not_depend_on_the_path_of_the_data_folder(folder):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz")
    outside = {"layout": "bids", "folder": str(folder.path), "exclude": []}
    assert folder.scans("bids")[0].person == "set/sub-01"
    assert folder.scans("bids", folder=str(folder.path))[0].person == "set/sub-01"
    assert layouts.scans("d", outside, "made", None)[0].person == str(folder.path.resolve() / "sub-01")


def test_planning_imports_nothing_heavy():
    heavy = "{'numpy', 'pandas', 'nibabel', 'scipy', 'torch', 'ants'}"
    code = f"import sys; from headstart.datasets import layouts; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE)
    assert done.stdout == "[]\n", done.stderr


def test_the_description_of_derivatives():
    assert derivatives.derivative_description("ba")["DatasetType"] == "derivative"
