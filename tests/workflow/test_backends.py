"""Which back end labels a study is settled when it is planned."""

import fake_fsl
import pandas as pd
import pytest
import yaml

from headstart.job import read_json

pytestmark = pytest.mark.workflow


@pytest.fixture
def plan(bare_project, tmp_path, monkeypatch):
    """Plan the tiny study with another back end, ``plan(backend, dataset's, *arguments)``, on a machine with FSL."""
    monkeypatch.setenv("FSLDIR", str(fake_fsl.install(tmp_path / "fsl").root))

    def run(backend, of_dataset, *arguments):
        study = yaml.safe_load((bare_project.folder / "tiny.yaml").read_text())
        study["label"]["backend"] = backend
        if of_dataset:
            study["datasets"]["cohort"]["backend"] = of_dataset
        (bare_project.folder / "planned.yaml").write_text(yaml.safe_dump(study))
        return bare_project.snakemake(*arguments, study="planned.yaml")

    return run


@pytest.mark.parametrize(
    ("backend", "of_dataset", "installed", "rule"),
    [
        ("auto", None, True, "label_scan_fsl"),
        ("auto", None, False, "label_scan"),
        ("fsl", None, False, "label_scan_fsl"),  # it may be on the machines where the jobs run
        ("fsl", "ants", True, "label_scan"),
    ],
)
def test_each_dataset_is_labelled_by_its_back_end(
    plan, bare_project, tmp_path, monkeypatch, backend, of_dataset, installed, rule
):
    if not installed:
        monkeypatch.setenv("FSLDIR", str(tmp_path))
    jobs = bare_project.count(plan(backend, of_dataset, "--dry-run", "label"))
    assert jobs[rule] == 3
    assert len({"label_scan", "label_scan_fsl"} & set(jobs)) == 1


def test_another_back_end_remakes_the_labels_and_what_depends_on_them(project, tmp_path):
    study = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    study["label"]["backend"] = "fsl"
    (tmp_path / "fsl.yaml").write_text(yaml.safe_dump(study))
    again = project.to_run(study=str(tmp_path / "fsl.yaml"))
    assert again["label_scan_fsl"] == 3
    assert again["slice_tissues"] == 2
    assert again["pretrain_source"] == 1
    assert not {"label_scan", "register_scan", "slice_images", "slice_target"} & set(again)


def test_a_labeller_of_the_studys_own_labels_scans_that_it_was_not_trained_on(project, tmp_path):
    copied = project.copy(tmp_path / "copy")
    study = yaml.safe_load((copied.folder / "tiny.yaml").read_text())
    study["label"]["learn"] = {"scans": 1, "held_out": 1, "epochs": 1}
    (copied.folder / "learn.yaml").write_text(yaml.safe_dump(study))
    planned = copied.to_run("--nolock", "label", study="learn.yaml")
    wanted = ("train_labeller", "label_scan_network", "compare_labeller", "tabulate_labeller")
    assert {name: planned.get(name) for name in wanted} == dict.fromkeys(wanted, 1)
    assert not {"label_scan", "register_scan"} & set(planned)
    done = copied.snakemake("--nolock", "label", study="learn.yaml")
    assert done.returncode == 0, done.stderr[-4000:]
    sidecars = (copied.results / "derivatives/cohort").glob("sub-*/anat/*desc-tissue_dseg.json")
    assert sorted(read_json(path)["Backend"] for path in sidecars) == ["ants", "ants", "labeller"]
    agreement = pd.read_csv(copied.results / "tables/labeller.tsv", sep="\t")
    (teacher,) = read_json(copied.results / "labeller/model.json")["trained_on"]["scans"]
    assert len(agreement) == 1
    assert f"cohort/{agreement['subject'].astype(str).str.zfill(2)[0]}" != teacher
    assert agreement[["dice GM", "dice WM"]].notna().all(axis=None)
    assert copied.to_run("--nolock", "label", study="learn.yaml") == {}


def test_a_labeller_needs_scans_to_learn_from_and_scans_to_label(bare_project):
    study = yaml.safe_load((bare_project.folder / "tiny.yaml").read_text())
    study["label"]["learn"] = {"scans": 2, "held_out": 1, "epochs": 1}
    (bare_project.folder / "all.yaml").write_text(yaml.safe_dump(study))
    stopped = bare_project.snakemake("--dry-run", study="all.yaml")
    said = stopped.stdout + stopped.stderr
    assert stopped.returncode != 0
    assert "Traceback" not in said
    assert "label.learn trains on 2 scans and tests on 1, but the datasets that need labels have 3;" in said


def test_without_its_image_a_containers_run_stops_in_one_sentence(plan):
    stopped = plan("fsl", None, "--sdm", "apptainer")
    assert stopped.returncode != 0
    assert "Traceback" not in stopped.stderr
    assert "envs/fsl.sif does not exist; build it with `apptainer build envs/fsl.sif envs/fsl.def`." in stopped.stderr


def test_a_jobs_own_process_keeps_to_what_was_planned(plan, tmp_path, monkeypatch):
    """Else a machine of a cluster without FSL, sent a job for FSL, would look for another rule."""
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    job = ("--target-jobs", "label_scan_fsl:dataset=cohort,subject=01", "--allowed-rules", "label_scan_fsl")
    told = plan("auto", None, "--mode", "subprocess", "--latency-wait", "0", *job)
    assert "sub-01_T1w.nii.gz (missing locally" in told.stdout + told.stderr  # its input, which is not made yet
