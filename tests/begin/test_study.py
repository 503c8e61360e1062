"""From a folder of scans to the file of a study."""

import numpy as np
import pytest

from headstart.begin import study, write
from headstart.job import UserError


def test_lesion_masks_in_bids(folder, begin, capsys):
    folder.bids(range(1, 9))
    (folder.path / "participants.tsv").write_text("participant_id\tage\tsex\nsub-01\t50\tF\nsub-02\t60\tn/a\n")
    made = begin()
    assert made["study"] == "mine"
    scans = made["datasets"]["scans"]
    assert (scans["layout"], scans["folder"]) == ("bids", str(folder.path))
    assert scans["labels_suffix"] == "label-lesion_mask"
    assert not {"labels", "include", "exclude", "several"} & scans.keys()
    target = made["targets"]["lesion"]
    assert target["classes"] == {"lesion": [1]}
    assert target["metric"] == "dice"
    # Eight people in five folds, of which the largest have two: sets of up to six others.
    assert (target["split"], target["folds"]) == ("cross-validation", 5)
    assert (target["sizes"], target["resamples"]) == ([1, 2, 4], 10)
    assert "test" not in target
    assert "learning_rates" not in made.get("finetune", {})
    said = capsys.readouterr().out
    for line in (
        "scans         8 T1 scans of 8 people\n",
        "voxels        6 x 6 x 6 mm\n",
        "participants  age of 2, sex of 1\n",
        # A cube of 8 voxels of 0.216 mL.
        "masks: 1.7 to 1.7 mL in a scan, median 1.7 mL, half of it in pieces of 1.7 mL or more\n",
        "wrote studies/mine.yaml\n",
    ):
        assert line in said


def test_a_label_map_has_a_class_for_each_value(folder, begin):
    folder.bids(range(1, 4), label="dseg", values=(2, 5))
    folder.bids([4], label="dseg", values=(5, 300))
    made = begin()
    target = made["targets"]["structures"]
    assert target["classes"] == {"label 2": [2], "label 5": [5], "label 300": [300]}
    assert target["metric"] == "miou"
    # Which values are of a side is not known, so that nothing may be mirrored.
    assert target["augment"] is False


def test_a_label_map_of_one_value_is_a_lesion(folder, begin):
    folder.bids(range(1, 5), label="dseg", values=(7,))
    made = begin()
    assert made["targets"]["lesion"]["classes"] == {"lesion": [7]}
    assert "augment" not in made["targets"]["lesion"]


def test_scans_without_labels_are_pretrained_on(folder, begin):
    folder.bids(range(1, 5))
    folder.bids(range(11, 14), label=None)
    made = begin()
    assert made["datasets"]["scans"]["exclude"] == ["11", "12", "13"]
    unlabelled = made["datasets"]["unlabelled"]
    assert unlabelled["include"] == ["11", "12", "13"]
    assert "labels_suffix" not in unlabelled
    assert made["pretrain"]["sources"]["own-masked"]["dataset"] == "unlabelled"


def test_without_such_scans_those_that_are_not_tested_on_are(folder, begin):
    folder.bids(range(1, 21))
    made = begin()
    assert "unlabelled" not in made["datasets"]
    assert made["pretrain"]["sources"]["own-masked"]["dataset"] == "scans"
    assert (made["targets"]["lesion"]["test"], len(made["finetune"]["learning_rates"])) == (9, 3)


def test_of_few_scans_all_are_tested_on_and_none_is_pretrained_on(folder, begin, capsys):
    folder.bids(range(1, 5))
    assert list(begin()["pretrain"]["sources"]) == ["scratch", "synthetic-anatomy"]
    said = capsys.readouterr().out
    assert "each of 4 folds of the scans in turn; sets of 1, 2 of the others to fine-tune on, 8 of each size\n" in said
    assert "sources       scratch; synthetic heads with dense labels\n" in said


def test_no_one_with_a_labelled_scan_is_among_the_unlabelled(folder, begin):
    folder.bids(range(1, 5), sessions=("a", "b"))
    folder.bids(range(11, 15), sessions=("a",), label=None)
    for person in (1, 2):
        (
            folder.path / f"derivatives/manual/sub-0{person}/ses-b/anat/sub-0{person}_ses-b_label-lesion_mask.nii.gz"
        ).unlink()
    made = begin()
    assert made["datasets"]["scans"]["exclude"] == ["01sesb", "02sesb", "11sesa", "12sesa", "13sesa", "14sesa"]
    assert made["datasets"]["unlabelled"]["include"] == ["11sesa", "12sesa", "13sesa", "14sesa"]


def test_scans_with_empty_labels_count_as_unlabelled(folder, begin, capsys):
    folder.bids(range(1, 5))
    folder.bids([5], values=())
    made = begin()
    assert made["datasets"]["scans"]["exclude"] == ["05"]
    assert "empty labels  1 scans (05)" in capsys.readouterr().out


def test_labels_beside_the_scans(folder, begin):
    folder.bids(range(1, 5), label="label-L_desc-T1lesion_mask", place=".")
    scans = begin()["datasets"]["scans"]
    assert (scans["labels"], scans["labels_suffix"]) == (".", "label-L_desc-T1lesion_mask")


def test_of_several_kinds_of_labels_one_is_asked_for(folder, begin):
    folder.bids(range(1, 5))
    folder.bids(range(1, 5), label="dseg", values=(1, 2), place="derivatives/tissue")
    folder.bids(range(1, 5), label="desc-brain_mask", place="derivatives/bet")  # which nobody means
    with pytest.raises(
        UserError, match=r"\(\*_dseg of 4 scans, \*_label-lesion_mask of 4 scans\); say which .*LABELS=d"
    ):
        begin()
    assert begin(labels="dseg")["datasets"]["scans"]["labels_suffix"] == "dseg"
    assert begin("other", labels="lesion")["datasets"]["scans"]["labels_suffix"] == "label-lesion_mask"


def test_of_several_scans_of_a_session_the_first_is_taken_and_said(folder, begin, capsys):
    folder.bids(range(1, 5))
    folder.image("sub-01/anat/sub-01_run-2_T1w.nii.gz")
    assert begin()["datasets"]["scans"]["several"] == "first"
    assert "are both the T1 of one scan" in capsys.readouterr().err


def test_a_flat_folder(folder, begin, capsys):
    for number in range(1, 5):
        folder.image(f"p{number}_T1.nii.gz")
        folder.image(f"p{number}_lesion.nii.gz", (255,))
    scans = begin()["datasets"]["scans"]
    assert scans["layout"] == "flat"
    assert scans["labels_pattern"].endswith(r"_lesion\.nii\.gz")
    assert "labels        of 4 T1 scans of 4 people, such as p1_lesion.nii.gz" in capsys.readouterr().out


def test_labels_of_bids_scans_may_have_other_names(folder, begin):
    folder.bids(range(1, 5), label=None)
    for number in range(1, 5):
        folder.image(f"masks/sub-0{number}.nii.gz", (1,))
    made = begin()
    assert made["datasets"]["scans"]["layout"] == "flat"
    assert made["targets"]["lesion"]["folds"] == 4


def test_keys_of_the_entry_are_taken_over(folder, begin):
    folder.bids(range(1, 6), label="label-lesion_probability", values=(100, 40))
    with pytest.raises(
        UserError, match="datasets.scans: the folder .*nowhere does not exist; check datasets.scans.labels"
    ):
        begin(entry="labels: nowhere")
    made = begin(entry="labels_suffix: label-lesion_probability, exclude: ['05']")
    assert made["datasets"]["scans"]["exclude"] == ["05"]
    assert made["targets"]["structures"]["classes"] == {"label 40": [40], "label 100": [100]}


@pytest.mark.parametrize("text", ["exclude", "{", "[1]", "exclude:"])
def test_keys_of_the_entry_that_are_none(folder, begin, text):
    folder.bids(range(1, 5))
    with pytest.raises(UserError, match="ENTRY is .*; correct it"):
        begin(entry=text)


def test_an_unknown_key_of_the_entry(folder, begin):
    folder.bids(range(1, 5))
    with pytest.raises(UserError, match="has no key 'exlude'; did you mean 'exclude'?"):
        begin(entry="exlude: ['1']")


def test_the_grid_fits_scans_and_machine(folder, begin):
    folder.bids(range(1, 5))
    made = begin(gpu=True)
    # No finer than scans of 6 mm, and no coarser than 3 mm: 233 mm are 78 voxels.
    assert (made["template"]["voxel_mm"], made["slice"]["size"]) == (3, 96)


def test_a_file_that_exists_is_kept_unless_it_may_be_overwritten(folder, begin):
    folder.bids(range(1, 5))
    path = study.Path("studies/mine.yaml")
    path.write_text("study: precious\n")
    with pytest.raises(UserError, match=r"studies/mine.yaml exists; choose another NAME, or overwrite it with FORCE=1"):
        begin()
    assert path.read_text() == "study: precious\n"
    assert begin(force=True)["study"] == "mine"


@pytest.mark.parametrize("name", ["a b", "é", "-", "a/b", "a_b"])
def test_a_name_that_no_study_can_have(begin, name):
    with pytest.raises(UserError, match="key study: .* must be letters, digits and single hyphens"):
        begin(name)


@pytest.mark.parametrize("name", ["2022", "no", "012", "null", "1e3"])
def test_a_name_that_yaml_reads_otherwise(folder, begin, name):
    folder.bids(range(1, 5))
    assert begin(name)["study"] == name


@pytest.mark.parametrize("place", ['it\'s "mine"', "Zoë's scans: all, of # them", "a" * 200, "[x] & {y"[:-3]])
def test_folders_of_any_name(folder, begin, place):
    folder.path = folder.path / place
    folder.bids(range(1, 4))
    assert begin()["datasets"]["scans"]["folder"] == str(folder.path)


def test_a_tilde_is_the_home_folder(folder, begin, monkeypatch):
    folder.bids(range(1, 4))
    monkeypatch.setenv("HOME", str(folder.path.parent))
    path = study.begin("mine", "~/scans", None, None, force=False, gpu=False)
    assert f"folder: {folder.path}\n" in path.read_text()


@pytest.mark.parametrize(
    ("people", "label", "values", "sentence"),
    [
        (
            [1, 2],
            "dseg",
            (1, 2),
            "has labelled scans of 2 people, and a study needs those of at least 3: one to test on",
        ),
        (
            [1, 2, 3],
            None,
            (),
            r"has 3 T1 scans and no label files; add them .*/sub-01_label-lesion_mask.nii.gz \(0 and",
        ),
        ([1, 2, 3], "dseg", (), "the label files of all 3 scans in .* are empty; "),
        ([1, 2, 3], "dseg", (1.5,), r"_dseg.nii.gz is not a label map: 8 voxels are not whole numbers; resample it"),
        ([1, 2, 3], "label-x_mask", (1, 2), "is not a mask: 8 voxels are neither 0 nor its highest value 2; say above"),
        ([1, 2, 3], "dseg", (-1,), "_dseg.nii.gz has the negative value -1; save it with values from 0 on"),
    ],
)
def test_a_mistake_is_a_sentence_and_nothing_is_written(folder, begin, people, label, values, sentence):
    folder.bids(people, label=None)
    for person in people if label else ():
        name = f"derivatives/manual/sub-0{person}/anat/sub-0{person}_{label}.nii.gz"
        folder.image(name, values, dtype=np.float32 if 1.5 in values else np.int16)
    with pytest.raises(UserError, match=sentence) as caught:
        begin()
    assert len(str(caught.value).splitlines()) <= len(people)
    assert not list(study.Path("studies").iterdir())


def test_a_folder_that_is_not_there(folder, begin):
    folder.path = folder.path / "gone"
    with pytest.raises(UserError, match="the folder .*gone does not exist; correct FOLDER"):
        begin()
    folder.path.touch()
    with pytest.raises(UserError, match="gone is a file; give the folder that holds it"):
        begin()


def test_without_name_or_folder_the_command_is_shown(folder):
    with pytest.raises(UserError, match="make study NAME=mine FOLDER=~/my-bids"):
        study.begin("", "", None, None, force=False, gpu=False)


def test_the_command_ends_in_a_sentence_that_says_how_keys_are_given(folder, capsys):
    folder.bids(range(1, 4), label="label-x_mask", values=(1, 2))
    with pytest.raises(SystemExit) as caught:
        study.main(["--name", "mine", "--folder", str(folder.path)])
    assert "mask_above in the dataset's entry.\n" in caught.value.code
    assert caught.value.code.endswith("(keys of datasets.scans are given with ENTRY='key: value, ...')")
    study.main(["--name", "mine", "--folder", str(folder.path), "--entry", "mask_above: 1.5"])
    assert "mask_above: 1.5" in study.Path("studies/mine.yaml").read_text()


def test_long_lists_are_wrapped_and_read_as_they_were():
    names = [f"{number:05d}" for number in range(100)]
    written = write.flow(names, 6)
    assert max(map(len, written.splitlines())) <= 120
    assert study.yaml.safe_load(f"a:\n  b:\n    c: {written}\n")["a"]["b"]["c"] == names


def test_many_classes_are_wrapped_and_remarked(folder, begin, capsys):
    values = tuple(range(1, 11)), tuple(range(100, 110))
    for half, person in zip((*values, values[0]), (1, 2, 3), strict=True):
        folder.bids([person], label="dseg", values=half)
    made = begin()
    assert made["targets"]["structures"]["classes"] == {f"label {value}": [value] for value in sum(values, ())}
    # A path can't be wrapped.
    lines = study.Path("studies/mine.yaml").read_text().splitlines()
    wrapped = [line for line in lines if str(folder.path) not in line]
    assert max(map(len, wrapped)) <= 120
    assert "classes       20, one for each value: merge those that belong together" in capsys.readouterr().out
