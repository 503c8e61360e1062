"""How files are named is found by their names alone."""

import re
from pathlib import Path

import pytest

from headstart.begin import flat_names
from headstart.job import UserError

FOLDER = Path("/scans")
PEOPLE = range(1, 6)


def read(paths, labels=None):
    """What the patterns read of these paths: subject and session of each scan and of each label file."""
    found = flat_names.patterns(FOLDER, [FOLDER / path for path in paths], labels)

    def matched(key):
        matches = {path: re.fullmatch(found[key], path) for path in paths}
        return {path: match.groupdict() for path, match in matches.items() if match}

    return matched("pattern"), matched("labels_pattern")


@pytest.mark.parametrize(
    ("scan", "label", "subject"),
    [
        ("p{0:02d}_T1.nii.gz", "p{0:02d}_lesion.nii.gz", "p{0:02d}"),
        ("p{0:02d}.nii", "p{0:02d}_seg.nii", "p{0:02d}"),
        ("images/{0}.nii.gz", "labels/{0}.nii.gz", "{0}"),
        ("imagesTr/case_{0:03d}_0000.nii.gz", "labelsTr/case_{0:03d}.nii.gz", "{0:03d}"),
        ("p{0}/T1.nii.gz", "p{0}/lesion mask.nii.gz", "p{0}"),
        ("GLI-{0:05d}-000/GLI-{0:05d}-000-t1n.nii.gz", "GLI-{0:05d}-000/GLI-{0:05d}-000-seg.nii.gz", "{0:05d}"),
        ("Zoë {0} (T1).nii.gz", "Zoë {0} (manual).nii.gz", "{0}"),
        ("100{0}_SS.nii.gz", "100{0}_glm.nii.gz", "100{0}"),
        ("v0{0}_T1w.nii.gz", "v0{0}_label.nii.gz", "v0{0}"),
    ],
)
def test_scans_and_labels_are_told_apart_and_matched(scan, label, subject):
    paths = [form.format(number) for number in PEOPLE for form in (scan, label)]
    scans, labels = read(paths)
    expected = [subject.format(number) for number in PEOPLE]
    assert [found["subject"] for found in scans.values()] == expected
    assert [found["subject"] for found in labels.values()] == expected
    assert list(scans) == paths[::2]
    assert list(labels) == paths[1::2]


def test_other_contrasts_and_brain_masks_are_no_scans_and_no_labels():
    kinds = ("T1", "FLAIR", "T2w", "brain_mask", "lesion")
    scans, labels = read([f"p{number}_{kind}.nii.gz" for number in PEOPLE for kind in kinds])
    assert list(scans) == [f"p{number}_T1.nii.gz" for number in PEOPLE]
    assert list(labels) == [f"p{number}_lesion.nii.gz" for number in PEOPLE]


def test_a_folder_of_brains_is_not_one_of_brain_masks():
    paths = [f"brains/p{number}_{kind}.nii" for number in PEOPLE for kind in ("T1", "lesion")]
    scans, labels = read([*paths, *(f"brain_masks/p{number}.nii" for number in PEOPLE)])
    assert (len(scans), len(labels)) == (5, 5)


def test_other_contrasts_beside_scans_without_a_word_are_not_read():
    kinds = ("", "_FLAIR", "_seg")
    scans, _ = read([f"p{number}{kind}.nii.gz" for number in PEOPLE for kind in kinds])
    assert list(scans) == [f"p{number}.nii.gz" for number in PEOPLE]


def test_scans_without_labels_are_read_whatever_they_begin_with():
    paths = [f"mine_{number}_{kind}.nii" for number in PEOPLE for kind in ("T1", "mask")]
    scans, labels = read([*paths, "other_1_T1.nii", "other_2_T1.nii"])
    assert len(scans) == 7
    assert len(labels) == 5
    assert {found["subject"] for found in scans.values()} >= {"mine_1", "other_2"}


@pytest.mark.parametrize(
    "form",
    ["p{0}_ses-{1}_{2}.nii", "p{0}/visit{1}/{2}.nii", "p{0}_v{1}/p{0}_v{1}_{2}.nii", "p{0}/ses{1}/{2}_ses{1}.nii"],
)
def test_sessions_are_known_as_those_of_one_person(form):
    paths = [form.format(number, session, kind) for number in PEOPLE for session in (1, 2) for kind in ("T1", "mask")]
    scans, labels = read(paths)
    assert len(scans) == len(labels) == 10
    assert sorted((found["subject"], found["session"]) for found in scans.values()) == [
        (f"p{number}", str(session)) for number in PEOPLE for session in (1, 2)
    ]


def test_of_several_kinds_of_labels_one_is_chosen_by_its_name():
    paths = [f"p{number}_{kind}.nii" for number in PEOPLE for kind in ("T1", "rater1_lesion", "rater2_lesion")]
    with pytest.raises(UserError, match=r"several kinds of label files \(p1_rater1_lesion.nii, p1_rater2_.*LABELS="):
        read(paths)
    _, labels = read(paths, "rater2")
    assert list(labels) == [f"p{number}_rater2_lesion.nii" for number in PEOPLE]


def test_of_several_t1_scans_none_is_guessed():
    paths = [f"p{number}_{kind}.nii" for number in PEOPLE for kind in ("T1_raw", "T1_n4", "lesion")]
    with pytest.raises(UserError, match=r"several kinds of T1 scans \(p1_T1_n4.nii, p1_T1_raw.nii\); say .*ENTRY="):
        read(paths)


@pytest.mark.parametrize(
    ("paths", "held"),
    [
        ([], "holds no NIfTI images"),
        ([f"p{number}_T1.nii" for number in PEOPLE], "holds 5 NIfTI images, such as p1_T1.nii, and no T1 scans of sev"),
        ([f"p{number}_{kind}.nii" for number in PEOPLE for kind in ("FLAIR", "mask")], "such as p1_FLAIR.nii, and no"),
        ([f"{number}.dcm" for number in PEOPLE], "holds no NIfTI images"),
    ],
)
def test_without_scans_and_labels_the_sentence_says_how_to_name_them(paths, held):
    with pytest.raises(UserError) as caught:
        read(paths)
    assert held in str(caught.value)
    assert "p01_T1.nii.gz and p01_lesion.nii.gz" in str(caught.value)
    assert "\n" not in str(caught.value)
