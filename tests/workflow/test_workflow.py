"""The pipeline from end to end, on a tiny study."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from headstart import images
from headstart.job import read_json
from headstart.template import template
from headstart.template.template import STRUCTURES

ROOT = Path(__file__).parents[2]
VALIDATOR = Path(sys.executable).parent / "bids-validator-deno"

pytestmark = pytest.mark.workflow

# What is made of finished evaluations: seconds of work.
ANSWER = {
    "tabulate_trainings", "tabulate_scores", "tabulate_detection", "tabulate_needed", "compare_sources", "draw_verdict",
    "draw_domains", "draw_detection", "draw_scores", "draw_pairs", "draw_examples", "describe_study", "write_answer",
    "write_provenance", "score_native", "tabulate_native",
}  # fmt: skip


def table(path):
    return pd.read_csv(path, sep="\t")


def test_the_answer_is_there_with_its_intervals(project):
    summary = table(project.results / "tables/summary.tsv")
    assert set(summary["source"]) == {"scratch", "t1-segmentation"}
    assert set(summary["size"]) == {1, 2}
    assert ((summary["low"] <= summary["score"]) & (summary["score"] <= summary["high"])).all()
    gains = table(project.results / "tables/gains.tsv")
    assert len(gains) == 4
    assert set(gains["baseline"]) == {"scratch"}
    pairs = table(project.results / "tables/comparisons.tsv").query("size != 'all'")
    assert list(pairs["difference"]) == list(gains["gain"])
    assert gains["low"].isna().all()  # one training set of each size: nothing is tested
    needed = table(project.results / "tables/needed.tsv")
    assert set(needed["source"]) == {"scratch", "t1-segmentation"}
    assert set(needed["of_best"]) == {0.8, 0.9, 0.95}
    assert table(project.results / "tables/backtest.tsv").empty
    assert "% of the highest mean score" in (project.results / "index.html").read_text()
    verdict = table(project.results / "tables/verdict.tsv")
    assert list(verdict["target"]) == ["stroke"]
    assert verdict["sentence"].iloc[0].startswith("stroke: ")
    of_target = ("domains_stroke", "detection_stroke", "pairs_stroke", "examples_stroke")
    for name in ("verdict", "scores", "pretraining", "ground_truth", *of_target):
        for suffix in ("png", "svg"):
            assert (project.results / f"figures/{name}.{suffix}").stat().st_size > 1000
        assert len(table(project.results / f"figures/{name}.tsv"))


def test_lesions_are_counted_at_every_cutoff(project):
    found = table(project.results / "tables/detection.tsv")
    keys = ["target", "source", "size", "connectivity", "overlap", "volume_ml"]
    assert len(found) == 2 * 2 * 2 * 2 * 3
    assert not found.duplicated(keys).any()
    assert (found["scans"] == 2).all()
    everything = found.query("volume_ml == 0 and connectivity == 'volume26'")
    assert (everything["lesions"] >= 2).all()
    assert everything["sensitivity"].notna().all()
    lesions = pd.read_parquet(project.results / "evaluate/stroke/scratch/size-1_resample-1/lesions.parquet")
    metrics = pd.read_parquet(project.results / "evaluate/stroke/scratch/size-1_resample-1/metrics.parquet")
    volumes = metrics.query("level == 'volume' and class_name == 'lesion'")
    true = lesions.query("kind == 'true' and connectivity == 'volume26'").groupby("scan")[["voxels", "volume_ml"]].sum()
    assert true["voxels"].to_dict() == volumes.set_index("scan")["true_voxels"].to_dict()
    assert np.allclose(true["volume_ml"], true["voxels"] * 0.064)  # voxels of 4 mm
    assert volumes["hd95_mm"].notna().all()


def test_predictions_are_scored_on_the_grids_of_their_scans(project):
    """As if they were new scans, and no better than the ground truth that the networks were given."""
    scored = table(project.results / "evaluate/stroke/size-2_native.tsv")
    assert scored.groupby("source").size().to_dict() == {"scratch": 2, "t1-segmentation": 2}
    metrics = pd.read_parquet(project.results / "evaluate/stroke/scratch/size-2_resample-1/metrics.parquet")
    volumes = metrics.query("level == 'volume' and class_name == 'lesion'").set_index("scan")
    for row in scored[scored["source"] == "scratch"].to_dict("records"):
        assert row["dice"] == pytest.approx(volumes.loc[f"{row['scan']:02d}", "dice"], rel=1e-4)
    losses = project.results / "derivatives/stroke/sub-01/anat/sub-01_space-MNI152NLin2009aSym_desc-target_dseg.json"
    tested = scored[scored["scan"] == 1]["ceiling_dice"]
    assert tested.iloc[0] == pytest.approx(read_json(losses)["ceiling_dice"], abs=0.02)
    native = table(project.results / "tables/native.tsv")
    assert set(native["size"]) == {2}
    assert (native["dice_native_low"] <= native["dice_native"]).all()
    assert (native["ceiling_dice"] > 0).all()


def test_derivatives_lie_on_the_templates_grid(project):
    anat = project.results / "derivatives/cohort/sub-01/anat"
    stem = "sub-01_space-MNI152NLin2009aSym_desc"
    grid = template.grid(4)
    t1 = images.read(anat / f"{stem}-preproc_T1w.nii.gz", None)
    assert t1.data.dtype == np.float32
    assert t1.data.min() == 0
    assert t1.data.max() == 1
    for name, values in (("brain_mask", {0, 1}), ("tissue_dseg", {0, 1, 2, 3}), ("subcortical_dseg", {0, *STRUCTURES})):
        labelled = images.read(anat / f"{stem}-{name}.nii.gz", None)
        assert labelled.grid.matches(grid)
        assert labelled.data.dtype == np.uint8
        assert {0, 1} <= {int(v > 0) for v in np.unique(labelled.data)}
        assert set(np.unique(labelled.data)) <= values


def test_labels_say_what_made_them_and_what_each_slice_shows(project):
    for label in ("tissue_dseg", "subcortical_dseg", "labels_mask"):
        stem = project.results / f"derivatives/cohort/sub-01/anat/sub-01_space-MNI152NLin2009aSym_desc-{label}"
        assert (stem.parent / f"{stem.name}.nii.gz").exists()
        metadata = read_json(stem.parent / f"{stem.name}.json")
        assert metadata["Backend"] == "ants"
        assert metadata["BackendVersion"].startswith("headstart ")
    sliced = np.load(project.results / "slices/cohort/part-0000_desc-tissue_dseg.npy", mmap_mode="r")
    present = np.load(project.results / "slices/cohort/part-0000_desc-presence.npy", mmap_mode="r")
    index = table(project.results / "slices/cohort/part-0000_scans.tsv")
    assert list(index["subject"]) == [1, 2]
    assert list(index["first"]) == [0, len(sliced) // 2]
    assert index["last"].iloc[-1] == len(sliced)
    assert len(list((project.results / "slices/cohort").glob("*_T1w.npy"))) == 2
    assert present.shape == (len(sliced), 16)
    assert present.any(axis=0).all()
    assert not present.all(axis=0)[1:].any()
    assert present[sliced.any(axis=(1, 2)), 0].all()


@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
@pytest.mark.parametrize("dataset", ["cohort", "stroke"])
def test_the_bids_validator_finds_no_error_in_derivatives(project, dataset):
    folder = project.results / "derivatives" / dataset
    shown = subprocess.run([VALIDATOR, folder, "--json"], capture_output=True, text=True)
    issues = json.loads(shown.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


def test_synthetic_subjects_agree_with_their_ground_truth(project):
    ground_truth = table(project.results / "tables/ground_truth.tsv")
    assert (ground_truth["registration_mm"] < 5).all()
    assert (ground_truth["dice brain"] > 0.9).all()
    assert (ground_truth["registration_mm"] > ground_truth["best_affine_mm"] - 0.5).all()
    cohort = ground_truth[ground_truth["dataset"] == "cohort"]
    assert (cohort[["dice GM", "dice WM"]] > 0.6).all(axis=None)
    assert cohort["dice left thalamus"].mean() > 0.6


def test_every_scan_is_looked_at_and_registered_well(project):
    quality = table(project.results / "tables/quality.tsv")
    assert len(quality) == 7
    assert set(quality["status"]) <= {"passed", "review"}
    assert (quality["wm_minus_gm"] > 0).all()
    assert (quality["placed_by"] == "sform").all()
    assert quality["label_native_ml"].notna().sum() == 4
    seen = table(project.results / "tables/images.tsv")
    assert len(seen) == 7
    assert seen["sha256"].is_unique


def test_a_failed_registration_stops_the_study_and_then_nothing_is_made_twice(finished):
    strict = yaml.safe_load((finished.folder / "tiny.yaml").read_text())
    strict["quality"] = {"stop": {"brain_dice": [0.9999, 1]}}
    (finished.folder / "strict.yaml").write_text(yaml.safe_dump(strict))
    (finished.results / "slices/stroke/part-0000_T1w.npy").unlink()
    (finished.results / "tables/summary.tsv").unlink()
    stopped = finished.snakemake(study="strict.yaml")
    assert stopped.returncode != 0
    assert "Traceback" not in stopped.stderr
    assert "registration failed for cohort 01 (brain_dice 0.9" in stopped.stderr
    assert "datasets.cohort.exclude and datasets.stroke.exclude" in stopped.stderr
    assert not (finished.results / "tables/summary.tsv").exists()
    again = finished.to_run()
    assert {"tabulate_quality", "gate_quality", "tabulate_scores"} <= set(again)
    assert not {"register_scan", "label_scan", "pretrain_source"} & set(again)


def test_the_draws_are_the_same_for_every_source(project):
    split = table(project.results / "splits/stroke/size-2_resample-1.tsv")
    assert split["role"].value_counts().to_dict() == {"train": 2, "test": 2}
    for source in ("scratch", "t1-segmentation"):
        scored = pd.read_parquet(project.results / f"evaluate/stroke/{source}/size-2_resample-1/metrics.parquet")
        tested = split[split["role"] == "test"]["subject"]
        assert set(scored["scan"].astype(int)) == set(tested)


def test_the_graphs_in_the_docs_are_the_workflows(project):
    printed = project.snakemake("--rulegraph", "mermaid-js", study=str(ROOT / "studies/tour.yaml")).stdout
    page = (ROOT / "docs/workflow.md").read_text()
    names = dict(re.findall(r"(\w+)\[(\w+)\]", printed))
    edges = {(names[a], names[b]) for a, b in re.findall(r"(\w+) --> (\w+)", printed)}
    assert edges
    assert set(re.findall(r"(\w+) --> (\w+)", page)) == {edge for edge in edges if edge[1] != "all"}
    generator = runpy.run_path(str(ROOT / "docs/generate/workflow.py"))
    assert page == generator["page"](printed), "docs/workflow.md is out of date: make docs"
    made = {name for stage in generator["STAGES"] for name in generator["rules"](stage) if name.isidentifier()}
    optional = made - {*names.values(), *generator["STAGES"]}
    listed = {name for listed in generator["OTHERS"].values() for name in listed}
    # Rules that exist once for each first image of scans are listed for a FLAIR.
    of_flair = listed & {"make_subject_flair", *(f"{name}_FLAIR" for name in made)}
    assert of_flair
    assert optional == listed - of_flair


def test_provenance_is_written_after_all_that_it_lists(project):
    def made(*targets):
        shown = project.snakemake("--summary", *targets, study="config.yaml").stdout
        return {line.partition("\t")[0] for line in shown.splitlines()[1:]}

    listed = made("results/default/provenance.json")
    assert listed
    assert {Path(name).parts[2] for name in made() - listed} == {"figures", "index.html", "methods"}


def test_what_is_deleted_is_made_again_with_what_depends_on_it(finished):
    sliced = finished.results / "slices/stroke/part-0000_T1w.npy"
    kept = sliced.read_bytes()
    sliced.unlink()
    again = finished.to_run()
    assert again["slice_images"] == 1
    trained = {"tune_stroke", "tabulate_tuning", "finetune_stroke"}
    assert set(again) <= {"slice_images", *trained, "segment_stroke", "evaluate_stroke", *ANSWER}
    done = finished.snakemake("--until", "slice_images")
    assert done.returncode == 0, done.stderr[-2000:]
    assert sliced.read_bytes() == kept


@pytest.mark.parametrize("stage", ["all", "finetune"])
def test_nothing_due_is_left_out_when_the_gate_is_due_too(finished, tmp_path, stage):
    """Snakemake skips jobs that depend by ancient() alone on one that it will run; no job here may be skipped."""
    loose = yaml.safe_load((finished.folder / "tiny.yaml").read_text())
    loose["quality"] = {"stop": {"brain_dice": [0.01, 1]}}
    (tmp_path / "loose.yaml").write_text(yaml.safe_dump(loose))
    (finished.results / "slices/stroke/part-0000_T1w.npy").unlink()
    (finished.results / "finetune/stroke/scratch/size-2_resample-1/model.safetensors").unlink()
    planned = finished.to_run(stage, study=str(tmp_path / "loose.yaml"))
    assert planned.get("finetune_stroke", 0) >= 1
    if stage == "all":
        assert planned["slice_images"] == planned["gate_quality"] == planned["tabulate_scores"] == 1


def test_the_report_is_one_file_that_asks_nothing_of_the_network(finished):
    done = finished.snakemake("--report", "results/tiny/report.html")
    assert done.returncode == 0, done.stderr[-2000:]
    page = (finished.results / "report.html").read_text()
    for words in ("1 Answer", "score against set size", "3 Quality control", "registration: cohort"):
        assert words in page
    assert 'src="http' not in page
    assert '<link href="http' not in page


@pytest.mark.parametrize(
    ("study", "sentence"),
    [
        ({"trainning": {}}, "did you mean 'training'?"),
        ({"pretrain": {"sources": ["scratch"]}}, "each source has its own dataset and task now"),
        (
            {"pretrain": {"sources": {"own": {"dataset": "stroke", "task": "autoencoding"}}, "held_out": 2}},
            "pretrain.sources.own: outside the test sets are 2 of 4 scans of datasets.stroke, and",
        ),
        (
            {
                "datasets": {
                    "cohort": {"layout": "miccai2012", "folder": "oasis"},
                    "stroke": {"layout": "phantom", "people": 4, "lesions": "stroke", "target": "lesion"},
                }
            },
            "HEADSTART_DATA",
        ),
    ],
)
def test_a_mistake_stops_before_any_job_with_one_sentence(project, tmp_path, monkeypatch, study, sentence):
    monkeypatch.delenv("HEADSTART_DATA", raising=False)
    mistaken = tmp_path / "mistaken.yaml"
    tiny = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    mistaken.write_text(yaml.safe_dump({**tiny, "study": "mistaken", **study}))
    done = project.snakemake(study=str(mistaken))
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.folder / "results/mistaken").exists()
