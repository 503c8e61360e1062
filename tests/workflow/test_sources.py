"""Every kind of source through the workflow: scans, synthetic natural images, phantoms and weights from a file."""

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from headstart import images
from headstart.job import read_json, read_table
from headstart.networks.trunks import Encoder

pytestmark = pytest.mark.workflow

SCANS = {"rotation": {"probability": 0.5, "low": -10, "high": 10}, "mirror": True}
# The paper's sources that are trained, two of them with an augmentation of their own.
TRAINED = {
    "t1-segmentation": {"dataset": "cohort", "task": "segmentation", "augment": SCANS},
    "t1-autoencoding": {"dataset": "cohort", "task": "autoencoding"},
    "t1-classification": {"dataset": "cohort", "task": "classification"},
    "natural-segmentation": {
        "dataset": "scenes",
        "task": "segmentation",
        "augment": {"degrees": 10, "scale": 0.1, "mirror": True},
    },
    "natural-autoencoding": {"dataset": "scenes", "task": "autoencoding"},
    "natural-classification": {"dataset": "scenes", "task": "classification", "augment": SCANS},
}
HEADS = {"layout": "phantom", "people": 3, "target": "anatomy", "voxel_mm": [2.0, 2.4]}
STRUCTURES = {"structures": {"lesion": ["lesion"], "ventricles": ["ventricles"]}, "synthesis": "any"}
DENSE = {"task": "segmentation", "labels": "target", "classes": {"matter": [1, 2], "ventricles": [4]}}


def study_with(project, sources, **datasets):
    """Write the tiny study with other sources and further datasets into its project."""
    study = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    study["datasets"] |= datasets
    study["slice"]["images_per_file"] = 12
    study["pretrain"]["sources"] = {"scratch": {}, **sources}
    study["finetune"]["learning_rates"] = []
    (project.folder / "sources.yaml").write_text(yaml.safe_dump(study))


def ran(project, *targets):
    done = project.snakemake("--nolock", *targets, study="sources.yaml")
    assert done.returncode == 0, done.stderr[-4000:]


def table_of_sources(project):
    return pd.read_csv(project.results / "tables/sources.tsv", sep="\t", index_col="source", dtype={"left_out": str})


def test_the_papers_eight_sources_run(untrained):
    torch.save(Encoder("resnet18", latent_channels=4).state_dict(), untrained.folder / "weights.pth")
    weights = {"imagenet-classification": {"weights": {"file": str(untrained.folder / "weights.pth")}}}
    study_with(untrained, TRAINED | weights, scenes={"layout": "scenes", "pictures": 24})
    drawn = [f"results/tiny/figures/pretraining_{source}.png" for source in TRAINED]
    ran(untrained, "pretrain", *drawn, "results/tiny/figures/pretraining.png")
    table = table_of_sources(untrained)
    assert table.loc["natural-classification", ["dataset", "classes", "files"]].tolist() == ["scenes", 10, 2]
    assert table.loc["t1-classification", ["classes", "files"]].tolist() == [16, 3]
    assert table["domain"].to_dict() == {
        "scratch": "baseline",
        **{source: "natural" if entry["dataset"] == "scenes" else "synthetic" for source, entry in TRAINED.items()},
        "imagenet-classification": "other",
    }
    for source, entry in TRAINED.items():  # each has its own augmentation
        metadata = read_json(untrained.results / f"pretrain/{source}/model.json")
        if given := entry.get("augment"):
            assert {kind: metadata["augment"][kind] for kind in given} == given
            assert not any(metadata["augment"][kind]["probability"] for kind in metadata["augment"].keys() - given)
        else:
            assert metadata["augment"] is None
        assert 0 < metadata["parameters"]["encoder"] < metadata["parameters"]["network"]
        assert (metadata["dataset"], metadata["left_out"]) == (entry["dataset"], [])
    assert "layer4" in (untrained.results / "pretrain/imagenet-classification/model.json").read_text()


def test_sources_of_any_name_run_on_any_scans_and_test_people_are_left_out(untrained, new_project, tmp_path):
    """A task on two datasets, a target's own scans, and phantoms with the classes of the source."""
    sources = {
        "own": {"dataset": "stroke", "task": "autoencoding"},
        "own-lesions": {"dataset": "stroke", "task": "segmentation", "labels": "target", "transfer": "all"},
        "cohort": {"dataset": "cohort", "task": "autoencoding"},
        "dense": {"dataset": "heads", "steps": 5, "learning_rate": 0.01, "transfer": "all", **DENSE},
        "next": {"dataset": "heads", "steps": 5, "start": "dense", "repeats": 2, **DENSE},
        "made": {"dataset": "label-maps", "task": "segmentation", "steps": 5, "transfer": "all", **STRUCTURES},
        "own-maps": {"dataset": "stroke-maps", "task": "segmentation", "steps": 5, "transfer": "all"},
    }
    maps = {
        "label-maps": {"layout": "synthetic", "people": 3},
        "stroke-maps": {"layout": "synthetic", "scans": "stroke"},
    }
    study_with(untrained, sources, heads=HEADS, **maps)
    study = yaml.safe_load((untrained.folder / "sources.yaml").read_text())
    study["targets"]["stroke"] |= {"sizes": [1], "resamples": 2}
    (untrained.folder / "sources.yaml").write_text(yaml.safe_dump(study))
    planned = new_project(tmp_path / "bare").to_run("pretrain", study=str(untrained.folder / "sources.yaml"))
    assert planned["register_scan"] == 10
    assert not {"label_scan", "slice_tissues"} & set(planned)  # no source needs made labels
    own = ("own-lesions", "next", "made", "own-maps")
    tuned = {name: f"finetune/stroke/{name}/size-1_resample-1/model.json" for name in own}
    ran(untrained, "pretrain", *(f"results/tiny/{path}" for path in tuned.values()))
    split = pd.read_csv(untrained.results / "splits/stroke/size-1_resample-1.tsv", sep="\t", dtype=str)
    tested = sorted(split.loc[split["role"] == "test", "subject"])
    table = table_of_sources(untrained)
    metadata = {name: read_json(untrained.results / f"pretrain/{name}/model.json") for name in sources}
    for name in ("own", "own-lesions", "own-maps"):
        assert metadata[name]["left_out"] == tested
        assert table.loc[name, ["files", "left_out"]].tolist() == [2, ", ".join(tested)]
        assert metadata[name]["files"] + metadata[name]["held_out_files"] == 2
    assert metadata["own"]["data_sha256"] != metadata["cohort"]["data_sha256"]
    assert table.loc["cohort", "files"] == 3
    assert metadata["dense"]["classes"] == ["background", "matter", "ventricles"]
    assert (metadata["dense"]["training"]["steps"], metadata["dense"]["training"]["learning_rate"]) == (5, 0.01)
    assert table.loc["next", ["start", "repeats"]].tolist() == ["dense", 2]
    repeated = read_json(untrained.results / "pretrain/next/repeat-2/model.json")
    assert metadata["next"].get("repeat") is None
    assert (repeated["repeat"], repeated["start"]) == (2, "dense")
    assert repeated["seed"] != metadata["next"]["seed"] == metadata["dense"]["seed"]
    for made in (metadata["next"], repeated):
        assert made["start_sha256"] == metadata["dense"]["sha256"]
    for resample, pretraining in ((1, metadata["next"]), (2, repeated)):
        found = read_json(untrained.results / f"finetune/stroke/next/size-1_resample-{resample}/model.json")
        assert found["start_sha256"]["encoder.safetensors"] == pretraining["sha256"]["encoder.safetensors"]
        assert (found["source_start"], found.get("source_repeat", 1)) == ("dense", resample)
    labels = np.load(untrained.results / "slices/heads/part-0000_desc-target_dseg.npy")
    assert set(np.unique(labels)) == {0, 1, 2}
    assert table.loc["dense", "domain"] == "synthetic"
    assert table.loc["made", ["domain", "classes", "files"]].tolist() == ["synthetic", 3, 3]
    assert metadata["made"]["classes"] == ["background", "lesion", "ventricles"]
    assert (metadata["made"]["synthesis"]["style"], metadata["made"]["augment"]) == ("any", None)
    assert metadata["made"]["size"] == [64, 64]
    maps = np.load(untrained.results / "slices/label-maps/part-0000_desc-structures_dseg.npy")
    assert maps.shape[1:] == (128, 128)
    assert_label_maps_of_scans_are_those_that_train(untrained, metadata["own-maps"], tested)
    for name, path in tuned.items():
        assert ("decoder.safetensors" in read_json(untrained.results / path)["start_sha256"]) == (name != "next")


def slices_of(project, dataset, kind):
    """The slices of each scan of a dataset, by subject, in the files that there are."""
    found = {}
    for index in (project.results / "slices" / dataset).glob("part-*_scans.tsv"):
        path = index.with_name(f"{index.name.removesuffix('_scans.tsv')}_{kind}.npy")
        for row in read_table(index).itertuples() if path.exists() else ():
            found[row.subject] = np.load(path)[row.first : row.last]
    return found


def assert_label_maps_of_scans_are_those_that_train(project, metadata, tested):
    """There are label maps of the target's scans but for the test's, with the lesions and a label for all else."""
    made = slices_of(project, "stroke-maps", "desc-structures_dseg")
    lesions, images = (slices_of(project, "stroke", kind) for kind in ("desc-target_dseg", "T1w"))
    assert sorted(made) == sorted({"01", "02", "03", "04"} - set(tested))
    for subject, maps in made.items():
        assert np.array_equal(maps == 1, lesions[subject] == 1)
        assert maps[images[subject] > 20_000].all()
    assert set(np.unique(np.concatenate(list(made.values())))) == set(range(9))
    labels = pd.read_csv(project.results / "slices/stroke-maps/labels.tsv", sep="\t", index_col="name")
    assert list(labels.index) == ["lesion", "brain 1", "brain 2", "brain 3", "head 1", "head 2", "head 3", "head 4"]
    assert labels["t1"].iloc[1:4].is_monotonic_increasing
    assert labels["t1"].iloc[4:].is_monotonic_increasing
    assert labels["brain"].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert {label["name"]: label["t1"] for label in metadata["synthesis"]["labels"]} == labels["t1"].to_dict()
    assert (metadata["scans"], metadata["classes"]) == ("stroke", ["background", "lesion"])


def test_labels_are_made_for_the_datasets_whose_sources_need_them_and_learnt_from_all_of_these(bare_project):
    sources = {
        "a": {"dataset": "cohort", "task": "segmentation"},
        "b": {"dataset": "second", "task": "classification"},
        "c": {"dataset": "third", "task": "autoencoding"},
    }
    others = {name: {"layout": "phantom", "people": 3, "voxel_mm": [2.0, 2.4]} for name in ("second", "third")}
    study_with(bare_project, sources, **others)
    assert bare_project.to_run("--nolock", "label", study="sources.yaml")["label_scan"] == 6
    study = yaml.safe_load((bare_project.folder / "sources.yaml").read_text())
    study["label"]["learn"] = {"scans": 2, "held_out": 1, "epochs": 1}
    (bare_project.folder / "sources.yaml").write_text(yaml.safe_dump(study))
    planned = bare_project.to_run("--nolock", "label", study="sources.yaml")
    assert [planned[rule] for rule in ("label_scan", "label_scan_network", "compare_labeller")] == [3, 3, 1]


def test_a_file_of_weights_that_is_not_there_stops_the_study_when_it_is_planned(bare_project):
    study_with(bare_project, {"mine": {"weights": {"file": str(bare_project.folder / "gone.pth")}}})
    stopped = bare_project.snakemake("--dry-run", study="sources.yaml")
    assert stopped.returncode != 0
    said = stopped.stdout + stopped.stderr
    assert "pretrain.sources.mine.weights.file: " in said
    assert "gone.pth does not exist; correct it, or remove the source." in said


def test_pre_training_on_the_people_of_the_test_stops_the_study_and_a_doubt_is_said_and_tabulated(bare_project):
    weights = bare_project.folder / "weights.pth"
    torch.save(Encoder("resnet18", latent_channels=4).state_dict(), weights)

    def planned(set_name, *targets):
        sources = {
            "theirs": {"weights": {"file": str(weights), "trained_on": ["OASIS-3"]}},
            "ours": {"dataset": "cohort", "task": "autoencoding"},
        }
        study_with(bare_project, sources)
        study = yaml.safe_load((bare_project.folder / "sources.yaml").read_text())
        real = {"layout": "flat", "folder": str(scans), "pattern": r"(?P<subject>\d+)_T1\.nii", "set": set_name}
        study["datasets"]["real"] = real | {"labels_pattern": r"(?P<subject>\d+)_seg\.nii"}
        lesions = {"classes": {"lesion": [1]}, "metric": "dice", "test": 1, "sizes": [1], "resamples": 1, "steps": 1}
        study["targets"]["real"] = {"dataset": "real", **lesions}
        (bare_project.folder / "sources.yaml").write_text(yaml.safe_dump(study))
        return bare_project.snakemake("--nolock", *targets, study="sources.yaml")

    scans = bare_project.folder / "scans"
    scans.mkdir()
    for number in range(3):
        for kind in ("T1", "seg"):
            empty = images.Volume(np.zeros((4, 4, 4), np.uint8), np.eye(4))
            images.write(scans / f"{number}_{kind}.nii", empty, np.uint8)
    stopped = planned("oasis3", "--dry-run")
    assert stopped.returncode != 0
    assert "trained_on names OASIS-3, the target's own set" in stopped.stdout + stopped.stderr
    doubted = planned("oasis1", "results/tiny/tables/sources.tsv")
    assert doubted.returncode == 0, doubted.stderr[-4000:]
    assert doubted.stderr.count("(source theirs, target real): pretrain.sources.theirs.weights.trained_on names") == 1
    table = table_of_sources(bare_project)
    assert table.loc["theirs", "overlap"].startswith("real: pretrain.sources.theirs.weights.trained_on names OASIS-3, ")
    assert "one generator makes" in table.loc["ours", "overlap"]
