"""A draw as a raw data set of nnU-Net and as a data list of MONAI, and the script that trains nnU-Net on all draws."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from monai.data import load_decathlon_datalist

from headstart.export import draws, tables
from headstart.export.draws import Draw, Target
from headstart.job import UserError, read_json, write_text

TARGET = Target("both", ["FLAIR", "T1w"], ["background", "lesion", "edema"])
DRAWS = [Draw(1, 1, ["p1"], ["p3", "p4ses2"]), Draw(2, 1, ["p1", "p2"], ["p3", "p4ses2"])]
RAW = "draws/{}/nnUNet_raw/Dataset001_both"


@pytest.fixture
def export(tmp_path):
    """An export whose files of images and labels hold their own names."""
    folder = tmp_path / "an export"
    for subject in ("p1", "p2", "p3", "p4ses2"):
        for name in ("T1w", "FLAIR", "labels"):
            write_text(folder / f"scans/{subject}/{name}.nii.gz", f"{name} of {subject}")
    for draw in DRAWS:
        draws.write(folder, TARGET, draw)
    shutil.copy(draws.RUN_NNUNET, folder)
    return folder


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_data_set_has_the_scans_of_its_draw_and_no_others(export):
    raw = export / RAW.format("size-1_resample-1")
    assert contents(raw / "imagesTr") == {"p1_0000.nii.gz": "FLAIR of p1", "p1_0001.nii.gz": "T1w of p1"}
    assert contents(raw / "labelsTr") == {"p1.nii.gz": "labels of p1"}
    assert set(contents(raw / "imagesTs")) == {f"{s}_000{c}.nii.gz" for s in ("p3", "p4ses2") for c in (0, 1)}
    described = read_json(raw / "dataset.json")
    assert described["channel_names"] == {"0": "FLAIR", "1": "T1w"}
    assert described["labels"] == {"background": 0, "lesion": 1, "edema": 2}
    assert described["numTraining"] == 1
    assert described["file_ending"] == ".nii.gz"


def test_an_export_can_be_moved(export, tmp_path):
    shutil.copytree(export, tmp_path / "elsewhere", symlinks=True)
    shutil.rmtree(export)
    raw = tmp_path / "elsewhere" / RAW.format("size-2_resample-1")
    assert contents(raw / "labelsTr") == {"p1.nii.gz": "labels of p1", "p2.nii.gz": "labels of p2"}


def test_a_changed_file_changes_the_description_of_its_draws(export):
    before = {draw.name: (export / RAW.format(draw.name) / "dataset.json").read_bytes() for draw in DRAWS}
    shutil.rmtree(export / "draws")
    (export / "scans/p2/labels.nii.gz").write_text("better labels of p2")
    for draw in DRAWS:
        draws.write(export, TARGET, draw)
    changed = [d.name for d in DRAWS if (export / RAW.format(d.name) / "dataset.json").read_bytes() != before[d.name]]
    assert changed == ["size-2_resample-1"]


def test_monai_reads_the_data_list(export):
    path = export / "draws/size-2_resample-1/datalist.json"
    training = load_decathlon_datalist(str(path), is_segmentation=True, data_list_key="training")
    assert [Path(each["label"]).read_text() for each in training] == ["labels of p1", "labels of p2"]
    assert [Path(image).read_text() for image in training[0]["image"]] == ["FLAIR of p1", "T1w of p1"]
    (test, _) = load_decathlon_datalist(str(path), is_segmentation=True, data_list_key="test")
    assert test.keys() == {"image"}


def test_one_image_is_no_list(export):
    draws.write(export, Target("t1", ["T1w"], ["background", "lesion"]), Draw(3, 1, ["p1"], ["p2"]))
    listed = read_json(export / "draws/size-3_resample-1/datalist.json")
    assert listed["test"] == [{"image": "../../scans/p2/T1w.nii.gz"}]


def test_names_that_nnunet_reserves_are_refused():
    draws.check_classes("stroke", ["lesion"])
    with pytest.raises(UserError, match=r"targets.stroke.classes has 'ignore', .*; rename the class"):
        draws.check_classes("stroke", ["lesion", "ignore"])


def test_the_table_of_scans_has_paths_and_roles(export):
    persons = {"p1": "A", "p2": "B", "p3": "C", "p4ses2": "D"}
    table = tables.scans(persons, TARGET, DRAWS).set_index("subject")
    assert (export / table.loc["p4ses2", "FLAIR"]).read_text() == "FLAIR of p4ses2"
    assert (export / table.loc["p2", "labels"]).read_text() == "labels of p2"
    assert table["size-1_resample-1"].to_dict() == {"p1": "train", "p2": "unused", "p3": "test", "p4ses2": "test"}
    assert tables.draws(DRAWS).iloc[1].tolist() == ["size-2_resample-1", 2, 1, "p1,p2", "p3,p4ses2"]


# What stands in for nnU-Net: each command notes its call, and leaves behind what the script looks for.
COMMANDS = {
    "plan_and_preprocess": "",
    "train": 'folder="$nnUNet_results/$1/nnUNetTrainer__nnUNetPlans__$2/fold_$3"; mkdir -p "$folder"; '
    'touch "$folder/checkpoint_best.pth"; [ ! -e "$STOP" ] || exit 1',
    "predict": 'mkdir -p "$4"; for file in "$2"/*_0000.nii.gz; do name=$(basename "$file"); '
    'cp "$file" "$4/${name%_0000.nii.gz}.nii.gz"; done; [ ! -e "$STOP" ] || exit 1',
}


@pytest.fixture
def nnunet(export, tmp_path):
    """Run the script in an export, with commands that stand in for nnU-Net's: its result, and what it called."""
    calls = tmp_path / "calls"
    (tmp_path / "bin").mkdir()
    for name, body in COMMANDS.items():
        command = tmp_path / f"bin/nnUNetv2_{name}"
        command.write_text(f'#!/bin/bash\necho "{name} $*" >> "$CALLS"\n{body}\n')
        command.chmod(0o755)

    def run(*draws, stop="", **settings):
        calls.write_text("")
        places = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "CALLS": str(calls), "STOP": stop}
        command = ["bash", str(export / "run_nnunet.sh"), *draws]
        done = subprocess.run(command, env={**os.environ, **places, **settings}, capture_output=True, text=True)
        return done, calls.read_text().splitlines()

    return run


def test_the_script_writes_masks_where_the_study_looks_for_them(export, nnunet):
    done, calls = nnunet()
    assert done.returncode == 0, done.stderr
    assert [call.split()[0] for call in calls] == ["plan_and_preprocess", "train", "predict"] * 2
    assert calls[1].startswith("train Dataset001_both 3d_fullres all ")
    assert contents(export / "nnunet/predictions/size-1_resample-1") == {
        "p3.nii.gz": "FLAIR of p3",
        "p4ses2.nii.gz": "FLAIR of p4ses2",
    }
    assert nnunet()[1] == []


@pytest.mark.parametrize(("failing", "again"), [("train", ["train", "predict"]), ("predict", ["predict"])])
def test_the_script_goes_on_where_it_was_stopped(export, nnunet, tmp_path, failing, again):
    command = tmp_path / f"bin/nnUNetv2_{failing}"
    command.write_text(command.read_text().replace('"$STOP" ]', f'"$STOP" ] || [ {failing} != "$(cat "$STOP")" ]'))
    stop = tmp_path / "stop"
    stop.write_text(failing)
    others = {"train": "predict", "predict": "train"}[failing]
    other = tmp_path / f"bin/nnUNetv2_{others}"
    other.write_text(other.read_text().replace('[ ! -e "$STOP" ] || exit 1', "true"))
    done, _ = nnunet("size-1_resample-1", stop=str(stop))
    assert done.returncode == 1
    assert not (export / "nnunet/predictions/size-1_resample-1").exists()
    stop.unlink()
    done, calls = nnunet("size-1_resample-1", stop=str(stop))
    assert done.returncode == 0, done.stderr
    assert [call.split()[0] for call in calls] == again
    assert ("--c" in calls[0].split()) == (failing == "train")


def test_pretrained_weights_are_a_start_and_not_a_checkpoint(nnunet, tmp_path):
    weights = tmp_path / "weights.pth"
    weights.touch()
    _, calls = nnunet("size-1_resample-1", PRETRAINED=str(weights))
    assert calls[1].endswith(f"-pretrained_weights {weights}")


def test_masks_of_two_ways_of_training_are_not_mixed(nnunet):
    nnunet("size-1_resample-1")
    done, calls = nnunet("size-1_resample-1", CONFIGURATION="2d")
    assert calls == []
    assert "set NAME to another folder" in done.stderr
    done, calls = nnunet("size-1_resample-1", CONFIGURATION="2d", NAME="nnunet-2d")
    assert done.returncode == 0
    assert len(calls) == 3


def test_a_model_of_other_scans_is_not_taken(export, nnunet):
    nnunet()
    shutil.rmtree(export / "draws")
    for draw in DRAWS:
        draws.write(export, TARGET, Draw(draw.size, draw.resample, [*draw.train[:-1], "p3"], ["p4ses2"]))
    done, calls = nnunet()
    assert calls == []
    assert "the scans of size-1_resample-1 have changed since it was trained; remove nnunet/size-1_" in done.stderr


def test_a_draw_that_does_not_exist_is_named(nnunet):
    done, _ = nnunet("size-9_resample-1")
    assert done.returncode == 1
    assert "there is no draw size-9_resample-1; take one that draws.tsv lists" in done.stderr


def test_without_nnunet_the_script_says_so(export):
    done = subprocess.run(["bash", str(export / "run_nnunet.sh")], capture_output=True, text=True)
    assert done.returncode == 1
    assert "nnU-Net is not installed" in done.stderr
    assert not (export / "nnunet").exists()


def test_what_to_do_next_can_be_copied_into_a_study():
    import yaml

    said = tables.next_steps("results/my study/export/both", TARGET, 4, 2)
    assert "bash 'results/my study/export/both/run_nnunet.sh'" in said
    entry = yaml.safe_load(said.partition("targets.both: ")[2])["external"]["nnunet"]
    assert entry["folder"] == str(Path("results/my study/export/both/nnunet/predictions").absolute())
    assert entry["pattern"] == r"size-(?P<size>\d+)_resample-(?P<resample>\d+)/(?P<subject>\w+)\.nii\.gz"
