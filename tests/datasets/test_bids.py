import os
import time

import pytest

from headstart.job import UserError

MASK = "space-MNI152NLin2009aSym_label-L_desc-T1lesion_mask"


def test_raw_data_and_a_derivative_with_labels(folder):
    folder.touch(
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-02/anat/sub-02_T1w.nii",
        "sub-02/anat/sub-02_T2w.nii",
        "sub-03/func/sub-03_task-rest_bold.nii.gz",
        "derivatives/made/sub-01/anat/sub-01_desc-anatomy_dseg.nii.gz",
        "derivatives/other/sub-01/anat/sub-01_desc-other_dseg.nii.gz",
    )
    folder.write("participants.tsv", "participant_id\tage\tsex\tsite", "sub-01\t31.5\tF\tA", "sub-02\tn/a\tmale\tn/a")
    first, second = folder.scans("bids", labels_suffix="desc-anatomy_dseg")
    assert (first.dataset, first.subject, first.person) == ("d", "01", "set/sub-01")
    assert folder.within(first.first, *first.target) == [
        "sub-01/anat/sub-01_T1w.nii.gz",
        "derivatives/made/sub-01/anat/sub-01_desc-anatomy_dseg.nii.gz",
    ]
    assert (first.age, first.sex, first.site, first.session, first.masks) == (31.5, "F", "A", None, False)
    assert second.target == ()
    assert (second.age, second.sex, second.site) == (None, "M", None)
    assert all(scan.target == () for scan in folder.scans("bids"))


@pytest.mark.parametrize("labels", [None, "derivatives/ATLAS"])
def test_atlas_with_its_labels_in_derivatives(folder, labels):
    for subject in ("r001s001", "r001s002"):
        folder.touch(
            f"sub-{subject}/ses-1/anat/sub-{subject}_ses-1_T1w.nii.gz",
            f"derivatives/ATLAS/sub-{subject}/ses-1/anat/sub-{subject}_ses-1_{MASK}.nii.gz",
        )
    where = {"labels": labels} if labels else {}
    found = folder.scans("bids", labels_suffix="label-L_desc-T1lesion_mask", **where)
    assert [scan.subject for scan in found] == ["r001s001ses1", "r001s002ses1"]
    assert folder.within(*found[0].target) == [
        f"derivatives/ATLAS/sub-r001s001/ses-1/anat/sub-r001s001_ses-1_{MASK}.nii.gz"
    ]
    assert found[0].masks
    assert found[0].session == "1"
    assert found[0].person == "set/sub-r001s001"


def test_atlas_with_a_folder_for_each_site_and_labels_beside_the_scans(folder):
    for site, subject in (("R001", "r001s001"), ("R002", "r002s004")):
        anat = f"{site}/sub-{subject}/ses-1/anat/sub-{subject}_ses-1_"
        folder.touch(f"{anat}space-MNI152NLin2009aSym_T1w.nii.gz", f"{anat}{MASK}.nii.gz")
    found = folder.scans("bids", labels=".", labels_suffix="*lesion_mask")
    assert [(scan.subject, scan.site, len(scan.target)) for scan in found] == [
        ("r001s001ses1", "R001", 1),
        ("r002s004ses1", "R002", 1),
    ]
    assert found[0].person == "set/R001/sub-r001s001"
    assert folder.scans("bids", folder="set/R001")[0].person == found[0].person  # if the entry names only one site


def test_sessions_are_scans_of_one_person(folder):
    folder.touch("sub-a/ses-1/anat/sub-a_ses-1_T1w.nii.gz", "sub-a/ses-2/anat/sub-a_ses-2_T1w.nii.gz")
    one, two = folder.scans("bids")
    assert (one.subject, two.subject) == ("ases1", "ases2")
    assert one.person == two.person
    assert [scan.subject for scan in folder.scans("bids", exclude=["ases1"])] == ["ases2"]


def test_several_scans_of_a_session_need_a_choice(folder):
    anat = "sub-01/anat/sub-01_acq-"
    folder.touch(f"{anat}hi_run-10_T1w.nii.gz", f"{anat}hi_run-2_T1w.nii.gz", f"{anat}lo_T1w.nii.gz")
    folder.touch(*(f"derivatives/x/sub-01/anat/sub-01_run-{run}_label-l_mask.nii.gz" for run in (2, 10)))
    with pytest.raises(UserError, match="choose with datasets.d.entities, {run: 10} or {run: 2}, or take"):
        folder.scans("bids")
    assert folder.within(folder.scans("bids", acquisition="lo")[0].first) == [f"{anat}lo_T1w.nii.gz"]
    (first,) = folder.scans("bids", acquisition="hi", several="first", labels_suffix="label-l_mask")
    assert folder.within(first.first) == [f"{anat}hi_run-2_T1w.nii.gz"]
    assert [path.name for path in first.target] == ["sub-01_run-2_label-l_mask.nii.gz"]  # not those of run 10


def test_masks_are_united_and_label_maps_are_not(folder):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz")
    made = "derivatives/x/sub-01/anat/sub-01_"
    folder.touch(f"{made}label-a_mask.nii.gz", f"{made}label-b_mask.nii.gz", f"{made}a_dseg.nii", f"{made}b_dseg.nii")
    (scan,) = folder.scans("bids", labels_suffix="label-?_mask")
    assert scan.masks
    assert len(scan.target) == 2
    with pytest.raises(UserError, match=r"a_dseg.nii and sub-01_b_dseg.nii both label one scan; narrow"):
        folder.scans("bids", labels_suffix="*dseg")


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"labels": "derivatives/x"}, "datasets.d has labels but no labels_suffix"),
        ({"labels": "gone", "labels_suffix": "l_mask"}, "gone does not exist; check datasets.d.labels"),
        ({"entities": {"suffix": None}, "include": ["02"]}, "include names 02, which the folder lacks"),
        ({"labels_suffix": "m_mask"}, r"no scan has labels \*_m_mask.nii\[.gz\] in .*set/derivatives/\*; check"),
        ({"labels_suffix": "l_mask"}, "both label one scan; say which derivative with datasets.d.labels"),
        ({"acquisition": "none"}, "has nothing like sub-.*check folder and layout"),
        ({"pattern": "x"}, "datasets.d.pattern is for the layout flat, not bids; remove it"),
        ({"people": 3}, "datasets.d.people is for the layout phantom or synthetic, not bids"),
        ({"include": ["02"]}, "include names 02, which the folder lacks"),
    ],
)
def test_a_mistake_is_one_sentence(folder, entry, sentence):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz", *(f"derivatives/{x}/sub-01/anat/sub-01_l_mask.nii.gz" for x in "xy"))
    with pytest.raises(UserError, match=sentence) as caught:
        folder.scans("bids", **entry)
    assert "\n" not in str(caught.value)


def test_labels_asked_for_where_there_are_no_derivatives(folder):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz")
    with pytest.raises(
        UserError, match=r"no scan has labels .* in .*set/derivatives/\*; check labels and labels_suffix"
    ):
        folder.scans("bids", labels_suffix="l_mask")


def test_missing_and_empty_folders(folder):
    with pytest.raises(UserError, match="set is empty; it should hold sub-"):
        folder.scans("bids")
    with pytest.raises(UserError, match="the folder /nowhere does not exist; check datasets.d.folder"):
        folder.scans("bids", folder="/nowhere")


def test_files_that_cannot_be_read_are_named_unless_excluded(folder, monkeypatch):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz", "sub-02/anat/x")
    bad = folder.path / "sub-02/anat/sub-02_T1w.nii.gz"
    bad.symlink_to(".git/annex/objects/nothing")
    with pytest.raises(UserError, match="sub-02_T1w.nii.gz is missing, or a link to a missing file; fetch it"):
        folder.scans("bids")
    assert [scan.subject for scan in folder.scans("bids", exclude=["02"])] == ["01"]
    bad.unlink()
    bad.symlink_to(bad.name)
    with pytest.raises(UserError, match=r"sub-02_T1w.nii.gz leads nowhere \(.+\); repair the link"):
        folder.scans("bids")
    bad.unlink()
    bad.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != bad.name or mode != os.R_OK)
    with pytest.raises(UserError, match=r"sub-02_T1w.nii.gz may not be read; give yourself permission \(chmod"):
        folder.scans("bids")


def test_a_folder_linked_to_itself_is_named(folder):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz")
    (folder.path / "sub-02").symlink_to("sub-02")
    with pytest.raises(UserError, match=r"sub-02 leads nowhere \(.+\); repair or remove the link"):
        folder.scans("bids")


def test_names_that_differ_only_in_punctuation_clash(folder):
    folder.touch("sub-a_1/anat/sub-a_1_T1w.nii.gz", "sub-a1/anat/sub-a1_T1w.nii.gz")
    with pytest.raises(UserError, match=r"a1_T1w.nii.gz and .*a_1_T1w.nii.gz are both subject 'a1' .*; rename one"):
        folder.scans("bids")


def test_a_dataset_of_the_papers_size_is_read(folder, record_property):
    for number in range(2370):
        anat = folder.path / f"sub-{number:04d}/anat"
        anat.mkdir(parents=True)
        (anat / f"sub-{number:04d}_T1w.nii.gz").touch()
        (anat / f"sub-{number:04d}_label-L_mask.nii.gz").touch()
    started = time.perf_counter()
    found = folder.scans("bids", labels=".", labels_suffix="label-L_mask")
    record_property("seconds", time.perf_counter() - started)
    assert len(found) == 2370
    assert all(len(scan.target) == 1 for scan in found)


def test_a_t1_beside_sessions_is_a_scan_of_its_own(folder):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz", "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz")
    folder.touch("sub-02/anat/sub-02_T1w.nii.gz", "sub-02/ses-1/func/sub-02_ses-1_task-rest_bold.nii.gz")
    found = folder.scans("bids")
    assert [(scan.subject, scan.session) for scan in found] == [("01", None), ("01ses1", "1"), ("02", None)]
    assert found[0].person == found[1].person


def test_people_without_a_t1_are_named(folder, caplog):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz", "sub-02/anat/sub-02_UNIT1.nii.gz", "sub-03/sub-03_T1w.nii.gz")
    assert [scan.subject for scan in folder.scans("bids")] == ["01"]
    named = "2 (sub-02 with anat/sub-02_UNIT1.nii.gz, sub-03 with sub-03_T1w.nii.gz)"
    assert f"people or sessions without a T1 that is read: {named}" in caplog.text


@pytest.mark.parametrize(
    "name",
    ["sub-02/anat/sub-02_T1W.nii.gz", "sub-02/anat/sub-02_t1w.NII.GZ", "Sub-02/Anat/Sub-02_T1w.nii.gz"],
)
def test_capitals_in_endings_and_folders_do_not_matter(folder, caplog, name):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz", name)
    assert [scan.subject for scan in folder.scans("bids")] == ["01", "02"]
    assert not caplog.text


def test_names_that_programs_take_for_missing_values_are_names(folder):
    names = ["001", "1e5", "NA", "None", "nan"]
    folder.touch(*(f"sub-{name}/anat/sub-{name}_T1w.nii.gz" for name in names))
    folder.write("participants.tsv", "participant_id\tage", *(f"sub-{name}\t{30 + n}" for n, name in enumerate(names)))
    found = folder.scans("bids")
    assert [scan.subject for scan in found] == names
    assert [scan.age for scan in found] == [30, 31, 32, 33, 34]


PAIRS = {
    "rec": ("rec-norm_T1w", "T1w", "T1w"),
    "acq": ("acq-mprage_T1w", "T1w", "T1w"),
    "inv": ("inv-1_T1w", "inv-2_T1w", "inv-1_T1w"),
    "ce": ("ce-gad_T1w", "t1w", "t1w"),
    "run": ("run-2_T1w", "run-10_T1w", "run-2_T1w"),
    "space": ("space-MNI152NLin6Asym_T1w", "T1w", "T1w"),
}


@pytest.mark.parametrize(("entity", "pair"), PAIRS.items(), ids=PAIRS)
def test_either_of_two_t1_can_be_chosen_by_any_entity(folder, entity, pair):
    *names, first = (f"sub-01_{name}.nii.gz" for name in pair)
    folder.touch(*(f"sub-01/anat/{name}" for name in names))
    with pytest.raises(UserError, match=rf"both the T1 of one scan; choose with datasets.d.entities, {{{entity}: "):
        folder.scans("bids")
    assert folder.scans("bids", several="first")[0].first.name == first
    for name in names:
        value = name.split("_")[1].split("-")[1] if "-" in name.split("_")[1] else None
        assert folder.scans("bids", entities={entity: value})[0].first.name == name


def test_a_number_of_a_run_may_have_zeros(folder):
    folder.touch("sub-01/anat/sub-01_run-01_T1w.nii.gz", "sub-01/anat/sub-01_run-02_T1w.nii.gz")
    folder.touch("derivatives/x/sub-01/anat/sub-01_run-2_label-l_mask.nii.gz")
    (scan,) = folder.scans("bids", entities={"run": 2}, labels_suffix="label-l_mask")
    assert scan.first.name == "sub-01_run-02_T1w.nii.gz"
    assert [path.name for path in scan.target] == ["sub-01_run-2_label-l_mask.nii.gz"]


def test_a_phase_image_is_no_t1_unless_it_is_asked_for(folder):
    folder.touch("sub-01/anat/sub-01_part-phase_T1w.nii.gz")
    with pytest.raises(UserError, match=r"nothing like .*\(it holds sub-01/anat/sub-01_part-phase_T1w.nii.gz\)"):
        folder.scans("bids")
    assert len(folder.scans("bids", entities={"part": "phase"})) == 1
    folder.touch("sub-01/anat/sub-01_part-mag_T1w.nii.gz")
    assert folder.scans("bids")[0].first.name == "sub-01_part-mag_T1w.nii.gz"


def test_mp2rage_is_named_and_can_be_chosen(folder):
    folder.touch("sub-01/anat/sub-01_UNIT1.nii.gz")
    with pytest.raises(UserError, match=r"\(it holds sub-01/anat/sub-01_UNIT1.nii.gz\), or use the layout flat"):
        folder.scans("bids")
    assert folder.scans("bids", entities={"suffix": "UNIT1"})[0].subject == "01"


def test_nothing_has_to_be_chosen_for_an_excluded_scan(folder):
    folder.touch(*(f"sub-01/anat/sub-01_acq-{x}_T1w.nii.gz" for x in "ab"), "sub-02/anat/sub-02_T1w.nii.gz")
    assert [scan.subject for scan in folder.scans("bids", exclude=["01"])] == ["02"]


def test_sessions_with_an_anatomy_but_no_t1_are_named(folder, caplog):
    folder.touch("sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", "sub-01/ses-2/anat/sub-01_ses-2_T2w.nii.gz")
    folder.touch("sub-01/ses-3/func/sub-01_ses-3_task-rest_bold.nii.gz", "sub-01/ses-4/sub-01_ses-4_T1w.nii.gz")
    assert [scan.subject for scan in folder.scans("bids")] == ["01ses1"]
    named = (
        "people or sessions without a T1 that is read: 2 (sub-01/ses-2 with anat/sub-01_ses-2_T2w.nii.gz, "
        "sub-01/ses-4 with sub-01_ses-4_T1w.nii.gz)"
    )
    assert named in caplog.text


@pytest.mark.parametrize(
    "path", ["site2/sub-02/anat/sub-02_T1w.nii.gz", "sub02/anat/sub02_T1w.nii.gz", "sub-02_T1w.nii.gz"]
)
def test_people_beside_the_folders_that_are_read_are_named(folder, caplog, path):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz", path, "derivatives/x/sub-03/anat/sub-03_T1w.nii.gz")
    assert [scan.subject for scan in folder.scans("bids")] == ["01"]
    assert f"without a T1 that is read: 1 ({path.split('/anat')[0]}" in caplog.text


def test_other_folders_with_the_same_people_are_not_named(folder, caplog):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz", "fmriprep/sub-01/anat/sub-01_desc-preproc_T1w.nii.gz", "subjects.txt")
    folder.scans("bids")
    assert not caplog.text


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("sub-02/anat/sub-03_T1w.nii.gz", "sub-03"),
        ("sub-02/anat/sub-022_T1w.nii.gz", "sub-022"),
        ("sub-02/ses-1/anat/sub-02_ses-2_T1w.nii.gz", "ses-2"),
    ],
)
def test_a_t1_in_the_folder_of_another_is_refused_unless_excluded(folder, path, named):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz", path)
    with pytest.raises(UserError, match=f"but its name says {named}; rename or move it, or exclude the scan"):
        folder.scans("bids")
    assert len(folder.scans("bids", exclude=["02ses1" if "ses" in path else "02"])) == 1


@pytest.mark.parametrize("name", ["sub-2_T1w", "Sub-02_T1w", "x_T1w", "sub-02_ses-1_T1w"])
def test_a_name_may_write_a_person_in_another_way(folder, name):
    folder.touch(f"sub-02/anat/{name}.nii.gz")
    assert [scan.subject for scan in folder.scans("bids")] == ["02"]


@pytest.mark.parametrize(("value", "written"), [("norm", "norm"), ("no", '"no"'), ("012", '"012"'), ("1e3", '"1e3"')])
def test_a_choice_can_be_copied_into_the_configuration(folder, value, written):
    folder.touch("sub-01/anat/sub-01_T1w.nii.gz", f"sub-01/anat/sub-01_rec-{value}_T1w.nii.gz")
    with pytest.raises(UserError, match=f"{{rec: null}} or {{rec: {written}}}"):
        folder.scans("bids")


def test_no_entity_distinguishes_run_1_from_run_01(folder):
    folder.touch("sub-01/anat/sub-01_run-1_T1w.nii.gz", "sub-01/anat/sub-01_run-01_T1w.nii.gz")
    with pytest.raises(UserError, match="are both the T1 of one scan; keep one"):
        folder.scans("bids")
