"""How files are named is found by their names alone."""

import re
import sys
from collections import Counter
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
    ("form", "sessions"),
    [
        ("p{0}_ses-{1}_{2}.nii", "12"),
        ("p{0}/visit{1}/{2}.nii", "12"),
        ("p{0}_v{1}/p{0}_v{1}_{2}.nii", "12"),
        ("p{0}/ses{1}/{2}_ses{1}.nii", "12"),
        ("p{0}_ses-{1}_{2}.nii", "AB"),
        ("p{0}/ses-{1}/{2}.nii", ("post", "pre")),
        ("p{0}/visit-{1}/p{0}_visit-{1}_{2}.nii", ("2", "first")),
        ("session-{1}/p{0}_{2}.nii", ("M00", "M12")),
    ],
)
def test_sessions_are_known_as_those_of_one_person(form, sessions):
    paths = [form.format(number, name, kind) for number in PEOPLE for name in sessions for kind in ("T1", "mask")]
    scans, labels = read(paths)
    assert len(scans) == len(labels) == 10
    assert sorted((found["subject"], found["session"]) for found in scans.values()) == [
        (f"p{number}", session) for number in PEOPLE for session in sessions
    ]


def test_the_words_of_sessions_may_be_all_that_tells_people_apart():
    scans, labels = read([f"ses-{name}/{kind}.nii" for name in ("anna", "bob", "eve") for kind in ("T1", "mask")])
    assert sorted(found["subject"] for found in scans.values()) == ["anna", "bob", "eve"]
    assert len(labels) == 3


def test_of_several_kinds_of_labels_one_is_chosen_by_its_name():
    paths = [f"p{number}_{kind}.nii" for number in PEOPLE for kind in ("T1", "rater1_lesion", "rater2_lesion")]
    with pytest.raises(UserError, match=r"several kinds of label files \(p1_rater1_lesion.nii, p1_rater2_.*LABELS="):
        read(paths)
    _, labels = read(paths, "rater2")
    assert list(labels) == [f"p{number}_rater2_lesion.nii" for number in PEOPLE]


@pytest.mark.parametrize(
    ("forms", "examples"),
    [
        (("p{}_lesion.nii", "p{}_auto_lesion.nii"), "p1_auto_lesion.nii, p1_lesion.nii"),
        (("p{}_lesion.nii", "p{}_lesion_corrected.nii"), "p1_lesion.nii, p1_lesion_corrected.nii"),
        (("masks/p{}.nii", "masks/p{}_auto.nii"), "masks/p1.nii, masks/p1_auto.nii"),
        (("p{}_anna_lesion.nii", "p{}_bob_lesion.nii"), "p1_anna_lesion.nii, p1_bob_lesion.nii"),
        (("anna/lesions/p{}.nii", "bob/lesions/p{}.nii"), "anna/lesions/p1.nii, bob/lesions/p1.nii"),
        (("p{}_lesion1.nii", "p{}_lesion10.nii"), "p1_lesion1.nii, p1_lesion10.nii"),
        (("p{}_lesion.nii", "p{}_lesion.nii.gz"), "p1_lesion.nii, p1_lesion.nii.gz"),
    ],
)
def test_the_word_that_is_suggested_chooses_the_labels_that_it_names(forms, examples):
    paths = [form.format(number) for number in PEOPLE for form in ("p{}_T1.nii", *forms)]
    with pytest.raises(UserError, match=r"several kinds of label files") as caught:
        read(paths)
    assert f"({examples})" in str(caught.value)
    word = re.search("LABELS=(.+), for instance", str(caught.value))[1]
    scans, labels = read(paths, word)
    assert list(scans) == paths[::3]
    assert list(labels) in (paths[1::3], paths[2::3])
    assert all(word in path for path in labels)


@pytest.mark.parametrize(
    ("forms", "word"),
    [
        (("p{}_lesion.nii", "p{}_auto_lesion.nii"), "lesion"),
        (("masks/p{}.nii", "masks/p{}_auto.nii"), "masks"),
        (("data/p{}_lesion.nii", "data/p{}_lesion_corrected.nii"), "lesion"),
    ],
)
def test_a_word_of_both_chooses_the_labels_that_have_no_other(forms, word):
    paths = [form.format(number) for number in PEOPLE for form in ("data/p{}_T1.nii", *forms)]
    assert list(read(paths, word)[1]) == paths[1::3]


def test_a_second_kind_of_labels_of_some_scans_is_asked_about():
    paths = [f"p{number:02d}_{kind}.nii" for number in range(1, 11) for kind in ("T1", "lesion1")]
    some = [f"p{number:02d}_lesion2.nii" for number in range(1, 5)]
    with pytest.raises(UserError, match=r"several kinds of label files \(p01_lesion1.nii, p01_lesion2.nii\)"):
        read(paths + some)
    assert len(read(paths + some[:1])[1]) == 10  # a file that was left behind is no kind
    assert list(read(paths + some, "lesion2")[1]) == some


@pytest.mark.parametrize("word", ["mni", "lesion_mni"])
def test_labels_are_chosen_among_label_files_alone(word):
    """And not T1 scans that have the same word."""
    forms = ("p{}_T1.nii", "p{}_T1_mni.nii", "p{}_lesion.nii", "p{}_lesion_mni.nii")
    paths = [form.format(number) for number in PEOPLE for form in forms]
    with pytest.raises(UserError, match=r"several kinds of T1 scans \(p1_T1.nii, p1_T1_mni.nii\); say .*ENTRY="):
        read(paths, word)
    scans, labels = read([path for path in paths if "T1_mni" not in path], word)
    assert list(scans) == paths[::4]
    assert list(labels) == paths[3::4]


def test_files_without_a_word_for_labels_are_chosen_unless_they_are_t1_scans():
    paths = [f"p{number}_{kind}.nii" for number in PEOPLE for kind in ("T1", "T1_mni", "wmh", "wmh_mni")]
    with pytest.raises(UserError, match=r"several kinds of T1 scans \(p1_T1.nii, p1_T1_mni.nii\)"):
        read(paths, "mni")
    with pytest.raises(UserError, match="with 'T1' in their names"):
        read(paths, "T1")
    scans, labels = read([path for path in paths if "mni" not in path], "wmh")
    assert (list(scans), list(labels)) == (paths[::4], paths[2::4])


@pytest.mark.parametrize(
    ("kinds", "examples"),
    [
        (("T1_raw", "T1_n4", "lesion"), "p1_T1_n4.nii, p1_T1_raw.nii"),
        (("T1", "old_T1", "lesion"), "p1_T1.nii, p1_old_T1.nii"),
    ],
)
def test_of_several_t1_scans_none_is_guessed(kinds, examples):
    paths = [f"p{number}_{kind}.nii" for number in PEOPLE for kind in kinds]
    with pytest.raises(UserError, match=rf"several kinds of T1 scans \({examples}\); say .*ENTRY="):
        read(paths)


@pytest.mark.parametrize("zipped", [(1, 3, 5), (1,), (5,)])
def test_files_with_both_endings_are_one_kind(zipped):
    endings = [".nii.gz" if number in zipped else ".nii" for number in PEOPLE]
    scans, labels = read([f"p{number}_{kind}{endings[number - 1]}" for number in PEOPLE for kind in ("T1", "mask")])
    assert len(scans) == len(labels) == 5
    _, labels = read([f"p{number}_{kind}" for number in PEOPLE for kind in ("T1.nii", f"mask{endings[number - 1]}")])
    assert len(labels) == 5


def test_the_ending_is_written_as_it_is_where_it_is_the_same():
    paths = [FOLDER / f"p{number}{rest}" for number in PEOPLE for rest in (".nii", "_seg.nii.gz", "_FLAIR.nii.gz")]
    assert flat_names.patterns(FOLDER, paths, None) == {
        "pattern": r"(?P<subject>[^\W_]+)\.nii",
        "labels_pattern": r"(?P<subject>[^\W_]+)_seg\.nii\.gz",
    }


def test_a_label_file_that_the_pattern_of_scans_takes_is_named():
    people = ("a_1", "a_2", "b1", "b2", "b3")
    paths = [f"{name}{kind}.nii" for name in people for kind in ("", "_seg", "_auto_seg")]
    with pytest.raises(UserError, match=r"by its name, .*seg.nii is a T1 scan or labels; say which with ENTRY="):
        read(paths, "auto")


@pytest.mark.parametrize("kinds", [("T1", "lesion"), ("T1", "FLAIR", "lesion"), ("ses-1_T1", "ses-2_T1", "ses-1_mask")])
def test_one_person_is_read_too(kinds):
    scans, labels = read([f"p1_{kind}.nii" for kind in kinds])
    assert {found["subject"] for found in (*scans.values(), *labels.values())} == {"p1"}
    assert len(labels) == 1


def test_of_many_people_with_other_names_one_is_not_taken_for_all():
    with pytest.raises(UserError, match="no T1 scans of several people with label files"):
        read(["p1_T1.nii", "p1_mask.nii", "p2-T1.nii", "2_mask.nii", "p3.T1.nii", "3_mask.nii"])


def calls_to_read(people):
    """How many functions are called to read two sessions of so many people."""
    form = "site{}/sub-{:04d}/ses-{}/anat/sub-{:04d}_ses-{}_acq-x_run-1_{}.nii.gz"
    names = [(number % 7, number, session) for number in range(people) for session in (1, 2)]
    paths = [form.format(*name, *name[1:], kind) for name in names for kind in ("T1", "lesion")]
    events = Counter()
    sys.setprofile(lambda frame, event, argument: events.update([event]))
    try:
        read(paths)
    finally:
        sys.setprofile(None)
    return events["call"] + events["c_call"]


def test_the_work_grows_with_the_number_of_files_and_not_with_its_square():
    assert calls_to_read(120) < 2.5 * calls_to_read(60)


@pytest.mark.parametrize(
    ("paths", "held"),
    [
        ([], "holds no NIfTI images"),
        ([f"p{number}_T1.nii" for number in PEOPLE], "holds 5 NIfTI images, such as p1_T1.nii, and no T1 scans of sev"),
        ([f"{number}.dcm" for number in PEOPLE], "holds no NIfTI images"),
    ],
)
def test_without_scans_and_labels_the_sentence_says_how_to_name_them(paths, held):
    with pytest.raises(UserError) as caught:
        read(paths)
    assert held in str(caught.value)
    assert "p01_T1.nii.gz and p01_lesion.nii.gz" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("contrast", ["FLAIR", "T2w"])
def test_without_a_t1_the_sentence_points_to_what_to_do(contrast):
    with pytest.raises(UserError) as caught:
        read([f"p{number}_{kind}.nii" for number in PEOPLE for kind in (contrast, "mask")])
    assert f"holds 10 NIfTI images, such as p1_{contrast}.nii, and no T1 scans" in str(caught.value)
    assert "(docs/data.md, 'Without a T1')" in str(caught.value)
    assert "name them" not in str(caught.value)
