import re

import pytest

from headstart.datasets import layouts
from headstart.job import UserError


def test_atlas_r1_as_first_released(folder):
    t01, t02 = "Site1/031768/t01/031768_", "Site1/031768/t02/031768_"
    folder.touch(*(f"{t01}{name}_stx.nii.gz" for name in ("t1w_deface", "LesionSmooth", "LesionSmooth_1")))
    folder.touch(*(f"{t02}{name}_stx.nii.gz" for name in ("t1w_deface", "LesionSmooth")))
    folder.touch("Site2/031844/t01/031844_t1w_deface_stx.nii.gz", "ATLAS_Meta-Data_Release_1.1_standard_mni.csv")
    first, second, third = folder.scans("atlas-r1")
    assert (first.subject, first.person, first.session, first.site) == ("031768t01", "atlas-031768", "t01", "Site1")
    assert folder.within(first.first, *first.target) == [
        f"{t01}t1w_deface_stx.nii.gz",
        f"{t01}LesionSmooth_1_stx.nii.gz",
        f"{t01}LesionSmooth_stx.nii.gz",
    ]
    assert first.masks
    assert second.person == first.person
    assert second.subject == "031768t02"
    assert (third.subject, third.site, third.target) == ("031844t01", "Site2", ())


@pytest.mark.parametrize("space", ["_stx", ""])
def test_atlas_r1_2(folder, space):
    case = "c0001/c0001s0004t01/c0001s0004t01_"
    folder.touch(*(f"{case}{name}{space}.nii.gz" for name in ("t1w", "LesionSmooth", "LesionSmooth_2", "LesionRaw")))
    folder.touch(f"c0002/c0002s0001t02/c0002s0001t02_t1w{space}.nii", "c0002/readme.txt")
    folder.touch(f"c0002/c0002s0001t02/c0002s0001t02_LesionRaw{space}.nii")
    first, second = folder.scans("atlas-r1")
    assert (first.subject, first.person, first.session) == ("c0001s0004t01", "atlas-c0001s0004", "t01")
    assert {path.name.removeprefix("c0001s0004t01_") for path in first.target} == {
        f"LesionSmooth{space}.nii.gz",
        f"LesionSmooth_2{space}.nii.gz",
    }
    assert first.site == "c0001"
    assert [path.name for path in second.target] == [f"c0002s0001t02_LesionRaw{space}.nii"]
    folder.path = folder.path / "c0001"
    assert folder.scans("atlas-r1")[0].site == "c0001"


def test_atlas_r1_in_two_spaces_at_once_is_refused(folder):
    case = "c0001/c0001s0004t01/c0001s0004t01_"
    folder.touch(f"{case}t1w.nii.gz", f"{case}t1w_stx.nii.gz")
    with pytest.raises(UserError, match="both the T1 of one scan; keep native and standard space in separate folders"):
        folder.scans("atlas-r1")


@pytest.mark.parametrize(("group", "start"), [("", ""), ("patient01-05/", "patient01_")])
def test_lesjak(folder, group, start):
    patient = f"{group}patient01/"
    folder.touch(f"{patient}{start}T1W.nii.gz", f"{patient}{start}consensus_gt.nii.gz", f"{patient}{start}FLAIR.nii.gz")
    folder.touch(f"{patient}{start}T1WKS.nii.gz", f"{patient}raw/{start}T1W.nii.gz", f"{group}patient02/T1W.nii.gz")
    folder.write("patient_info.csv", "patient_id,age,sex,ms_type", "1,31,F,RR", "2,N/A,M,N/A")
    first, second = folder.scans("lesjak")
    assert (first.subject, first.person, first.age, first.sex) == ("patient01", "lesjak-patient01", 31, "F")
    assert folder.within(first.first, *first.target) == [
        f"{patient}{start}T1W.nii.gz",
        f"{patient}{start}consensus_gt.nii.gz",
    ]
    assert first.masks
    assert second.target == ()
    assert (second.age, second.sex) == (None, "M")


def test_the_longitudinal_lesjak_is_of_other_people_and_has_no_lesion_masks(folder):
    folder.touch(*(f"patient01/study{n}_T1W.nii.gz" for n in (1, 2)), "patient01/gt.nii.gz")
    one, two = folder.scans("lesjak")
    assert (one.subject, two.subject) == ("patient01study1", "patient01study2")
    assert one.person == two.person == "lesjak-longitudinal-patient01"
    assert one.target == two.target == ()


def test_oasis1(folder):
    visit = "disc1/OAS1_0061_MR{0}/PROCESSED/MPRAGE/SUBJ_111/OAS1_0061_MR{0}_mpr_n4_anon_sbj_111"
    for number in (1, 2):
        folder.touch(f"{visit.format(number)}.img", f"{visit.format(number)}.hdr", f"{visit.format(number)}_sag_88.gif")
    raw = "disc2/OAS1_0050_MR1/RAW/OAS1_0050_MR1_mpr-"
    folder.touch(*(f"{raw}{n}_anon.{end}" for n in (1, 2) for end in ("img", "hdr")))
    folder.write("oasis_cross-sectional.csv", "ID,M/F,Hand,Age", "OAS1_0061_MR1,F,R,20", "OAS1_0061_MR2,F,R,21")
    one, two = folder.scans("oasis1")
    assert (one.subject, one.person, one.session) == ("OAS10061MR1", "oasis1-0061", "MR1")
    assert (one.age, one.sex, two.age) == (20, "F", 21)
    assert two.person == one.person
    assert two.subject == "OAS10061MR2"
    assert folder.within(one.first) == [f"{visit.format(1)}.img"]
    (first,) = folder.scans("oasis1", image="raw")
    assert folder.within(first.first) == [f"{raw}1_anon.img"]
    assert first.age is None
    one.first.with_suffix(".hdr").unlink()
    with pytest.raises(UserError, match="sbj_111.img lacks its header .*sbj_111.hdr; unpack the visit again"):
        folder.scans("oasis1")
    with pytest.raises(UserError, match="has nothing like OAS1_0001_MR1/"):
        folder.scans("oasis1", image="atlas")


def test_miccai2012(folder):
    folder.touch(
        *(f"{name}.nii.gz" for name in ("1000_SS", "1000_glm", "1003_SS", "1023_SS", "1101_SS", "1001_SS", "1000_mask"))
    )
    found = folder.scans("miccai2012")
    assert [scan.subject for scan in found] == ["1000", "1001", "1003", "1023", "1101"]
    assert folder.within(*found[0].target) == ["1000_glm.nii.gz"]
    assert found[1].target == ()
    assert not found[0].masks
    # 1023 is 1003 again; 1101 is not 1001
    assert found[2].person == found[3].person
    assert len({scan.person for scan in found}) == 4
    assert [s.subject for s in folder.scans("miccai2012", include=["1101"])] == ["1101"]
    folder.touch("subject_SS.nii.gz")
    with pytest.raises(UserError, match="subject_SS.nii.gz is not named like 1000_SS.nii.gz"):
        folder.scans("miccai2012")


@pytest.mark.parametrize("layout", sorted(set(layouts.LAYOUTS) - {"phantom", "scenes", "synthetic"}))
def test_a_folder_without_files_of_the_layout_is_one_sentence(folder, layout):
    pattern = {"pattern": "(?P<subject>x)"} if layout == "flat" else {}
    folder.touch("unlike/anything.txt")
    with pytest.raises(UserError, match=rf"^datasets.d: .*set has nothing like .* \(layout {layout}\); check"):
        folder.scans(layout, **pattern)


@pytest.mark.parametrize(
    ("names", "t1w"),
    [
        (["1000_3.nii.gz", "1000_3_glm.nii.gz"], "1000_3.nii.gz"),
        (["training-images/1000_3.nii.gz", "training-labels/1000_3_glm.nii.gz"], "training-images/1000_3.nii.gz"),
        (["1000_SS.nii.gz", "1000_3_glm.nii.gz"], "1000_SS.nii.gz"),
        (["1000_SS.nii.gz", "1000_3.nii.gz", "1000_glm.nii.gz"], "1000_SS.nii.gz"),
        (["1000_ss.nii", "1000_glm.NII"], "1000_ss.nii"),
    ],
)
def test_miccai2012_under_the_names_of_the_challenge(folder, names, t1w):
    folder.touch(*names)
    (scan,) = folder.scans("miccai2012")
    assert (scan.subject, folder.within(scan.first)) == ("1000", [t1w])
    assert folder.within(*scan.target) == [name for name in names if "_glm" in name]


@pytest.mark.parametrize(
    ("layout", "read", "unread", "sentence"),
    [
        ("lesjak", "patient01/T1W.nii.gz", "patient02/T1.nii.gz", r"1 \(patient02 with T1.nii.gz\)"),
        ("miccai2012", "1000_SS.nii.gz", "1001_glm.nii.gz", r"1 \(1001_glm.nii.gz\)"),
        ("atlas-r1", "c0001/a/at01_t1w_stx.nii", "c0001/b/bt01_T1_stx.nii", r"1 \(c0001/b/bt01_T1_stx.nii\)"),
    ],
)
def test_who_is_passed_over_is_named(folder, caplog, layout, read, unread, sentence):
    folder.touch(read, unread)
    assert len(folder.scans(layout)) == 1
    assert re.search(sentence, caplog.text)


def test_two_masks_of_one_patient_are_refused(folder):
    folder.touch(*(f"patient01/{name}.nii" for name in ("T1W", "consensus_gt", "patient01_consensus_gt")))
    with pytest.raises(UserError, match=r"consensus_gt.nii and patient01_consensus_gt.nii both label one scan"):
        folder.scans("lesjak")


def test_a_table_that_contradicts_itself_about_absent_visits_is_read(folder, caplog):
    visit = "OAS1_0001_MR1/PROCESSED/MPRAGE/SUBJ_111/OAS1_0001_MR1_mpr_n4_anon_sbj_111"
    folder.touch(f"{visit}.img", f"{visit}.hdr")
    folder.write("oasis_cross-sectional.csv", "ID,M/F,Age", "OAS1_0001_MR1,F,74", "OAS1_9_MR1,F,1", "OAS1_9_MR1,F,2")
    assert folder.scans("oasis1")[0].age == 74
    assert not caplog.text


@pytest.mark.parametrize("path", ["extra/1001_3.nii.gz", "2000_3.nii.gz", "1001.nii.gz"])
def test_scans_of_miccai_at_another_place_or_of_another_number_are_named(folder, caplog, path):
    folder.touch("1000_SS.nii.gz", "1000_glm.nii.gz", "fast/1000_SS_seg.nii.gz", path)
    assert [scan.subject for scan in folder.scans("miccai2012")] == ["1000"]
    assert f"people without a T1 that is read: 1 ({path})" in caplog.text
