"""Set size 0 through the workflow: a source's own network as a model of a target, evaluated and reported."""

import pandas as pd
import pytest
import yaml

from headstart.job import read_json
from headstart.predict import request

pytestmark = pytest.mark.workflow


def asking_for_0(project, **source):
    """The tiny study, whose target is called after a tissue that its source has learnt, with the set size 0."""
    study = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    study["pretrain"]["sources"]["t1-segmentation"] |= source
    study["targets"]["stroke"] |= {"classes": {"gm ": [1]}, "sizes": [0, 1, 2]}
    (project.folder / "zero.yaml").write_text(yaml.safe_dump(study))


def table(project, name):
    return pd.read_csv(project.results / f"tables/{name}.tsv", sep="\t")


def test_scores_begin_at_0_and_gains_at_the_first_set_of_scans(finished):
    weights = finished.results / "finetune/stroke/scratch/size-1_resample-1/model.safetensors"
    before = weights.read_bytes()
    asking_for_0(finished, transfer="all")
    done = finished.snakemake("--nolock", study="zero.yaml")
    assert done.returncode == 0, done.stderr[-4000:]
    for name in ("scores", "summary", "detection"):
        assert set(table(finished, name).query("size == 0")["source"]) == {"t1-segmentation"}
        assert set(table(finished, name).query("size == 1")["source"]) == {"t1-segmentation", "scratch"}
    zero = table(finished, "summary").query("size == 0").set_index("level")
    assert zero["score"].notna().all()
    assert zero["resamples"].tolist() == [1, 1]
    for name in ("gains", "comparisons", "saved", "trainings"):
        assert set(table(finished, name)["size"].astype(str)) <= {"1", "2", "all"}
    assert table(finished, "verdict")["sizes"].tolist() == ["1, 2"]
    assert set(table(finished, "curves")["sizes"]) == {2}
    assert '<th scope="col">0 scans</th>' in (finished.results / "index.html").read_text()
    assert weights.read_bytes() == before
    folder = finished.results / "finetune/stroke/t1-segmentation/size-0_resample-1"
    assert request.read_metadata(folder)["counted_as_background"] == ["CSF", "WM"]
    made = read_json(finished.results / "provenance.json")["outputs"]
    assert "<study>/finetune/stroke/t1-segmentation/size-0_resample-1/model.safetensors" in made
    assert finished.to_run("--nolock", study="zero.yaml") == {}

    study = yaml.safe_load((finished.folder / "zero.yaml").read_text())
    (finished.folder / "publish.yaml").write_text(yaml.safe_dump({**study, "publish": {"size": 0}}))
    done = finished.snakemake("--nolock", "--", "publish", study="publish.yaml")
    assert done.returncode == 0, done.stderr[-2000:]
    published = finished.results / "published/stroke-t1-segmentation"
    assert (published / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert "and not fine-tuned on any labelled scan, in the study `tiny`" in (published / "README.md").read_text()


def test_a_size_of_0_without_a_source_for_it_stops_the_study_when_it_is_planned(bare_project):
    asking_for_0(bare_project)
    stopped = bare_project.snakemake("--dry-run", study="zero.yaml")
    assert stopped.returncode != 0
    said = "(pretrain.sources.t1-segmentation has transfer: encoder, not all)"
    assert said in stopped.stdout + stopped.stderr
