import pytest

from headstart.job import UserError

IN_DERIVATIVE = "derivatives/x/sub-01/anat/sub-01_"


@pytest.mark.parametrize(
    ("t1w", "masks", "used"),
    [
        ("T1w", ["label-l_mask", "space-MNI_label-l_mask"], ["label-l_mask"]),
        ("space-MNI_T1w", ["label-l_mask", "space-MNI_label-l_mask"], ["space-MNI_label-l_mask"]),
        ("T1w", ["space-T1w_label-l_mask", "space-MNI_label-l_mask"], ["space-T1w_label-l_mask"]),
        ("T1w", ["hemi-L_label-l_mask", "hemi-R_label-l_mask"], ["hemi-L_label-l_mask", "hemi-R_label-l_mask"]),
        ("T1w", ["label-l_mask", "acq-flair_label-l_mask"], ["label-l_mask"]),
    ],
)
def test_masks_of_other_images_are_not_united(folder, t1w, masks, used):
    folder.touch(f"sub-01/anat/sub-01_{t1w}.nii.gz", *(f"{IN_DERIVATIVE}{mask}.nii.gz" for mask in masks))
    (scan,) = folder.scans("bids", labels_suffix="*mask")
    assert [path.name for path in scan.target] == [f"sub-01_{mask}.nii.gz" for mask in used]


@pytest.mark.parametrize("entity", ["desc", "res", "space"])
def test_masks_that_differ_in_more_than_their_part_are_refused(folder, entity):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz")
    folder.touch(*(f"{IN_DERIVATIVE}{entity}-{value}_label-l_mask.nii.gz" for value in "ab"))
    with pytest.raises(UserError, match=rf"{entity}-a_label-l_mask.nii.gz and .* both label one scan; narrow"):
        folder.scans("bids", labels_suffix="label-l_mask")
    (scan,) = folder.scans("bids", labels_suffix=f"{entity}-b_label-l_mask")
    assert [path.name for path in scan.target] == [f"sub-01_{entity}-b_label-l_mask.nii.gz"]


def test_a_roi_is_a_mask(folder):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz", f"{IN_DERIVATIVE}label-lesion_roi.nii.gz")
    assert folder.scans("bids", labels_suffix="label-lesion_roi")[0].masks


def test_labels_in_another_space_serve_where_there_are_no_others(folder):
    """ATLAS has such names; whether they lie on the scan is checked when files are opened."""
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz", f"{IN_DERIVATIVE}space-MNI_label-l_mask.nii.gz")
    assert len(folder.scans("bids", labels_suffix="label-l_mask")[0].target) == 1


@pytest.mark.parametrize("place", ["Derivatives/x/Sub-01/Anat", "derivatives/x/sub-01/Anat"])
def test_capitals_in_folders_of_labels_do_not_matter(folder, place):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz", f"{place}/sub-01_label-l_mask.nii.gz")
    assert len(folder.scans("bids", labels_suffix="label-l_mask")[0].target) == 1


def test_capitals_in_names_of_people_do_matter(folder):
    folder.touch("sub-A/anat/sub-A_T1w.nii.gz", "sub-a/anat/sub-a_T1w.nii.gz", "derivatives/x/sub-a/anat/l_mask.nii.gz")
    found = folder.scans("bids", labels_suffix="l_mask")
    assert [(scan.subject, len(scan.target)) for scan in found] == [("A", 0), ("a", 1)]


def test_labels_at_another_place_are_named(folder):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz", "derivatives/sub-01/anat/sub-01_label-l_mask.nii.gz")
    with pytest.raises(UserError, match="derivatives/sub-01/anat/sub-01_label-l_mask.nii.gz is there"):
        folder.scans("bids", labels_suffix="label-l_mask")
    assert folder.scans("bids", labels_suffix="label-l_mask", labels="derivatives")[0].target
