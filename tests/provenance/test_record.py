import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from headstart import job, settings
from headstart.datasets import intake
from headstart.datasets.natural import FileRange, Picture
from headstart.provenance import fingerprint, record, verify
from headstart.provenance.record import Places
from headstart.slices import natural

ROOT = Path(__file__).parents[2]
SEEDS = {"study": 2022}
SCHEMA = "rules/schemas/config.schema.yaml"
MODULE = "workflow_scripts/headstart/slices/cut.py"
OUTPUTS = ("tables/summary.tsv", "pretrain/scratch/encoder.safetensors", "pretrain/scratch/decoder.safetensors")


@pytest.fixture
def study(tmp_path, monkeypatch):
    """An imitated study in a copy of a part of the project, with the files that its provenance lists."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = tmp_path / "project"
    for part in ("Snakefile", "config.yaml", record.LOCK, SCHEMA, "rules/slice.smk", MODULE):
        (root / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / part, root / part)
    results, data = root / "results/small", tmp_path / "data"
    for name in ("scans/a.img", "scans/a.hdr", "scans/a lesion.nii.gz", "weights.pth", "rooms/b.tar"):
        job.write_text(data / name, f"the content of {name}")
    files = [data / "scans/a.img", data / "scans/a lesion.nii.gz"]
    job.write_json(results / "intake/part-0000.json", [{"files": intake.checksums(files)}])
    picture = Picture("g", "p", FileRange(data / "rooms/b.tar", "p.png", 0, 5), None)
    job.write_table(results / "derivatives/rooms/pictures.tsv", natural.tabulate([picture]))
    job.write_table(results / "tables/summary.tsv", pd.DataFrame({"score": [0.5, 0.25]}))
    job.write_bytes(results / "pretrain/scratch/encoder.safetensors", bytes(1000))
    job.write_bytes(results / "pretrain/scratch/decoder.safetensors", bytes(10))
    job.write_bytes(results / "slices/stroke/part-0000_T1w.npy", bytes(500))
    job.write_bytes(results / "slices/stroke/.partial-0-1-part-0001_T1w.npy", bytes(100))
    job.write_text(results / "logs/slice_target/stroke/part-0000.log", "at midnight")
    weights = ("encoder.safetensors", "decoder.safetensors")
    hashes = {name: job.sha256(results / "pretrain/scratch" / name) for name in weights}
    job.write_json(results / "pretrain/scratch/model.json", {"sha256": hashes})
    return root


def config_of(study, **changed):
    config = settings.resolve(study / "config.yaml", study / SCHEMA, changed)
    return {**config, "study": "small", "data": str(study.parent / "data"), "results": str(study / "results")}


def places_of(study):
    return Places(study / "results/small", study.parent / "data")


def write(study):
    results, places = study / "results/small", places_of(study)
    record.code.cache_clear()
    fingerprint._module.cache_clear()
    record.write(
        results / "provenance.json",
        study,
        places,
        planned=record.planned(study, places, config_of(study), SEEDS),
        records=[results / "intake/part-0000.json"],
        others=[study.parent / "data/weights.pth"],
        image_tables={"rooms": results / "derivatives/rooms/pictures.tsv"},
        outputs=[results / name for name in OUTPUTS],
    )
    return (results / "provenance.json").read_bytes()


def differences(study, **changed):
    record.code.cache_clear()
    fingerprint._module.cache_clear()
    return [str(each) for each in verify.differences(study, places_of(study), config_of(study, **changed))]


def test_every_file_is_recorded_with_its_hash_relative_to_a_place(study):
    recorded = json.loads(write(study))
    weights = study.parent / "data/weights.pth"
    assert recorded["inputs"]["<data>/weights.pth"] == {
        "bytes": len(weights.read_bytes()),
        "sha256": job.sha256(weights),
    }
    assert set(recorded["inputs"]) == {
        f"<data>/{name}" for name in ("weights.pth", "scans/a.img", "scans/a.hdr", "scans/a lesion.nii.gz")
    }
    assert set(recorded["outputs"]) == {f"<study>/{name}" for name in OUTPUTS}
    assert set(recorded["intermediates"]) == {
        "<study>/slices/stroke/part-0000_T1w.npy", "<study>/pretrain/scratch/model.json"
    }  # fmt: skip
    assert recorded["pictures"]["rooms"]["pictures"] == recorded["pictures"]["rooms"]["files"] == 1
    assert recorded["lock"] == job.sha256(ROOT / record.LOCK)
    assert recorded["packages"]["numpy"]
    assert set(recorded["packages"]) == set(record.locked(ROOT / record.LOCK))
    assert recorded["configuration"]["training"] == config_of(study)["training"]
    assert recorded["seeds"] == SEEDS


def test_equal_runs_give_equal_bytes_without_machine_user_or_time(study, tmp_path, monkeypatch):
    before = write(study)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    (study / "results/small/provenance.json").unlink()
    assert write(study) == before
    assert str(tmp_path) not in before.decode()
    assert os.uname().nodename not in json.loads(before)["host"].values()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("project", "data"):
        (tmp_path / name).rename(moved / name)
    intake = moved / "project/results/small/intake/part-0000.json"
    intake.write_text(intake.read_text().replace(str(tmp_path), str(moved)))
    listed = moved / "project/results/small/derivatives/rooms/pictures.tsv"
    listed.write_text(listed.read_text().replace(str(tmp_path), str(moved)))
    assert write(moved / "project") == before


def test_names_and_paths_of_files_correspond(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    places = Places(tmp_path / "r/study", tmp_path / "data")
    for path, name in (
        (tmp_path / "data/a b/c.nii", "<data>/a b/c.nii"),
        (tmp_path / "r/study/x", "<study>/x"),
        (tmp_path / "home/y", "~/y"),
        (tmp_path / "data2/z", str(tmp_path / "data2/z")),
    ):
        assert places.name(path) == name
        assert places.find(name) == path


def test_there_are_no_differences_right_after_writing(study):
    write(study)
    assert differences(study) == []
    edited = study / MODULE
    edited.write_text(edited.read_text() + "# a comment\n")
    assert differences(study) == []


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def append(text):
    return lambda path: path.write_text(path.read_text() + text)


@pytest.mark.parametrize(
    ("file", "change", "line"),
    [
        (
            "results/small/tables/summary.tsv",
            lambda p: os.truncate(p, 9),
            r"<study>/.+\.tsv: 9 bytes, was 1\d",
        ),
        ("results/small/tables/summary.tsv", Path.unlink, "<study>/tables/summary.tsv: missing"),
        ("results/small/pretrain/scratch/encoder.safetensors", flip, "<study>/pretrain/.*encoder.safetensors: changed"),
        ("results/small/pretrain/scratch/decoder.safetensors", flip, "<study>/pretrain/.*decoder.safetensors: changed"),
        ("results/small/slices/stroke/part-0000_T1w.npy", flip, "<study>/slices/stroke/part-0000_T1w.npy: changed"),
        ("../data/scans/a.img", flip, "<data>/scans/a.img: changed"),
        ("../data/scans/a.hdr", flip, "<data>/scans/a.hdr: changed"),
        ("../data/rooms/b.tar", Path.unlink, "images of rooms: <data>/rooms/b.tar is missing"),
        ("../data/rooms/b.tar", append("more"), "images of rooms: not those that the study used"),
        (MODULE, append("x = 1\n"), f"{MODULE}: changed"),
        ("rules/slice.smk", append("\n"), "rules/slice.smk: changed"),
        ("envs/requirements.txt", append("# new\n"), "envs/requirements.txt: changed"),
    ],
)
def test_each_change_is_named(study, file, change, line):
    write(study)
    change(study / file)
    (found,) = differences(study)
    assert re.fullmatch(line, found)


def test_a_changed_configuration_or_package_is_named(study):
    write(study)
    assert differences(study, training={"batch_size": 7}) == [
        "configuration key training.batch_size: differs from the one that the results were made with"
    ]
    path = study / "results/small/provenance.json"
    recorded = job.read_json(path)
    recorded["packages"]["numpy"] = "1.0"
    job.write_json(path, recorded)
    assert differences(study) == [f"numpy: {record.packages(ROOT / record.LOCK)['numpy']} is installed, was 1.0"]


def test_a_repair_deletes_damaged_outputs_but_no_inputs(study):
    write(study)
    results = study / "results/small"
    flip(study.parent / "data/weights.pth")
    assert verify.repair(verify.differences(study, places_of(study), config_of(study))) == []
    flip(results / "tables/summary.tsv")
    (results / "slices/stroke/part-0000_T1w.npy").unlink()
    deleted = verify.repair(verify.differences(study, places_of(study), config_of(study)))
    assert deleted == [results / "tables/summary.tsv"]
    assert not deleted[0].exists()
    assert (results / "provenance.json").exists()
    assert (study.parent / "data/weights.pth").exists()


def test_the_command_prints_differences_and_ends_with_their_status(study, monkeypatch, capsys):
    write(study)
    monkeypatch.setattr(verify, "ROOT", study)
    keys = {key: config_of(study)[key] for key in ("study", "data", "results")}
    (study / "small.yaml").write_text(yaml.safe_dump(keys))
    assert verify.main(["--configfile", str(study / "small.yaml")]) == 0
    flip(study / "results/small/tables/summary.tsv")
    assert verify.main(["--configfile", str(study / "small.yaml")]) == 1
    shown = capsys.readouterr().out
    for text in ("everything is unchanged", "<study>/tables/summary.tsv: changed", "1 difference(s)", "REPAIR=1"):
        assert text in shown
    for how in ("changed", "missing"):
        assert verify.main(["--configfile", str(study / "small.yaml"), "--repair"]) == 1
        assert f"<study>/tables/summary.tsv: {how}" in capsys.readouterr().out
    (study / "results/small/provenance.json").unlink()
    with pytest.raises(SystemExit, match=r"provenance.json does not exist; run the study"):
        verify.main(["--configfile", str(study / "small.yaml")])
    job.write_text(study / "results/small/provenance.json", '{"inp')
    with pytest.raises(SystemExit, match=r"provenance.json is damaged; delete it"):
        verify.main(["--configfile", str(study / "small.yaml")])


def test_the_commit_of_a_checkout_is_recorded(tmp_path):
    def git(*words):
        who = ["-c", "user.name=n", "-c", "user.email=e@x", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", tmp_path, *who, *words], check=True, capture_output=True)

    assert record.commit(tmp_path) == {"id": "unknown"}
    git("init")
    (tmp_path / "a").write_text("a")
    git("add", "a")
    git("commit", "-m", "a")
    recorded = record.commit(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", recorded["id"])
    assert recorded["changed"] is False
    (tmp_path / "study.yaml").touch()
    assert record.commit(tmp_path) == recorded
    (tmp_path / "a").write_text("b")
    assert record.commit(tmp_path) == {**recorded, "changed": True}
    (tmp_path / "within").mkdir()
    assert record.commit(tmp_path / "within") == {"id": "unknown"}
