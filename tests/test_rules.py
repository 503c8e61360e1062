"""What rules give their scripts, and what the scripts of trainings make of it: scans, seeds, rates and states."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import SCRIPTS

from headstart import debug, job, pretrain
from headstart.networks import model_files
from headstart.networks.architectures import Architecture
from headstart.slices import store
from headstart.training.checkpoint import Checkpoint

RATES = (1e-3, 1e-4)
# What registration and labelling say is not asked here, so that a small network and slices made by hand will do.
NETWORK = {"unet_widths": [8, 8, 8, 4, 4]}


@pytest.fixture
def mocked(tiny):
    """The ``snakemake`` object of a rule for the tiny study with these changes: ``mocked(rule, {section: ...}, ...)``.

    Six people, of whom two are tested on; sets of one and two of the other four are drawn three times.
    """

    def mock(rule: str, changes: dict | None = None, /, **wildcards: str):
        study = yaml.safe_load(tiny.read_text())
        study["network"] = NETWORK
        study["datasets"]["stroke"]["people"] = 6
        study["targets"]["stroke"] |= {"resamples": 3}
        study["finetune"] = {"learning_rates": list(RATES), "draws": 3}
        for (section, *inner), value in (changes or {}).items():
            place = study.setdefault(section, {})
            for key in inner[:-1]:
                place = place[key]
            place |= {inner[-1]: value} if inner else value
        Path("changed.yaml").write_text(yaml.safe_dump(study))
        return debug.mock_snakemake(rule, ["changed.yaml"], **wildcards)

    return mock


def scans_tested(mocked, changes: dict | None = None) -> set[str]:
    """The scans that any resample of any set size is tested on."""
    sets = [mocked("segment_stroke", changes, target="stroke", size=size).params.scans for size in ("1", "2")]
    assert all(sets)
    return {subject for per_size in sets for subjects in per_size for subject in subjects}


def written_slices(indices: Iterable, images: Iterable, labels: Iterable, subjects: Iterable[str]) -> None:
    """Write files with slices of all these scans, each scan with other ones."""
    rng = np.random.default_rng(0)
    scans = rng.random((3 * len(subjects), 64, 64))
    for path in indices:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        store.write_index(path, subjects, [3] * len(subjects))
    for path in images:
        store.write_image(path, scans)
    for path in labels:
        store.write_labels(path, (scans > 0.9).astype(np.uint8))


@pytest.fixture
def ready(mocked):
    """The job that fine-tunes ``scratch`` on sets of one scan, its input files made by hand, and the rate to take."""
    ran = mocked(
        "finetune_stroke", {("training", "checkpoint_minutes"): 0}, target="stroke", source="scratch", size="1"
    )
    subjects = sorted({subject for drawn in ran.params.scans for subject in drawn})
    written_slices(ran.input.index, ran.input.images, ran.input.labels, subjects)
    made = pretrain.scratch(Architecture.of(ran.params.network), 1)
    pretrain.save(made, ran.input.encoders[0], "scratch", ran.params.expects)
    tries = pd.DataFrame({"learning_rate": RATES, "score": [0.1, 0.2], "chosen": [False, True]})
    job.write_table(ran.input.tuning[0], tries)
    for path in (*ran.output, *ran.log):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    return ran


def test_rates_are_tried_on_scans_of_no_test_set_and_judged_on_others_than_those_trained_on(mocked):
    tried = mocked("tune_stroke", target="stroke", source="scratch").params
    assert len(tried.train) == len(tried.held_out) == 3
    tested = scans_tested(mocked)
    for train, held_out in zip(tried.train, tried.held_out, strict=True):
        assert train and held_out
        assert not set(train) & set(held_out)
        assert not {*train, *held_out} & tested


def test_sources_are_compared_on_the_same_training_sets_and_seeds_and_resamples_differ(mocked):
    sets, seeds = [], []
    for size in ("1", "2"):
        jobs = [
            mocked("finetune_stroke", target="stroke", source=source, size=size).params
            for source in ("scratch", "t1-segmentation")
        ]
        assert jobs[0].scans == jobs[1].scans
        assert jobs[0].seeds == jobs[1].seeds
        assert {len(drawn) for drawn in jobs[0].scans} == {int(size)}
        sets += [tuple(sorted(drawn)) for drawn in jobs[0].scans]
        seeds += jobs[0].seeds
    assert len(set(seeds)) == 6
    assert len(set(sets)) > 4  # they are drawn one by one, so that two may be the same
    assert not {subject for drawn in sets for subject in drawn} & scans_tested(mocked)


def test_the_table_of_a_split_lists_the_scans_that_are_trained_on(mocked):
    drawn = mocked("finetune_stroke", target="stroke", source="scratch", size="2").params.scans
    for resample, subjects in enumerate(drawn, start=1):
        text = mocked("write_split", target="stroke", size="2", resample=str(resample)).params.split
        split = pd.read_csv(io.StringIO(text), sep="\t", dtype=str)
        assert sorted(split.loc[split["role"] == "train", "subject"]) == sorted(subjects)


def test_targets_with_one_dataset_share_their_seeds_and_the_provenance_records_those_that_are_used(mocked):
    target = yaml.safe_load(Path("tiny.yaml").read_text())["targets"]["stroke"] | {"resamples": 3}
    two = {("targets", "again"): target}
    recorded = mocked("write_provenance", two).params.planned["seeds"]
    for name in ("stroke", "again"):
        tuned = mocked(f"finetune_{name}", two, target=name, source="scratch", size="2").params.seeds
        assert [recorded["finetune"][f"{name}/size-2_resample-{resample}"] for resample in (1, 2, 3)] == tuned
    first, second = (mocked(f"tune_{name}", two, target=name, source="scratch").params for name in ("stroke", "again"))
    assert recorded["tune"] == {"stroke": first.seeds, "again": first.seeds}
    assert (first.seeds, first.train, first.held_out) == (second.seeds, second.train, second.held_out)


@pytest.mark.parametrize(("split", "tested"), [({"test": 1}, 1), ({"test": 1, "split": "redrawn"}, 3)])
def test_the_first_page_counts_the_scans_that_any_resample_tests(split, tested, mocked):
    """With this seed, three resamples have three test sets of one scan."""
    changes = {("targets", "stroke", key): value for key, value in {**split, "sizes": [2]}.items()}
    changes[("finetune", "learning_rates")] = []
    assert mocked("write_answer", changes).params.study["targets"]["stroke"]["tested"] == tested


def test_headers_in_files_of_their_own_are_inputs(mocked, tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    for person in range(1, 7):
        for name in ("T1", "mask"):
            for suffix in ("img", "hdr"):
                (folder / f"{person}_{name}.{suffix}").touch()
    pairs = {
        "layout": "flat",
        "folder": str(folder),
        "pattern": r"(?P<subject>\d)_T1\.img",
        "labels_pattern": r"(?P<subject>\d)_mask\.img",
    }
    changes = {("datasets", "stroke"): pairs}
    named = {"dataset": "stroke", "subject": "1"}
    checked = mocked("check_scans", changes, dataset="stroke", part="0000").input
    assert {"1_T1.hdr", "1_mask.hdr"} <= {Path(path).name for path in checked}
    for rule, header in (("register_scan", "1_T1.hdr"), ("resample_target", "1_mask.hdr")):
        assert [Path(path).name for path in mocked(rule, changes, **named).input.headers] == [header]


@pytest.mark.parametrize(("hold_for", "pool"), [("these", {}), ("population", {"stroke": 4})])
def test_intervals_know_the_number_of_scans_that_sets_are_drawn_from(mocked, hold_for, pool):
    for rule in ("tabulate_scores", "compare_sources"):
        assert mocked(rule, {("evaluate", "training_scans"): hold_for}).params.population == pool


def test_images_are_read_in_the_order_that_the_model_is_said_to_see(mocked):
    images = {("datasets", "stroke", "images"): ["T1w", "FLAIR"]}
    named = {"target": "stroke", "size": "1"}
    tuned = mocked("finetune_stroke", images, source="scratch", **named)
    assert tuned.params.about["images"] == ["T1w", "FLAIR"]
    rules = (
        tuned,
        mocked("segment_stroke", images, **named),
        mocked("tune_stroke", images, target="stroke", source="scratch"),
    )
    for rule in rules:
        found = [path.removesuffix(".npy").rpartition("_")[2] for path in rule.input.images]
        assert found == ["T1w"] * len(rule.input.index) + ["FLAIR"] * len(rule.input.index)


def test_each_resample_is_fine_tuned_on_its_own_scans_at_the_rate_that_was_chosen(ready):
    debug.run_script(SCRIPTS / "finetune_target.py", ready)
    for path, subjects in zip(ready.output.metadata, ready.params.scans, strict=True):
        made = job.read_json(path)
        assert made["training"]["learning_rate"] == RATES[1]
        own = [
            each for kind in ("images", "labels") for each in store.find(ready.input.index, ready.input[kind], subjects)
        ]
        assert made["data_sha256"] == store.fingerprint(own)


def test_fine_tunings_keep_their_states_until_all_models_are_written(ready, monkeypatch):
    written, write = [], Checkpoint.write

    def note(checkpoint: Checkpoint, state: dict) -> None:
        written.append((str(checkpoint.path), "step" if "optimisers" in state else "end"))
        write(checkpoint, state)

    monkeypatch.setattr(Checkpoint, "write", note)
    kept, save = [], model_files.save

    def note_kept(model: object, path: str, *about: object) -> None:
        kept.append(path)
        assert all(Path(state).exists() for state in ready.params.states[: len(kept)])
        save(model, path, *about)

    monkeypatch.setattr(model_files, "save", note_kept)
    debug.run_script(SCRIPTS / "finetune_target.py", ready)
    assert set(written) == {(path, when) for path in ready.params.states for when in ("step", "end")}
    assert kept == list(ready.output.models)
    assert not any(Path(path).exists() for path in ready.params.states)


def test_a_source_is_trained_on_the_scans_of_no_test_set_alone(mocked, monkeypatch):
    source = {("pretrain", "sources", "own"): {"dataset": "stroke", "task": "autoencoding"}}
    ran = mocked("pretrain_source", source, source="own", repeat="")
    people = {f"{number:02}" for number in range(1, 7)}
    assert set(ran.params.subjects) == people - scans_tested(mocked)
    assert set(ran.params.about["left_out"]) == scans_tested(mocked)
    written_slices(ran.input.index, ran.input.images, ran.input.targets, sorted(people))
    Path(ran.log[0]).parent.mkdir(parents=True, exist_ok=True)
    described = []
    monkeypatch.setattr(pretrain, "run", described.append)
    debug.run_script(SCRIPTS / "pretrain_source.py", ran)
    assert described[0]["images"] == store.find(ran.input.index, ran.input.images, ran.params.subjects)
