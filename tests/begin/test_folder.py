"""Folders whose labels are not what one would take them for: what is said, and that the remedies work."""

import re

import numpy as np
import pytest

from headstart.begin import study
from headstart.job import UserError


def flat(folder, kinds, values=(1,), dtype=np.int16):
    """Four people's T1 scans and label files of these kinds."""
    for number in range(1, 5):
        folder.image(f"p{number}_T1.nii.gz")
        for kind in kinds:
            folder.image(f"p{number}_{kind}.nii.gz", values, dtype=dtype)


@pytest.mark.parametrize("place", ["derivatives/manual", "derivatives/second"])
def test_labels_of_few_scans_are_named_with_a_remedy(folder, begin, capsys, place):
    folder.bids(range(1, 22), label="label-lesion_mask")
    for person in (1, 2):
        folder.image(f"{place}/sub-0{person}/anat/sub-0{person}_label-core_mask.nii.gz", (0, 1))
    assert begin()["datasets"]["scans"]["labels_suffix"] == "label-lesion_mask"
    note = capsys.readouterr().err
    assert "note: label files of few scans were passed over: *_label-core_mask of 2 scans; " in note
    assert "LABELS=label-core_mask." in note
    unite = re.search("ENTRY='(.+)'", note)
    # Masks of two derivatives can't be united.
    assert bool(unite) == (place == "derivatives/manual")
    if unite:
        entry = begin(force=True, entry=unite[1])["datasets"]["scans"]
        assert entry["labels_suffix"] == "label-*_mask"
        # A cube of 8 voxels of 0.216 mL, and two.
        assert "masks: 1.7 to 3.5 mL in a scan" in capsys.readouterr().out
    with pytest.raises(UserError, match="has labelled scans of 2 people"):
        begin(force=True, labels="label-core_mask")


def test_labels_of_few_scans_are_not_united_with_a_brain_mask(folder, begin, capsys):
    folder.bids(range(1, 22), label="label-lesion_mask")
    folder.bids(range(1, 22), label="label-brain_mask")
    folder.bids([1, 2], label="label-core_mask")
    begin()
    note = capsys.readouterr().err
    assert "*_label-core_mask of 2 scans; use them instead with LABELS=label-core_mask." in note


def test_labels_whose_name_has_capitals_in_some_scans_are_not_passed_over(folder, begin, capsys):
    folder.bids(range(1, 21))
    folder.bids([21], label="label-Lesion_mask")
    begin()
    said = capsys.readouterr()
    assert "passed over" not in said.err
    assert "of 21 T1 scans of 21 people" in said.out


def test_several_kinds_of_labels_elsewhere_beside_bids_scans_are_asked_about(folder, begin):
    folder.bids(range(1, 5), label=None)
    for number in range(1, 5):
        for end in ("", "_auto"):
            folder.image(f"masks/sub-0{number}{end}.nii.gz", (1,))
    with pytest.raises(UserError, match=r"several kinds of label files .*LABELS=auto, for instance"):
        begin()
    assert begin(labels="auto")["datasets"]["scans"]["labels_pattern"].endswith(r"_auto\.nii\.gz")


def test_labels_suffix_is_not_for_a_flat_folder(folder, begin):
    flat(folder, ["anna", "lesion"])
    with pytest.raises(UserError, match=r"labels_suffix, which is for BIDS, .* has no sub-\*.* pattern and labels_pat"):
        begin(entry="labels_suffix: lesion")
    forms = {key: rf"(?P<subject>\w+)_{kind}\.nii\.gz" for key, kind in (("pattern", "T1"), ("labels_pattern", "anna"))}
    made = begin(entry=str(forms).replace("\\\\", "\\"))
    assert made["datasets"]["scans"]["labels_pattern"] == forms["labels_pattern"]
    assert begin("other", labels="lesion")["datasets"]["scans"]["labels_pattern"].endswith(r"_lesion\.nii\.gz")


def test_labels_of_another_first_image_are_named_by_their_suffix(folder, begin):
    for person in (1, 2, 3):
        folder.image(f"sub-{person}/anat/sub-{person}_FLAIR.nii.gz")
        folder.image(f"derivatives/manual/sub-{person}/anat/sub-{person}_dseg.nii.gz", (1,))
    assert begin(entry="images: [FLAIR], labels_suffix: dseg")["datasets"]["scans"]["images"] == ["FLAIR"]


def test_masks_of_other_values_in_a_flat_folder(folder, begin):
    flat(folder, ["lesion"], values=(0.7,), dtype=np.float32)
    with pytest.raises(UserError, match="8 voxels are not whole numbers; .* set masks: true, mask_above: 0.5 in its"):
        begin()
    with pytest.raises(UserError, match="^datasets.scans.mask_above is for masks, .*; add masks: true, or remove it.$"):
        begin(entry="mask_above: 0.5")
    made = begin(entry="masks: true, mask_above: 0.5")
    assert made["targets"]["lesion"]["classes"] == {"lesion": [1]}


def test_one_person_is_told_how_many_a_study_needs(folder, capsys):
    folder.image("p1_T1.nii.gz")
    folder.image("p1_lesion.nii.gz", (1,))
    with pytest.raises(SystemExit) as caught:
        study.main(["--name", "mine", "--folder", str(folder.path)])
    assert "has labelled scans of 1 person, and a study needs those of at least 3" in caught.value.code
