"""The winner of a finished study, packed by one command; nothing of the study is made again."""

import shutil

import pandas as pd
import pytest
import yaml

from headstart.job import read_json

pytestmark = pytest.mark.workflow

FILES = {"README.md", "model.json", "model.safetensors", "encoder.safetensors", "network.pt2"}


def test_the_winner_of_a_finished_study_is_packed_and_nothing_is_trained(finished):
    kept = ("pretrain", "finetune", "tables")
    before = finished.written(*kept)
    # Without the slices, nothing could be trained again.
    shutil.rmtree(finished.results / "slices")
    table = pd.read_csv(finished.results / "tables/summary.tsv", sep="\t")
    scores = table[(table["level"] == "volume") & (table["size"] == 2)].set_index("source")["score"]
    assert finished.to_run("publish") == {"publish_model": 1, "publish": 1}
    done = finished.snakemake("--keep-going", "publish")
    assert done.returncode == 0, done.stderr[-2000:]
    folder = finished.results / f"published/stroke-{scores.idxmax()}"
    assert {path.name for path in folder.iterdir()} == FILES
    assert (
        f"`{scores.idxmax()}` has the highest mean Dice with 2 labelled scans of 2 sources"
        in (folder / "README.md").read_text()
    )
    model = finished.results / f"finetune/stroke/{scores.idxmax()}/size-2_resample-1"
    assert (folder / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    assert finished.to_run("publish") == {}
    assert finished.written(*kept) == before

    study = yaml.safe_load((finished.folder / "tiny.yaml").read_text())
    other = scores.idxmin()
    (finished.folder / "other.yaml").write_text(yaml.safe_dump({**study, "publish": {"source": other, "size": 1}}))
    done = finished.snakemake("--keep-going", "publish", study="other.yaml")
    assert done.returncode == 0, done.stderr[-2000:]
    assert read_json(finished.results / f"published/stroke-{other}/model.json")["published"]["size"] == 1

    stopped = finished.snakemake("--keep-going", "results/tiny/published/stroke-other/README.md")
    assert stopped.returncode != 0
    assert "is chosen, not stroke-other; set publish.target and publish.source" in stopped.stderr


def test_an_unfinished_study_is_said_in_one_sentence(bare_project):
    stopped = bare_project.snakemake("--keep-going", "publish")
    assert stopped.returncode != 0
    assert "publish: results/tiny/tables/summary.tsv does not exist; run the study first" in stopped.stderr
    assert "Traceback" not in stopped.stderr
