"""Images of synthetic subjects, as a study is planned."""

import pytest

from headstart.datasets import layouts, phantom
from headstart.job import UserError

ENTRY = {"layout": "phantom", "people": 2, "lesions": "ms", "voxel_mm": [1, 1], "exclude": []}


def scans(folder, **changed):
    return layouts.scans("ms", ENTRY | changed, folder, None)


def test_a_flair_is_a_further_image_and_its_movement_ground_truth(tmp_path):
    plain, with_flair = (scans(tmp_path, images=images)[0] for images in (["T1w"], ["T1w", "FLAIR"]))
    anat = tmp_path / "ms/sub-01/anat"
    assert plain.others == {}
    assert with_flair.others == {"FLAIR": anat / "sub-01_FLAIR.nii.gz"}
    assert with_flair.first == plain.first == anat / "sub-01_T1w.nii.gz"
    assert with_flair.ground_truth.keys() - plain.ground_truth.keys() == {"movement"}
    assert not {anat / "sub-01_FLAIR.json", anat / "sub-01_T1w.json"} & set(with_flair.ground_truth.values())


def test_a_flair_can_be_the_first_image(tmp_path):
    alone, with_t1 = (scans(tmp_path, images=images)[0] for images in (["FLAIR"], ["FLAIR", "T1w"]))
    anat = tmp_path / "ms/sub-01/anat"
    assert alone.images == {"FLAIR": anat / "sub-01_FLAIR.nii.gz"}
    assert list(with_t1.images.items()) == [(name, anat / f"sub-01_{name}.nii.gz") for name in ("FLAIR", "T1w")]
    assert with_t1.ground_truth["movement"].name == "sub-01_from-FLAIR_to-T1w_mode-image_xfm.txt"


def test_without_images_there_is_a_t1_alone(tmp_path):
    assert scans(tmp_path)[0].others == {}
    assert phantom.recipe(ENTRY).images == ("T1w",)
    assert phantom.recipe(ENTRY | {"images": ["FLAIR"]}).images == ("FLAIR",)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (["T1w", "T2w"], "datasets.ms.images: synthetic subjects have no T2w; name"),
        (["T1w", "flair"], "datasets.ms.images: synthetic subjects have no flair; name"),
    ],
)
def test_images_that_synthetic_subjects_lack_end_in_one_sentence(tmp_path, images, sentence):
    with pytest.raises(UserError, match=sentence):
        scans(tmp_path, images=images)
