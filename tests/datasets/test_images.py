"""Several images of a person: which files each layout reads, and what is done where one is missing."""

import pytest

from headstart.job import UserError

BOTH, FLAIR_FIRST = {"images": ["T1w", "FLAIR"]}, {"images": ["FLAIR"]}
IXI = r"(?P<subject>p\d)_(?:s(?P<session>\d)_)?T1\.nii"


def anat(subject: str, *names: str) -> list[str]:
    return [f"sub-{subject}/anat/sub-{subject}_{name}.nii.gz" for name in names]


def test_bids_has_further_images_beside_the_t1(folder):
    folder.touch(*anat("01", "T1w", "acq-3d_FLAIR", "part-phase_FLAIR", "T2w"), *anat("02", "T1w", "FLAIR"))
    (first,) = folder.scans("bids", images=["T1w", "FLAIR", "T2w"], exclude=["02"])
    assert list(first.images) == ["T1w", "FLAIR", "T2w"]
    assert folder.within(*first.files) == anat("01", "T1w", "acq-3d_FLAIR", "T2w")
    _, second = folder.scans("bids", **BOTH)
    assert folder.within(second.others["FLAIR"]) == anat("02", "FLAIR")
    assert not folder.scans("bids")[0].others


def test_each_session_of_bids_has_its_own_images(folder):
    for session in ("1", "2"):
        folder.touch(*(f"sub-1/ses-{session}/anat/sub-1_ses-{session}_{name}.nii.gz" for name in BOTH["images"]))
    one, two = folder.scans("bids", **BOTH)
    assert folder.within(one.others["FLAIR"]) == ["sub-1/ses-1/anat/sub-1_ses-1_FLAIR.nii.gz"]
    assert folder.within(two.others["FLAIR"]) == ["sub-1/ses-2/anat/sub-1_ses-2_FLAIR.nii.gz"]


def test_one_of_several_further_images_is_chosen_by_its_entities(folder):
    folder.touch(*anat("01", "T1w", "run-1_FLAIR", "run-2_FLAIR"))
    with pytest.raises(UserError, match=r"both the FLAIR of one scan; choose with datasets.d.image_entities.FLAIR, "):
        folder.scans("bids", **BOTH)
    (chosen,) = folder.scans("bids", **BOTH, image_entities={"FLAIR": {"run": 2}})
    assert folder.within(chosen.others["FLAIR"]) == anat("01", "run-2_FLAIR")
    (chosen,) = folder.scans("bids", **BOTH, several="first")
    assert folder.within(chosen.others["FLAIR"]) == anat("01", "run-1_FLAIR")


def test_a_further_image_may_have_another_suffix_and_entities_of_no_image_are_refused(folder):
    folder.touch(*anat("01", "T1w", "T2starw"))
    (found,) = folder.scans("bids", **BOTH, image_entities={"FLAIR": {"suffix": "T2starw"}})
    assert folder.within(found.others["FLAIR"]) == anat("01", "T2starw")
    for images in ({"FLAIR": {"acq": "3d"}, "T1w": {"acq": "3d"}}, {"flair": {"acq": "3d"}}):
        with pytest.raises(UserError, match="image_entities names .*, which is no further image of datasets.d.images"):
            folder.scans("bids", **BOTH, image_entities=images)


def test_an_excluded_scan_needs_no_choice_among_its_images(folder):
    folder.touch("p1_T1.nii", "p1_F.nii", "p1_F2.nii", "p2_T1.nii", "p2_F.nii")
    patterns = {"FLAIR": r"(?P<subject>p\d).*F.*"}
    (kept,) = folder.scans("flat", pattern=IXI, **BOTH, patterns=patterns, exclude=["p1"])
    assert kept.subject == "p2"


def test_a_further_image_in_the_folder_of_another_is_refused(folder):
    folder.touch(*anat("01", "T1w"), "sub-01/anat/sub-02_FLAIR.nii.gz")
    with pytest.raises(UserError, match="sub-02_FLAIR.nii.gz is in the folder of sub-01"):
        folder.scans("bids", **BOTH)


def test_flat_has_a_pattern_for_each_further_image(folder, caplog):
    folder.touch("p1_T1.nii", "p1_F.nii", "p2_s1_T1.nii", "p2_s1_F.nii", "p2_s2_T1.nii", "p2_s2_F.nii")
    patterns = {"FLAIR": r"(?P<subject>p\d)_(?:s(?P<session>\d)_)?F\.nii"}
    found = folder.scans("flat", pattern=IXI, **BOTH, patterns=patterns)
    assert {scan.subject: scan.others["FLAIR"].name for scan in found} == {
        "p1": "p1_F.nii",
        "p2ses1": "p2_s1_F.nii",
        "p2ses2": "p2_s2_F.nii",
    }
    assert not caplog.messages


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (BOTH, "images names FLAIR, but datasets.d.patterns does not; say there how its files are named"),
        ({"patterns": {"FLAIR": "(?P<subject>p)"}}, "patterns names FLAIR, which is no further image"),
        ({**BOTH, "patterns": {"FLAIR": "p"}}, r"datasets.d.patterns.FLAIR has no group \(\?P<subject>"),
        ({**BOTH, "patterns": {"FLAIR": r"(?P<subject>p\d).*F.*"}}, "p1_F.nii and p1_F2.nii are both the FLAIR of "),
    ],
)
def test_a_mistake_is_one_sentence(folder, entry, sentence):
    folder.touch("p1_T1.nii", "p1_F.nii", "p1_F2.nii")
    with pytest.raises(UserError, match=sentence):
        folder.scans("flat", pattern=IXI, **entry)


@pytest.mark.parametrize("start", ["", "patient01_", "study1_"])
def test_lesjak_has_further_images_by_their_names(folder, start):
    folder.touch(*(f"patient01/{start}{name}.nii.gz" for name in ("T1W", "T1WKS", "FLAIR", "T2W")))
    (scan,) = folder.scans("lesjak", images=["T1w", "FLAIR", "T2w"])
    assert folder.within(*scan.images.values()) == [
        f"patient01/{start}{name}.nii.gz" for name in ("T1W", "FLAIR", "T2W")
    ]


def test_a_scan_without_one_of_its_images_is_an_error_or_left_out(folder, caplog):
    folder.touch(*anat("01", "T1w", "FLAIR"), *anat("02", "T1w"), *anat("03", "T1w"))
    with pytest.raises(UserError, match=r"d: 2 of 3 scans lack an image: 02 \(FLAIR\), 03 \(FLAIR\).*missing: drop"):
        folder.scans("bids", **BOTH)
    dropped = []
    kept = folder.scans("bids", **BOTH, missing="drop", drop=lambda scan, image: dropped.append((scan.subject, image)))
    assert [scan.subject for scan in kept] == ["01"]
    assert dropped == [("02", "FLAIR"), ("03", "FLAIR")]
    assert "2 of 3 scans lack an image: 02 (FLAIR), 03 (FLAIR); left out" in caplog.text
    with pytest.raises(UserError, match="2 of 2 scans lack an image"):
        folder.scans("bids", **BOTH, missing="drop", exclude=["01"])


def test_a_further_image_that_cannot_be_read_is_named(folder):
    folder.touch(*anat("01", "T1w"))
    (folder.path / anat("01", "FLAIR")[0]).symlink_to("nowhere")
    with pytest.raises(UserError, match="FLAIR.nii.gz is missing, or a link to a missing file"):
        folder.scans("bids", **BOTH)


def test_bids_without_a_t1_is_read_by_its_first_image(folder, caplog):
    folder.touch(*anat("01", "FLAIR"), *anat("02", "FLAIR", "T1w"), *anat("03", "T1w"))
    one, two = folder.scans("bids", **FLAIR_FIRST)
    assert folder.within(*one.files, *two.files) == [*anat("01", "FLAIR"), *anat("02", "FLAIR")]
    assert list(two.images) == ["FLAIR"]
    assert "people or sessions without a FLAIR that is read: 1 (sub-03" in caplog.text
    (both,) = folder.scans("bids", images=["FLAIR", "T1w"], include=["02"])
    assert {name: path.name for name, path in both.images.items()} == {
        name: f"sub-02_{name}.nii.gz" for name in ("FLAIR", "T1w")
    }


def test_entities_choose_among_several_first_images(folder):
    folder.touch(*anat("01", "acq-2d_FLAIR", "acq-3d_FLAIR"))
    with pytest.raises(UserError, match="are both the FLAIR of one scan; choose with datasets.d.entities"):
        folder.scans("bids", **FLAIR_FIRST)
    (found,) = folder.scans("bids", **FLAIR_FIRST, acquisition="3d")
    assert folder.within(found.first) == anat("01", "acq-3d_FLAIR")


def test_labels_in_the_space_of_the_first_image_are_its_own(folder):
    folder.touch(*anat("01", "FLAIR"))
    labels = [f"derivatives/raters/sub-01/anat/sub-01_space-{space}_label-l_mask.nii.gz" for space in ("FLAIR", "T1w")]
    folder.touch(*labels)
    (found,) = folder.scans("bids", **FLAIR_FIRST, labels_suffix="label-l_mask")
    assert folder.within(*found.target) == labels[:1]


def test_a_folder_without_the_first_image_is_said_to_lack_it(folder):
    folder.touch(*anat("01", "T1w"))
    with pytest.raises(UserError, match=r"has nothing like sub-\*/anat/\*_FLAIR.nii.gz"):
        folder.scans("bids", **FLAIR_FIRST)


def test_flat_and_lesjak_can_begin_with_another_image_than_a_t1(folder):
    folder.touch("p1_T1.nii", "p1_F.nii")
    patterns = {"pattern": r"(?P<subject>p\d)_F\.nii", "patterns": {"T1w": r"(?P<subject>p\d)_T1\.nii"}}
    (found,) = folder.scans("flat", images=["FLAIR", "T1w"], **patterns)
    assert {name: path.name for name, path in found.images.items()} == {"FLAIR": "p1_F.nii", "T1w": "p1_T1.nii"}
    folder.touch("patient01/FLAIR.nii.gz", "patient01/T1W.nii.gz", "patient02/FLAIR.nii.gz")
    one, two = folder.scans("lesjak", **FLAIR_FIRST)
    assert folder.within(*one.files, *two.files) == ["patient01/FLAIR.nii.gz", "patient02/FLAIR.nii.gz"]
    assert one.first_name == "FLAIR"


def test_an_excluded_patient_of_lesjak_is_not_looked_at(folder):
    twice = [f"patient01/{start}{kind}.nii.gz" for start in ("", "patient01_") for kind in ("T1W", "consensus_gt")]
    folder.touch(*twice, "patient02/T1W.nii.gz")
    with pytest.raises(UserError, match="are both the T1w of one scan; keep one|both label one scan"):
        folder.scans("lesjak")
    (kept,) = folder.scans("lesjak", exclude=["patient01"])
    assert kept.subject == "patient02"
    folder.touch("patient01/FLAIR.nii.gz", "patient01/patient01_FLAIR.nii.gz", "patient02/FLAIR.nii.gz")
    (kept,) = folder.scans("lesjak", **BOTH, exclude=["patient01"])
    assert list(kept.images) == BOTH["images"]
