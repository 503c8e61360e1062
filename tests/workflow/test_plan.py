"""What `snakemake plan` counts, worked by hand for the tiny study."""

import json

import pytest
import yaml

pytestmark = pytest.mark.workflow

# Slices of a scan on the template's grid of 4 mm that are not discarded.
SLICES = 28
# Rates and draws on which they are tried.
RATES, DRAWS = [0.01, 0.001, 0.0001], 2
ONE_RATE = {"learning_rates": []}


def counted(project, **changes):
    """The rows that are counted for the tiny study with these ``changes`` of its sections."""
    study = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    study["targets"]["stroke"] |= changes.pop("target", {})
    (project.folder / "changed.yaml").write_text(yaml.safe_dump(study | changes))
    snakefile = project.folder / "Snakefile"
    written = snakefile.read_text()
    # What the rule is given, without the measurement that it begins with.
    snakefile.write_text(f"{written}\nimport json\nPath('rows.json').write_text(json.dumps(work_to_do()))\n")
    assert project.to_run("plan", study="changed.yaml") == {"plan": 1}
    snakefile.write_text(written)
    rows = json.loads((project.folder / "rows.json").read_text())
    return {tuple(row[key] for key in ("stage", "target", "source", "size")): row for row in rows}


def images_of(rows):
    """The slices of each row of trainings, all of which are of one job."""
    assert {row["jobs"] for row in rows.values()} == {1}
    return {key: row["images"] for key, row in rows.items() if row["stage"] != "evaluate"}


def test_a_study_of_one_rate_is_counted_by_epochs(bare_project):
    assert images_of(counted(bare_project, finetune=ONE_RATE)) == {
        ("pretrain", "", "t1-segmentation", ""): 2 * SLICES,  # one of three scans is held out
        ("finetune", "stroke", "scratch", 1): SLICES,
        ("finetune", "stroke", "scratch", 2): 2 * SLICES,
        ("finetune", "stroke", "t1-segmentation", 1): SLICES,
        ("finetune", "stroke", "t1-segmentation", 2): 2 * SLICES,
    }


def test_each_repeat_of_a_source_is_counted(bare_project):
    source = {"dataset": "cohort", "task": "segmentation"}
    declared = {"scratch": {}, "a": source | {"repeats": 3}, "b": source | {"start": "a", "repeats": 2}}
    changes = {"pretrain": {"epochs": 1, "sources": declared}, "target": {"resamples": 3}, "finetune": ONE_RATE}
    found = counted(bare_project, **changes)
    for name, repeats in (("a", 3), ("b", 2)):
        row = found["pretrain", "", name, ""]
        assert (row["jobs"], row["images"]) == (repeats, repeats * 2 * SLICES)
    assert found["finetune", "stroke", "b", 1]["images"] == 3 * SLICES


def test_the_tries_of_several_rates_are_rows_of_their_own(bare_project):
    """Each source is tried with three rates on two draws, of one scan for two set sizes: six fine-tunings in a job."""
    plain = images_of(counted(bare_project, finetune=ONE_RATE))
    tried = images_of(counted(bare_project, finetune={"learning_rates": RATES, "draws": DRAWS}))
    tries = {("tune", "stroke", source, 1): 6 * SLICES for source in ("scratch", "t1-segmentation")}
    assert tried == plain | tries


def test_a_target_of_steps_costs_these_steps_whatever_its_sets_hold(bare_project):
    """28 slices in batches of 15 are two batches, of 14 slices in the mean; 56 are four, likewise."""
    target = {"epochs": None, "steps": 100, "resamples": 3}
    finetune = {"learning_rates": RATES, "draws": DRAWS}
    found = images_of(counted(bare_project, target=target, finetune=finetune, training={"batch_size": 15}))
    for source in ("scratch", "t1-segmentation"):
        assert found["finetune", "stroke", source, 1] == found["finetune", "stroke", source, 2] == 3 * 1400
        assert found["tune", "stroke", source, 1] == 6 * 1400


def test_a_size_of_0_costs_no_training(bare_project):
    whole = {"dataset": "cohort", "task": "segmentation", "transfer": "all"}
    pretrain = {"epochs": 1, "sources": {"scratch": {}, "t1-segmentation": whole}}
    plain = images_of(counted(bare_project, pretrain=pretrain))
    target = {"classes": {"gm": [1]}, "sizes": [0, 1, 2]}
    assert images_of(counted(bare_project, pretrain=pretrain, target=target)) == plain


def test_every_model_predicts_the_test_scans_of_its_resample(bare_project):
    """Two test scans; two sources and three resamples at each size, but as pre-trained one source and one resample."""
    whole = {"dataset": "cohort", "task": "segmentation", "transfer": "all"}
    pretrain = {"epochs": 1, "sources": {"scratch": {}, "t1-segmentation": whole}}
    target = {"classes": {"gm": [1]}, "sizes": [0, 1, 2], "resamples": 3}
    found = counted(bare_project, pretrain=pretrain, target=target)
    evaluated = {size: found["evaluate", "stroke", "", size] for size in (0, 1, 2)}
    assert {size: row["images"] for size, row in evaluated.items()} == {0: 2 * SLICES, 1: 12 * SLICES, 2: 12 * SLICES}
    assert {row["speed"] for row in evaluated.values()} == {"evaluate"}


def test_auto_encoding_has_a_speed_of_its_own(bare_project):
    source = {"dataset": "cohort", "task": "autoencoding"}
    declared = {"scratch": {}, "t1-autoencoding": source, "t1-masked": source | {"task": "masked-autoencoding"}}
    found = counted(bare_project, pretrain={"epochs": 1, "sources": declared}, finetune=ONE_RATE)
    speeds = {name: found["pretrain", "", name, ""]["speed"] for name in ("t1-autoencoding", "t1-masked")}
    assert speeds == {"t1-autoencoding": "autoencoding", "t1-masked": "pretrain"}
    assert found["finetune", "stroke", "scratch", 1]["speed"] == "finetune"


def test_planning_imports_no_networks_figures_or_statistics(bare_project, monkeypatch):
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    shown = bare_project.snakemake("--dry-run", "--quiet", "all")
    imported = {line.split("|")[-1].strip() for line in shown.stderr.splitlines() if line.startswith("import time:")}
    assert shown.returncode == 0
    assert "headstart.consistency" in imported
    assert not imported & {"torch", "matplotlib", "scipy.stats", "ants"}
